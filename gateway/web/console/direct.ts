// What a supervisor directs: queues, agents, conversations. Each is a form that says what will happen; a refusal keeps what was typed.
import type { Form, Option, Values } from '../shared/fields.ts';
import { language } from '../shared/i18n.ts';
import type { Problem } from '../shared/problem.ts';
import type { Console } from './console.ts';
import { type Agent, agentName, queueName } from './house.ts';
import { availabilityWord } from './names.ts';
import { t } from './words.ts';

// Asks, and says what was done if it was.
async function done(state: Console, words: string, asked: Promise<Problem | undefined>, then: () => void = () => {}): Promise<Problem | undefined> {
  const problem = await asked;
  if (problem) return problem;
  state.say(words);
  then();
  return undefined;
}
const byName = (a: { label: string }, b: { label: string }): number => a.label.localeCompare(b.label, language.peek());
export const queueOptions = (state: Console): Option[] => state.house.peek().queues.map(({ id, name }) => ({ value: id, label: name })).sort(byName);
export const agentOptions = (state: Console): Option[] =>
  state.house.peek().agents.filter((each) => !each.bot).map((each) => ({ value: each.id, label: `${each.name} · ${availabilityWord(each)}` })).sort(byName);

export function directQueue(state: Console, id: string): Form {
  const name = queueName(state.house.peek(), id);
  const times: Option[] = [['', t('untilFurther')], ['3600', t('hours', { n: 1 })], ['14400', t('hours', { n: 4 })], ['86400', t('hours', { n: 24 })]]
    .map(([value = '', label = '']) => ({ value, label }));
  return {
    title: t('openCloseTitle', { name }),
    hint: t('openCloseHint'),
    submit: t('save'),
    fields: [
      { name: 'state', label: t('stateNow'), kind: 'radio', value: 'closed', options: [{ value: 'closed', label: t('closeQueue') }, { value: 'open', label: t('openQueue') }, { value: 'none', label: t('byHours') }] },
      { name: 'reason', label: t('reason'), kind: 'text', max: 200, required: true, shown: (values) => values.state !== 'none' },
      { name: 'for_s', label: t('howLong'), kind: 'select', value: '', options: times, shown: (values) => values.state !== 'none' },
    ],
    send: (values) => done(state, t('queueDone', { name }), state.change('PUT', `/queues/${id}/emergency`, values.state === 'none'
      ? { state: 'none' }
      : { state: values.state, reason: values.reason?.trim(), ...(values.for_s ? { for_s: Number(values.for_s) } : {}) }), () => void state.look()),
  };
}

export function directAgent(state: Console, agent: Agent, again: () => void): Form {
  return {
    title: t('availabilityOf', { name: agent.name }),
    hint: t('availabilityHint'),
    submit: t('save'),
    fields: [
      { name: 'value', label: t('availability'), kind: 'radio', value: agent.availability === 'not_responding' ? 'paused' : agent.availability, options: ['ready', 'paused', 'draining', 'offline'].map((value) => ({ value, label: t(`avail_${value}` as 'avail_ready') })) },
      { name: 'reason', label: t('reason'), kind: 'text', max: 200 },
    ],
    send: (values) => done(state, t('agentDone', { name: agent.name }), state.change('PUT', `/agents/${agent.id}/availability`,
      { value: values.value, ...(values.reason?.trim() ? { reason: values.reason.trim() } : {}) }), again),
  };
}

export type Verb = 'assign' | 'take' | 'requeue' | 'close' | 'priority' | 'note' | 'reopen';

// What can be done with a conversation that stands so.
export function verbsFor(state: Console, stands: string): Verb[] {
  if (!state.may('supervisor')) return [];
  if (stands === 'closed') return ['reopen'];
  if (stands === '') return [];
  return ['assign', 'take', 'requeue', ...(stands === 'queued' || stands === 'after_hours' ? ['priority' as const] : []), 'note', 'close'];
}

export function directConversation(state: Console, verb: Verb, id: string, gen: number, again: () => void): Form {
  const path = `/conversations/${id}/${verb === 'note' ? 'notes' : verb}`;
  const title = t(`do_${verb}` as 'do_assign', { id: id.replace('conv_', '') });
  const seen = gen > 0 ? { gen } : {};
  const make = (fields: Form['fields'], body: (values: Values) => object, more: Partial<Form> = {}): Form => ({
    title, submit: t(`verb_${verb}` as 'verb_assign'), fields, ...more,
    send: async (values) => {
      const problem = await done(state, t('conversationDone', { id: id.replace('conv_', '') }), state.change('POST', path, body(values)), again);
      // It moved on meanwhile: say who has it now, and let the page behind show it.
      if (problem?.code === 'stale_generation') again();
      const owner = problem?.now?.owner;
      return problem && owner ? { ...problem, detail: t('nowWith', { name: agentName(state.house.peek(), owner) }) } : problem;
    },
  });
  const agents = agentOptions(state);
  switch (verb) {
    case 'assign':
      return make([{ name: 'agent', label: t('agent'), kind: 'select', value: agents[0]?.value ?? '', options: agents }], ({ agent }) => ({ ...seen, agent }), { hint: t('hint_assign'), ...(agents.length === 0 ? { nothing: t('noAgents') } : {}) });
    case 'take':
      return make([], () => seen, { hint: t('hint_take') });
    case 'requeue':
      return make([{ name: 'queue', label: t('queue'), kind: 'select', value: '', options: [{ value: '', label: t('sameQueue') }, ...queueOptions(state)] }], ({ queue }) => ({ ...seen, ...(queue ? { queue } : {}) }), { hint: t('hint_requeue') });
    case 'close':
      return make([{ name: 'code', label: t('closeAs'), kind: 'radio', value: 'resolved', options: [{ value: 'resolved', label: t('as_resolved') }, { value: 'duplicate', label: t('as_duplicate') }, { value: 'spam', label: t('as_spam') }] }], ({ code }) => ({ ...seen, code }), { hint: t('hint_close'), danger: true });
    case 'priority':
      return make([
        { name: 'minutes', label: t('olderBy'), kind: 'number', value: '10', max: 1000, shown: ({ life_safety }) => !life_safety, required: true },
        { name: 'life_safety', label: t('lifeSafety'), kind: 'check', hint: t('lifeSafetyHint') },
      ], ({ minutes, life_safety }) => ({ ...seen, ...(life_safety ? { life_safety: true } : { minutes: Number(minutes) }) }), { hint: t('hint_priority') });
    case 'reopen':
      return make([], () => seen, { hint: t('hint_reopen') });
    case 'note':
      return make([{ name: 'text', label: t('whisper'), kind: 'area', max: 4000, required: true }], ({ text }) => ({ text }), { hint: t('hint_note') });
  }
}
