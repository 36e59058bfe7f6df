// What the desk's actions ask before they are done.
import { type Form, localInput, type Option } from '../shared/fields.ts';
import { dayText, language, timeText } from '../shared/i18n.ts';
import { shownAddress } from './citizen.ts';
import type { Desk } from './desk.ts';
import { queueTitle } from './house.ts';
import type { Extra, Target } from './protocol.ts';
import type { Conversation } from './state.ts';
import { stateWord, channelWord } from './names.ts';
import { t, type Key } from './words.ts';

export const resolveCodes = ['done', 'informed', 'passedOn', 'noAnswer', 'duplicate', 'spam'] as const;
export const pauseReasons = ['break', 'lunch', 'meeting', 'training', 'paperwork', 'technical'] as const;
export const codeWord = (code: string): string =>
  ((resolveCodes as readonly string[]).includes(code) ? t(`code_${code}` as Key) : (pauseReasons as readonly string[]).includes(code) ? t(`pause_${code}` as Key) : code);

const kButtonTitle = 20;
const kRowTitle = 24;
const kMostRows = 10;

function agents(desk: Desk, but: string): Option[] {
  const { presence } = desk.state.value;
  const free = (each: { id: string; connected: boolean; availability: string }): boolean => {
    const now = presence[each.id];
    return now ? now.connected && now.availability === 'ready' : each.connected && each.availability === 'ready';
  };
  return desk.shelf.house.value.agents
    .filter((each) => !each.bot && each.id !== but)
    .sort((a, b) => Number(free(b)) - Number(free(a)) || a.name.localeCompare(b.name, language.value))
    .map((each) => {
      const now = presence[each.id] ?? each;
      const how = now.connected ? now.availability : 'offline';
      return { value: each.id, label: t('agentChoice', { name: each.name, state: stateWord(how), load: now.load, capacity: now.capacity }) };
    });
}
const queues = (desk: Desk): Option[] => desk.shelf.house.value.queues
  .map((each) => ({ value: each.id, label: each.open ? each.name : t('queueClosed', { name: each.name }) }))
  .sort((a, b) => a.label.localeCompare(b.label, language.value));

const firstOf = (options: readonly Option[]): string => options[0]?.value ?? '';

// Times to come back at: soon, and when offices open.
export function parkTimes(nowMs: number): { key: Key; at: Date }[] {
  const at = (days: number, hour: number): Date => {
    const date = new Date(nowMs);
    date.setDate(date.getDate() + days);
    date.setHours(hour, 0, 0, 0);
    return date;
  };
  const weekday = new Date(nowMs).getDay();
  return [
    { key: 'parkHour', at: new Date(nowMs + 3_600_000) },
    { key: 'parkTomorrow', at: at(1, 9) },
    { key: 'parkMonday', at: at(((8 - weekday) % 7) || 7, 9) },
  ];
}

// "Title | description", one a line.
export function rowsFrom(text: string): { id: string; title: string; description?: string }[] {
  return text.split('\n').map((line) => line.trim()).filter((line) => line !== '').map((line, at) => {
    const [title = '', ...rest] = line.split('|');
    const description = rest.join('|').trim();
    return { id: `row-${at + 1}`, title: title.trim(), ...(description === '' ? {} : { description }) };
  });
}

const done = (fine: boolean): string | undefined => (fine ? undefined : t('notDone'));

export function formOf(desk: Desk, name: string): Form | undefined {
  const [which = '', argument = ''] = name.split(' ');
  const conversation = desk.current.value;
  if (which === 'pause') return pause(desk);
  if (!conversation) return undefined;
  const make = forms[which];
  return make?.(desk, conversation, argument);
}

const pause = (desk: Desk): Form => ({
  title: t('pauseTitle'),
  hint: t('pauseHint'),
  submit: t('pauseDo'),
  fields: [
    { name: 'reason', label: t('reason'), kind: 'radio', value: 'break', options: [...pauseReasons.map((value) => ({ value, label: t(`pause_${value}`) })), { value: 'other', label: t('otherReason') }] },
    { name: 'other', label: t('inWords'), kind: 'text', max: 100, required: true, shown: (values) => values.reason === 'other' },
  ],
  send: (values) => {
    desk.availability('paused', values.reason === 'other' ? values.other : values.reason);
    return undefined;
  },
});

