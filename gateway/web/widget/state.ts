// What the page knows, as one value; every function answers a new one.
//
// What is shown has the order of its arrival. A message of ours is here from its ack on, and the event that tells of it (to all
// tabs) finds it by id or by client_id: so nothing is shown twice.
import { compareDecimal } from '../shared/decimal.ts';
import type { Alert, Challenge, EventFrame, Field, Message, Queue, Welcome } from './protocol.ts';

export type Note = { id: string; note: 'assigned' | 'closed' | 'moved'; who: string; channel: string };
export type Item = Message | Note;
export interface State {
  greeted: boolean;
  last_id: string; // '' before the first welcome
  items: readonly Item[];
  live: boolean; // a conversation is open
  agent: string;
  open: boolean;
  opens_at: string;
  queue?: Queue;
  form: readonly Field[];
  challenge?: Challenge;
  languages: readonly string[];
  text_max: number;
  media_max: number; // octets; 0: no files
  channels: readonly string[];
  alerts: readonly Alert[];
  typing_until: number;
}

export const kTypingMs = 6000;
export const emptyState = (): State => ({
  greeted: false, last_id: '', items: [], live: false, agent: '', open: true, opens_at: '', form: [], languages: [], text_max: 4000,
  media_max: 0, channels: [], alerts: [], typing_until: 0,
});
export const isMessage = (item: Item): item is Message => !('note' in item);

const kRank = ['queued', 'sent', 'stored', 'delivered', 'read'];
const later = (a: string, b: string): string => (kRank.indexOf(b) > kRank.indexOf(a) ? b : a);

function without<K extends keyof State>(state: State, ...keys: K[]): State {
  const rest = { ...state };
  for (const key of keys) delete rest[key];
  return rest;
}

// A message that is here already takes what is new in it and keeps its place.
function put(items: readonly Item[], message: Message): readonly Item[] {
  const at = items.findIndex((each) => each.id === message.id || (isMessage(each) && each.client_id !== '' && each.client_id === message.client_id));
  if (at < 0) return [...items, message];
  const before = items[at] as Message;
  const both = { ...message, client_id: message.client_id || before.client_id, state: later(before.state, message.state) };
  return items.map((each, index) => (index === at ? both : each));
}

export function applyWelcome(state: State, welcome: Welcome): State {
  const { last_id, reset, messages, open, opens_at, queue, form, challenge, languages, text_max, media_max, channels, conversation, alerts } = welcome;
  const fresh = reset || state.last_id === '';
  const next: State = {
    ...without(state, 'queue', 'challenge'),
    greeted: true,
    last_id: fresh ? last_id : state.last_id,
    items: fresh ? messages.reduce<readonly Item[]>(put, []) : state.items,
    live: conversation !== undefined && conversation.state !== 'closed',
    agent: conversation?.agent ?? '',
    open, opens_at, form, languages, text_max, media_max, channels,
    alerts: alerts.reduce(putAlert, state.alerts),
    typing_until: 0,
  };
  if (queue) next.queue = queue;
  if (challenge) next.challenge = challenge;
  return next;
}

const putAlert = (alerts: readonly Alert[], alert: Alert): readonly Alert[] => [alert, ...alerts.filter((each) => each.id !== alert.id)];
export const inForce = (alert: Alert, nowMs: number): boolean => !(Date.parse(alert.expires) <= nowMs);

// Ids grow but not by one: what the agents write among themselves is skipped, and the gateway sends all that is ours, in order.
export function applyEvent(state: State, event: EventFrame, nowMs: number): State {
  const { id, body } = event;
  if (id !== undefined) {
    if (state.last_id !== '' && compareDecimal(id, state.last_id) <= 0) return state;
    state = { ...state, last_id: id };
  }
  switch (body.kind) {
    case 'message': {
      const { message } = body;
      const next = { ...state, live: true, items: put(state.items, message) };
      return message.dir === 'out' ? { ...next, typing_until: 0 } : next;
    }
    case 'receipt': {
      const items = state.items.map((each) => (each.id === body.message && isMessage(each) ? { ...each, state: later(each.state, body.state) } : each));
      return { ...state, items };
    }
    case 'assigned': {
      const note: Note = { id: `note ${state.items.length} ${body.kind}`, note: 'assigned', who: body.agent, channel: '' };
      return { ...without(state, 'queue'), live: true, agent: body.agent, items: [...state.items, note] };
    }
    case 'closed':
    case 'moved': {
      const moved = body.kind === 'moved' ? { who: body.address, channel: body.channel } : { who: '', channel: '' };
      const note: Note = { id: `note ${state.items.length} ${body.kind}`, note: body.kind, ...moved };
      return { ...without(state, 'queue'), live: false, agent: '', typing_until: 0, items: [...state.items, note] };
    }
    case 'alert':
      return { ...state, alerts: inForce(body.alert, nowMs) ? putAlert(state.alerts, body.alert) : state.alerts.filter((each) => each.id !== body.alert.id) };
    case 'queue':
      return { ...state, queue: body.queue };
    case 'typing':
      return { ...state, agent: body.agent || state.agent, typing_until: nowMs + kTypingMs };
    default:
      return state;
  }
}

// The gateway has it: from now on it is a message among the others, though its event may still be on the way.
export function applyAck(state: State, message: Message): State {
  return { ...state, live: true, items: put(state.items, message) };
}

// How many messages of the agency came after the last one he has seen.
export function unread(state: State, seen: string): number {
  const at = state.items.findIndex((each) => each.id === seen);
  return state.items.slice(at + 1).filter((each) => isMessage(each) && each.dir === 'out').length;
}
export const lastOut = (state: State): string => {
  const outs = state.items.filter((each) => isMessage(each) && each.dir === 'out');
  return outs[outs.length - 1]?.id ?? '';
};
