// Who works here: agents, what they may do, which queues they serve and what they can.
import { useSignal } from '@preact/signals';
import { listed, type Form, type OwnField } from '../../shared/fields.ts';
import type { Console } from '../console.ts';
import { queueOptions } from '../direct.ts';
import { type Agent, queueName, readAgent, type Skill } from '../house.ts';
import { availabilityWord, roles, roleWord, skillWord } from '../names.ts';
import { t, type Key } from '../words.ts';
import { edit, kept, removal, section } from './section.ts';

const kLeastPassword = 12;
const letters = 'abcdefghijkmnpqrstuvwxyz23456789';

// Twenty of thirty-two letters that are not taken for each other: a hundred bits.
export const freshPassword = (random: (octets: Uint8Array) => Uint8Array): string =>
  Array.from(random(new Uint8Array(20)), (octet, nth) => `${nth > 0 && nth % 5 === 0 ? '-' : ''}${letters[octet % letters.length]}`).join('');

function Password({ id, value, change }: OwnField) {
  const seen = useSignal(false);
  return (
    <span class="row">
      <input name="password" type={seen.value ? 'text' : 'password'} dir="ltr" aria-labelledby={id} autocomplete="new-password" maxLength={200} value={value} onInput={(event) => change(event.currentTarget.value)} />
      <button type="button" aria-pressed={seen.value} onClick={() => { seen.value = !seen.value; }}>{t('showPassword')}</button>
      <button type="button" onClick={() => { seen.value = true; change(freshPassword((octets) => crypto.getRandomValues(octets))); }}>{t('makePassword')}</button>
    </span>
  );
}

// Skills with levels: "water:3,lamps".
export const levelsOf = (value: string): Map<string, string> => new Map(listed(value).map((each): [string, string] => {
  const [skill = '', level = '1'] = each.split(':');
  return [skill, level];
}));
export function Levels({ value, change, skills }: OwnField & { skills: readonly Skill[] }) {
  const levels = levelsOf(value);
  const set = (skill: string, level: string): void => {
    const next = new Map(levels);
    if (level === '') next.delete(skill);
    else next.set(skill, level);
    change([...next].map(([name, at]) => `${name}:${at}`).join(','));
  };
  if (skills.length === 0) return <p class="hint">{t('noSkillsHint')}</p>;
  return (
    <ul class="levels">
      {skills.map(({ id, name }) => (
        <li key={id}>
          <label><bdi>{name}</bdi> <select value={levels.get(id) ?? ''} onChange={(event) => set(id, event.currentTarget.value)}>
            <option value="">–</option>
            {['1', '2', '3', '4', '5'].map((level) => <option key={level} value={level}>{t('level', { level })}</option>)}
          </select></label>
        </li>
      ))}
    </ul>
  );
}

function form(state: Console, agent: Agent | undefined, again: () => void): Form {
  const admin = state.may('admin');
  const house = state.house.peek();
  return {
    title: agent ? t('editTitle', { name: agent.name }) : t('addAgent'),
    submit: t('save'),
    wide: true,
    fields: [
      { name: 'name', label: t('name'), kind: 'text', max: 100, required: true, value: agent?.name ?? '' },
      ...(admin
        ? [
          { name: 'login', label: t('login'), kind: 'text' as const, code: true, max: 64, required: !agent?.bot, value: agent?.login ?? '', hint: t('loginHint'), shown: (values: Readonly<Record<string, string>>) => !values.bot },
          { name: 'password', label: agent ? t('newPassword') : t('password'), kind: 'own' as const, value: '', hint: t('passwordHint', { n: kLeastPassword }), view: Password, shown: (values: Readonly<Record<string, string>>) => !values.bot },
          { name: 'roles', label: t('roles'), kind: 'checks' as const, value: (agent?.roles ?? ['agent']).join(','), options: roles.map((value) => ({ value, label: `${roleWord(value)}: ${t(`may_${value}` as Key)}` })) },
        ]
        : []),
      { name: 'queues', label: t('queues'), kind: 'checks', value: (agent?.queues ?? []).join(','), options: queueOptions(state), hint: t('queuesHint') },
      { name: 'skills', label: t('skills'), kind: 'own', value: (agent?.skills ?? []).map((each) => (each.includes(':') ? each : `${each}:1`)).join(','), view: (own) => <Levels {...own} skills={house.skills} /> },
      { name: 'capacity', label: t('capacity'), kind: 'number', max: 100, value: String(agent?.capacity ?? 5), hint: t('capacityHint') },
      ...(admin ? [{ name: 'bot', label: t('isBot'), kind: 'check' as const, value: agent?.bot ? 'yes' : '', hint: t('isBotHint') }] : []),
    ],
    send: (values) => {
      const said = {
        name: values.name?.trim(), queues: listed(values.queues ?? ''), skills: listed(values.skills ?? ''), capacity: Number(values.capacity),
      };
      const delicate = admin
        ? {
          roles: listed(values.roles ?? ''),
          ...(Boolean(values.bot) !== (agent?.bot ?? false) ? { bot: Boolean(values.bot) } : {}),
          ...(!values.bot && values.login?.trim() && values.login.trim() !== agent?.login ? { login: values.login.trim() } : {}),
          ...(!values.bot && values.password ? { password: values.password } : {}),
        }
        : {};
      const asked = agent ? state.change('PUT', `/agents/${agent.id}`, { ...said, ...delicate }) : state.change('POST', '/agents', { ...said, ...delicate });
      return kept(state, t('saved', { name: values.name?.trim() ?? '' }), asked, again);
    },
  };
}

export const people = section<Agent>({
  id: 'people',
  title: 'people',
  intro: 'peopleIntro',
  none: 'noAgents',
  noneHint: 'noAgentsHint',
  add: 'addAgent',
  may: (state) => state.may('supervisor', 'auditor'),
  writes: (state) => state.may('admin'),
  read: (state) => state.all('/agents', readAgent),
  key: (agent) => agent.id,
  name: (agent) => agent.name,
  words: (agent) => `${agent.name} ${agent.login} ${agent.id} ${agent.roles.join(' ')} ${agent.queues.join(' ')} ${agent.skills.join(' ')}`,
  columns: [
    { title: 'name', cell: (agent) => <><bdi>{agent.name}</bdi>{agent.bot && <> <span class="tag">{t('bot')}</span></>}{agent.login !== '' && <span class="under" dir="ltr">{agent.login}</span>}</> },
    { title: 'roles', cell: (agent) => agent.roles.map(roleWord).join(', ') },
    { title: 'queues', cell: (agent, state) => agent.queues.map((id) => queueName(state.house.value, id)).join(', ') },
    { title: 'skills', cell: (agent, state) => agent.skills.map((skill) => skillWord(state.house.value, skill)).join(', ') },
    { title: 'capacity', cell: (agent) => String(agent.capacity) },
    { title: 'availability', cell: (agent) => availabilityWord(agent) },
  ],
  make: (state, again) => form(state, undefined, again),
  actions: (agent, state, again) => [
    ...(state.may('supervisor') ? [edit(state, () => form(state, agent, again))] : []),
    ...(state.may('admin') ? [removal(state, agent.name, t('removeAgentHint'), `/agents/${agent.id}`, again)] : []),
  ],
});