type Maker = (desk: Desk, conversation: Conversation, argument: string) => Form;
const forms: Readonly<Record<string, Maker>> = {
  transfer: (desk, { id, gen, queue }) => {
    const people = agents(desk, desk.state.value.agent.id);
    const places = queues(desk);
    return {
      title: t('transfer'),
      hint: t('transferHint'),
      submit: t('transferDo'),
      fields: [
        { name: 'kind', label: t('transferTo'), kind: 'radio', value: 'queue', options: [{ value: 'queue', label: t('aQueue') }, { value: 'agent', label: t('anAgent') }] },
        { name: 'queue', label: t('queue'), kind: 'select', value: queue || firstOf(places), options: places, shown: (values) => values.kind === 'queue' },
        { name: 'agent', label: t('agent'), kind: 'select', value: firstOf(people), options: people, shown: (values) => values.kind === 'agent' },
        { name: 'warm', label: t('warm'), kind: 'check', hint: t('warmHint') },
        { name: 'note', label: t('transferNote'), kind: 'area', max: 1000, hint: t('noteHint') },
      ],
      send: (values) => {
        const to: Target = values.kind === 'agent' ? { agent: values.agent ?? '' } : { queue: values.queue ?? '' };
        if (values.note?.trim()) desk.say(id, values.note.trim(), true);
        return done(desk.act({ t: 'transfer', conversation: id, gen, to, ...(values.warm ? { warm: true } : {}) }));
      },
    };
  },
  park: (desk, { id, gen }) => {
    const times = parkTimes(desk.nowMs());
    return {
      title: t('park'),
      hint: t('parkHint'),
      submit: t('parkDo'),
      fields: [
        {
          name: 'when', label: t('parkUntil'), kind: 'radio', value: '0',
          options: [...times.map(({ key, at }, index) => ({ value: String(index), label: `${t(key)} (${dayText(at.toISOString(), desk.nowMs())}, ${timeText(at.toISOString())})` })), { value: 'own', label: t('parkOwn') }],
        },
        { name: 'at', label: t('parkAt'), kind: 'when', value: localInput(new Date(desk.nowMs() + 2 * 3_600_000)), required: true, shown: (values) => values.when === 'own' },
      ],
      send: (values) => {
        const at = values.when === 'own' ? new Date(values.at ?? '') : times[Number(values.when)]?.at;
        if (!at || Number.isNaN(at.getTime()) || at.getTime() <= desk.nowMs()) return t('parkPast');
        return done(desk.act({ t: 'park', conversation: id, gen, until: at.toISOString() }));
      },
    };
  },
  merge: (desk, conversation) => {
    const citizen = desk.shelf.citizenOf(conversation.contact.id);
    const others = (citizen?.conversations ?? []).filter((each) => each.conversation !== conversation.id && !['closed', 'sends', ''].includes(each.state) && !each.archived);
    return {
      title: t('merge'),
      hint: t('mergeHint'),
      submit: t('mergeDo'),
      ...(others.length === 0 ? { nothing: t('mergeNone') } : {}),
      fields: [{
        name: 'into', label: t('mergeInto'), kind: 'radio', value: others[0]?.conversation ?? '', required: true,
        options: others.map((each) => ({ value: each.conversation, label: `${channelWord(each.channel ?? '')} · ${stateWord(each.state)} · ${each.preview ?? each.conversation}` })),
      }],
      send: (values) => done(desk.act({ t: 'merge', conversation: conversation.id, into: values.into ?? '' })),
    };
  },
  resolveAs: (desk, { id }) => ({
    title: t('resolveAs'),
    submit: t('resolve'),
    fields: [
      { name: 'code', label: t('resolveCode'), kind: 'radio', value: 'done', options: [...resolveCodes.map((value) => ({ value, label: t(`code_${value}`) })), { value: 'other', label: t('otherReason') }] },
      { name: 'other', label: t('inWords'), kind: 'text', max: 64, required: true, shown: (values) => values.code === 'other' },
    ],
    send: (values) => done(desk.resolve(id, values.code === 'other' ? values.other : values.code)),
  }),
  reopen: (desk, { id, queue }) => ({
    title: t('reopen'),
    hint: t('reopenHint'),
    submit: t('reopen'),
    fields: [{ name: 'queue', label: t('queue'), kind: 'select', value: queue, options: queues(desk) }],
    send: (values) => done(desk.act({ t: 'reopen', conversation: id, ...(values.queue ? { to: { queue: values.queue } } : {}) })),
  }),
  requeue: (desk, { id, queue }) => ({
    title: t('requeue'),
    hint: t('requeueHint'),
    submit: t('requeue'),
    fields: [{ name: 'queue', label: t('queue'), kind: 'select', value: queue, options: queues(desk) }],
    send: (values) => done(desk.act({ t: 'requeue', conversation: id, ...(values.queue ? { to: { queue: values.queue } } : {}) })),
  }),
  assign: (desk, { id, owner }) => {
    const people = agents(desk, owner);
    return {
      title: t('assign'),
      hint: t('assignHint'),
      submit: t('assign'),
      ...(people.length === 0 ? { nothing: t('nobody') } : {}),
      fields: [{ name: 'agent', label: t('agent'), kind: 'select', value: firstOf(people), options: people }],
      send: (values) => done(desk.act({ t: 'assign', conversation: id, to: { agent: values.agent ?? '' } })),
    };
  },
  priority: (desk, { id }) => ({
    title: t('priority'),
    hint: t('priorityHint'),
    submit: t('priorityDo'),
    fields: [
      { name: 'minutes', label: t('priorityMinutes'), kind: 'number', value: '30', max: 1000, required: true, shown: (values) => !values.life },
      { name: 'life', label: t('lifeSafety'), kind: 'check', hint: t('lifeSafetyHint') },
    ],
    send: (values) => done(desk.act({ t: 'priority', conversation: id, ...(values.life ? { life_safety: true } : { minutes: Number(values.minutes) }) })),
  }),
  close: (desk, { id }) => ({
    title: t('closeConversation'),
    hint: t('closeHint'),
    submit: t('closeConversation'),
    fields: [{ name: 'code', label: t('resolveCode'), kind: 'select', value: 'done', options: resolveCodes.map((value) => ({ value, label: t(`code_${value}`) })) }],
    send: (values) => done(desk.act({ t: 'close', conversation: id, ...(values.code ? { code: values.code } : {}) })),
  }),
  switch: (desk, conversation) => {
    const citizen = desk.shelf.citizenOf(conversation.contact.id);
    const { accounts } = desk.shelf.house.value;
    const options = (citizen?.addresses ?? []).flatMap((each) => accounts.filter((account) => account.channel === each.channel)
      .map((account) => ({ value: `${account.id} ${each.address}`, label: `${channelWord(each.channel)} · ${shownAddress(each.address)} · ${account.id}` })))
      .filter(({ value }) => !value.startsWith(`${conversation.account} `));
    return {
      title: t('switchTitle'),
      hint: t('switchHint'),
      submit: t('switchDo'),
      ...(options.length === 0 ? { nothing: t('switchNone') } : {}),
      fields: [{ name: 'to', label: t('switchTo'), kind: 'radio', value: firstOf(options), options, required: true }],
      send: (values) => {
        const [account = '', ...rest] = (values.to ?? '').split(' ');
        return done(desk.act({ t: 'switch', conversation: conversation.id, gen: conversation.gen, account, address: rest.join(' ') }));
      },
    };
  },
  attributes: (desk, { id, attributes }) => ({
    title: t('attributes'),
    hint: t('attributesHint'),
    submit: t('save'),
    fields: [{ name: 'all', label: t('attributesLabel'), kind: 'area', max: 4000, value: Object.entries(attributes).map(([name, value]) => `${name}: ${value}`).join('\n') }],
    send: async (values) => {
      const pairs = (values.all ?? '').split('\n').map((line) => line.trim()).filter((line) => line !== '');
      if (pairs.some((line) => !/^[^:]+:/.test(line))) return t('attributesWrong');
      const all = Object.fromEntries(pairs.map((line) => [line.slice(0, line.indexOf(':')).trim(), line.slice(line.indexOf(':') + 1).trim()]));
      return desk.describe(id, all);
    },
  }),
  template: (desk, { id, gen }) => ({
    title: t('template'),
    hint: t('templateHint'),
    submit: t('send'),
    fields: [
      { name: 'name', label: t('templateName'), kind: 'text', required: true, max: 512, hint: t('templateNameHint') },
      { name: 'language', label: t('templateLanguage'), kind: 'text', required: true, max: 32, value: templateLanguages[language.value], hint: t('templateLanguageHint') },
      { name: 'parameters', label: t('templateParameters'), kind: 'area', hint: t('templateParametersHint') },
    ],
    send: (values) => {
      const parameters = (values.parameters ?? '').split('\n').map((line) => line.trim()).filter((line) => line !== '');
      const template = { name: (values.name ?? '').trim(), language: (values.language ?? '').trim(), ...(parameters.length > 0 ? { parameters } : {}) };
      if (!/^[A-Za-z0-9_]+$/.test(template.name)) return t('templateNameWrong');
      return done(gen > 0 && desk.say(id, '', false, { template }));
    },
  }),
  buttons: (desk, { id }) => ({
    title: t('buttons'),
    hint: t('buttonsHint'),
    submit: t('addToReply'),
    fields: [1, 2, 3].map((n) => ({ name: `b${n}`, label: t('buttonN', { n }), kind: 'text' as const, max: kButtonTitle, required: n === 1, value: desk.extras.value[id]?.buttons?.buttons[n - 1]?.title ?? '' })),
    send: (values) => {
      const titles = [values.b1, values.b2, values.b3].map((each) => each?.trim() ?? '').filter((each) => each !== '');
      if (new Set(titles).size !== titles.length) return t('mustDiffer');
      const extra: Extra = { buttons: { buttons: titles.map((title, at) => ({ id: `button-${at + 1}`, title })) } };
      desk.extra(id, extra);
      return undefined;
    },
  }),
  choices: (desk, { id }) => ({
    title: t('list'),
    hint: t('listHint'),
    submit: t('addToReply'),
    fields: [
      { name: 'button', label: t('listButton'), kind: 'text', max: kButtonTitle, required: true, value: desk.extras.value[id]?.list?.button ?? t('listButtonDefault') },
      {
        name: 'rows', label: t('listRows'), kind: 'area', required: true, hint: t('listRowsHint'),
        value: (desk.extras.value[id]?.list?.sections[0]?.rows ?? []).map((row) => (row.description ? `${row.title} | ${row.description}` : row.title)).join('\n'),
      },
    ],
    send: (values) => {
      const rows = rowsFrom(values.rows ?? '');
      if (rows.length > kMostRows || rows.some((row) => row.title.length > kRowTitle || (row.description?.length ?? 0) > 72)) return t('listTooLong');
      desk.extra(id, { list: { button: (values.button ?? '').trim(), sections: [{ rows }] } });
      return undefined;
    },
  }),
  unfold: (desk, { contact }) => ({
    title: t('unfold'),
    hint: t('unfoldHint'),
    submit: t('unfoldDo'),
    fields: [{ name: 'reason', label: t('reason'), kind: 'text', required: true, max: 200 }],
    send: (values) => desk.shelf.meet(contact.id, values.reason ?? '', true),
  }),
  link: (desk, conversation, other) => ({
    title: t('linkContact'),
    hint: t('linkHint'),
    submit: t('linkDo'),
    fields: [
      { name: 'with', label: t('otherContact'), kind: 'text', required: true, value: other, hint: t('otherContactHint') },
      { name: 'reason', label: t('reason'), kind: 'text', required: true, max: 200 },
    ],
    send: (values) => desk.contact(conversation, 'merge', { with: values.with ?? '', reason: values.reason ?? '' }),
  }),
  part: (desk, conversation, other) => ({
    title: t('part'),
    hint: t('partHint'),
    submit: t('part'),
    fields: [{ name: 'reason', label: t('reason'), kind: 'text', required: true, max: 200 }],
    send: (values) => desk.contact(conversation, 'part', { reason: values.reason ?? '' }, other),
  }),
  number: (desk, conversation) => ({
    title: t('addNumber'),
    hint: t('addNumberHint'),
    submit: t('save'),
    fields: [{ name: 'number', label: t('number'), kind: 'text', required: true, max: 60 }],
    send: (values) => desk.contact(conversation, 'numbers', { number: values.number ?? '' }),
  }),
  verify: (desk, conversation, number) => {
    const accounts = desk.shelf.house.value.accounts.filter((each) => each.channel !== 'web').map((each) => ({ value: each.id, label: `${channelWord(each.channel)} · ${each.id}` }));
    return {
      title: t('verify'),
      hint: t('verifyHint'),
      submit: t('verifyDo'),
      ...(accounts.length === 0 ? { nothing: t('switchNone') } : {}),
      fields: [
        { name: 'to', label: t('number'), kind: 'text', required: true, value: number },
        { name: 'account', label: t('verifyBy'), kind: 'select', value: firstOf(accounts), options: accounts },
        { name: 'language', label: t('language'), kind: 'select', value: language.value, options: Object.entries(languageNames).map(([value, label]) => ({ value, label })) },
      ],
      send: (values) => desk.contact(conversation, 'verify', { account: values.account ?? '', to: values.to ?? '', language: values.language ?? 'en' }),
    };
  },
};

const languageNames = { en: 'English', es: 'Español', pt: 'Português', ru: 'Русский', ar: 'العربية' };
const templateLanguages = { en: 'en', es: 'es', pt: 'pt_PT', ru: 'ru', ar: 'ar' } as const;
export const titleOfQueue = (desk: Desk, id: string): string => queueTitle(desk.shelf.house.value, id);
