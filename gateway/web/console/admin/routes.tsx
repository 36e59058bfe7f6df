// Which queue a conversation goes to, beyond its account's own: an ordered list, kept whole.
import type { Answer } from '../../shared/api.ts';
import { type Form, listed } from '../../shared/fields.ts';
import { type Problem, saying } from '../../shared/problem.ts';
import type { Console } from '../console.ts';
import { queueOptions } from '../direct.ts';
import { agentName, queueName, readRoute, type Route } from '../house.ts';
import { channels, channelWord, languageWord } from '../names.ts';
import { list, object } from '../../shared/read.ts';
import { t } from '../words.ts';
import { edit, kept, section } from './section.ts';

interface Placed {
  route: Route;
  nth: number;
  all: readonly Route[];
}

const body = (route: Route): object => ({
  queue: route.queue,
  ...Object.fromEntries((['account', 'channel', 'language', 'contact', 'bot'] as const).filter((name) => route[name] !== '').map((name) => [name, route[name]])),
  ...(route.words.length > 0 ? { words: route.words } : {}),
  ...(route.life_safety ? { life_safety: true } : route.priority > 0 ? { priority: route.priority } : {}),
  ...(Object.keys(route.attributes).length > 0 ? { attributes: route.attributes } : {}),
});
const readAll = async (state: Console): Promise<Answer<readonly Route[]>> => {
  const answer = await state.ask('GET', '/routes');
  return answer.ok ? { ok: true, data: list(object(answer.data).items).map(readRoute) } : answer;
};
// The list is kept whole, so it is made of what is there now: what could not be read is not taken for nothing, and what somebody else
// changed since it was `seen` is shown first.
async function change(state: Console, seen: readonly Route[] | undefined, make: (now: readonly Route[]) => readonly Route[], again: () => void): Promise<Problem | string | undefined> {
  const now = await readAll(state);
  if (!now.ok) return now.problem;
  if (seen && JSON.stringify(now.data) !== JSON.stringify(seen)) {
    again();
    return t('routesMoved');
  }
  return kept(state, t('routesSaved'), state.change('PUT', '/routes', { items: make(now.data).map(body) }), again);
}
const lines = (attributes: Readonly<Record<string, string>>): string => Object.entries(attributes).map(([name, value]) => `${name}=${value}`).join('\n');
const pairs = (value: string): Record<string, string> => Object.fromEntries(value.split('\n').map((line) => line.split('=')).filter(([name = '', ...rest]) => name.trim() !== '' && rest.length > 0)
  .map(([name = '', ...rest]) => [name.trim(), rest.join('=').trim()]));

function form(state: Console, placed: Placed | undefined, again: () => void): Form {
  const route = placed?.route;
  const house = state.house.peek();
  const queues = queueOptions(state);
  const bots = house.agents.filter((each) => each.bot);
  const any = { value: '', label: t('any') };
  return {
    title: t(route ? 'editRoute' : 'addRoute'),
    hint: t('routeHint'),
    submit: t('save'),
    wide: true,
    ...(queues.length === 0 ? { nothing: t('noQueuesHint') } : {}),
    fields: [
      { name: 'queue', label: t('toQueue'), kind: 'select', value: route?.queue ?? queues[0]?.value ?? '', options: queues },
      { name: 'channel', label: t('channel'), kind: 'select', value: route?.channel ?? '', options: [any, ...channels.map((value) => ({ value, label: channelWord(value) }))] },
      { name: 'account', label: t('account'), kind: 'select', value: route?.account ?? '', options: [any, ...house.accounts.map(({ id }) => ({ value: id, label: id }))] },
      { name: 'language', label: t('languageOf'), kind: 'text', code: true, max: 3, value: route?.language ?? '', hint: t('languageHint') },
      { name: 'words', label: t('wordsIn'), kind: 'text', max: 3000, value: route?.words.join(', ') ?? '', hint: t('wordsHint') },
      { name: 'contact', label: t('contactIs'), kind: 'text', code: true, max: 200, value: route?.contact ?? '', hint: t('contactHint') },
      { name: 'attributes', label: t('attributes'), kind: 'area', max: 3000, value: lines(route?.attributes ?? {}), hint: t('attributesHint') },
      { name: 'priority', label: t('olderBy'), kind: 'number', max: 100, value: String(route?.priority ?? 0) },
      { name: 'life_safety', label: t('lifeSafety'), kind: 'check', value: route?.life_safety ? 'yes' : '', hint: t('lifeSafetyHint') },
      ...(bots.length > 0 ? [{ name: 'bot', label: t('firstBot'), kind: 'select' as const, value: route?.bot ?? '', options: [{ value: '', label: t('nobody') }, ...bots.map(({ id, name }) => ({ value: id, label: name }))] }] : []),
    ],
    send: (values) => {
      const said: Route = {
        queue: values.queue ?? '', account: values.account ?? '', channel: values.channel ?? '', language: values.language?.trim().toLowerCase() ?? '',
        contact: values.contact?.trim() ?? '', words: listed(values.words ?? ''), priority: Number(values.priority), life_safety: Boolean(values.life_safety),
        bot: values.bot ?? '', attributes: pairs(values.attributes ?? ''),
      };
      return change(state, placed?.all, (now) => (placed ? now.map((each, at) => (at === placed.nth ? said : each)) : [...now, said]), again);
    },
  };
}

const conditions = (route: Route, state: Console): string => [
  ...(route.account === '' ? [] : [t('isAccount', { what: route.account })]),
  ...(route.channel === '' ? [] : [t('isChannel', { what: channelWord(route.channel) })]),
  ...(route.language === '' ? [] : [t('isLanguage', { what: languageWord(route.language, document.documentElement.lang) })]),
  ...(route.words.length === 0 ? [] : [t('hasWords', { what: route.words.join(', ') })]),
  ...(route.contact === '' ? [] : [t('isContact', { what: route.contact })]),
  ...Object.entries(route.attributes).map(([name, value]) => `${name}=${value}`),
  ...(route.bot === '' ? [] : [t('viaBot', { what: agentName(state.house.value, route.bot) })]),
].join(' · ');

export const routes = section<Placed>({
  id: 'routes',
  title: 'routes',
  intro: 'routesIntro',
  none: 'noRoutes',
  noneHint: 'noRoutesHint',
  add: 'addRoute',
  may: (state) => state.may('supervisor', 'auditor'),
  writes: (state) => state.may('supervisor'),
  read: async (state) => {
    const answer = await readAll(state);
    return answer.ok ? { ok: true, data: answer.data.map((route, nth, all) => ({ route, nth, all })) } : answer;
  },
  key: ({ nth }) => String(nth),
  name: ({ nth }) => String(nth + 1),
  words: ({ route }) => `${route.queue} ${route.account} ${route.words.join(' ')} ${route.language} ${route.contact}`,
  columns: [
    { title: 'place', cell: ({ nth }) => String(nth + 1) },
    { title: 'ifAll', cell: ({ route }, state) => <span dir="auto">{conditions(route, state)}</span> },
    { title: 'toQueue', cell: ({ route }, state) => queueName(state.house.value, route.queue) },
    { title: 'priority', cell: ({ route }) => (route.life_safety ? t('lifeSafety') : route.priority > 0 ? t('minutes', { n: route.priority }) : '') },
  ],
  make: (state, again) => form(state, undefined, again),
  actions: (placed, state, again) => {
    const { nth, all } = placed;
    const move = (by: number) => async (): Promise<void> => {
      const wrong = await change(state, all, (now) => {
        const next = [...now];
        const [route] = next.splice(nth, 1);
        next.splice(nth + by, 0, route!);
        return next;
      }, again);
      if (wrong !== undefined) state.say(typeof wrong === 'string' ? wrong : saying(wrong, t('refused')), true);
    };
    if (!state.may('supervisor')) return [];
    return [
      edit(state, () => form(state, placed, again)),
      ...(nth > 0 ? [{ label: t('up'), run: move(-1) }] : []),
      ...(nth < all.length - 1 ? [{ label: t('down'), run: move(1) }] : []),
      { label: t('remove'), danger: true, run: () => {
        state.form.value = {
          title: t('removeTitle', { name: String(nth + 1) }), hint: t('removeRouteHint'), submit: t('remove'), danger: true, fields: [],
          send: () => change(state, all, (now) => now.filter((_, at) => at !== nth), again),
        };
      } },
    ];
  },
});
