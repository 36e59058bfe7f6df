// From a conversation's log to what a person reads: changes folded into the messages they change, days apart, who waits how long.
import type { Conversation } from './state.ts';
import { isChange } from './state.ts';
import type { Message } from './protocol.ts';

export interface Shown {
  message: Message;
  text: string;
  edited: boolean;
  revoked: boolean;
  reactions: readonly string[]; // at most one of each side
}
export type Row = { kind: 'day'; key: string; at: string } | { kind: 'message'; key: string; shown: Shown };

export function threadOf(messages: readonly Message[]): Shown[] {
  const rows: Shown[] = [];
  const byProvider = new Map<string, Shown>();
  const reactions = new Map<Shown, Map<string, string>>();
  for (const message of messages) {
    const target = isChange(message) && message.of ? byProvider.get(message.of) : undefined;
    if (!target) {
      // A change whose original is not here stays a line of its own rather than getting lost.
      const shown: Shown = { message, text: message.text, edited: false, revoked: false, reactions: [] };
      rows.push(shown);
      if (message.provider_id) byProvider.set(message.provider_id, shown);
      continue;
    }
    if (message.type === 'revoke') target.revoked = true;
    if (message.type === 'edit') {
      target.text = message.text;
      target.edited = true;
    }
    if (message.type === 'reaction') {
      const sides = reactions.get(target) ?? new Map<string, string>();
      reactions.set(target, sides.set(message.dir, message.text));
      target.reactions = [...sides.values()].filter((emoji) => emoji !== '');
    }
    // An edit may itself be edited, by the id of the edit.
    if (message.provider_id) byProvider.set(message.provider_id, target);
  }
  return rows;
}

// The day is the reader's, not Greenwich's.
export const dayOf = (at: string): string => {
  const date = new Date(at);
  return Number.isNaN(date.getTime()) ? '' : `${date.getFullYear()}-${date.getMonth() + 1}-${date.getDate()}`;
};

export function rowsOf(messages: readonly Message[]): Row[] {
  const rows: Row[] = [];
  let day = '';
  for (const shown of threadOf(messages)) {
    const next = dayOf(shown.message.at);
    if (next !== '' && next !== day) rows.push({ kind: 'day', key: `day ${next} ${shown.message.n}`, at: shown.message.at });
    if (next !== '') day = next;
    rows.push({ kind: 'message', key: shown.message.id, shown });
  }
  return rows;
}

const isAnswer = (message: Message): boolean => message.dir === 'out' && !isChange(message);
const isQuestion = (message: Message): boolean => message.dir === 'in' && !isChange(message);

// The time of the oldest message nobody has answered, or '' if all are.
export function waitingSince(conversation: Conversation): string {
  let since = '';
  for (let at = conversation.messages.length - 1; at >= 0; at -= 1) {
    const message = conversation.messages[at]!;
    if (isAnswer(message)) break;
    if (isQuestion(message)) since = message.at;
  }
  return since;
}

export function unread(conversation: Conversation): number {
  let count = 0;
  for (let at = conversation.messages.length - 1; at >= 0; at -= 1) {
    const message = conversation.messages[at]!;
    if (message.n <= conversation.seen_n || isAnswer(message)) break;
    if (isQuestion(message)) count += 1;
  }
  return count;
}

export const lastOf = (conversation: Conversation): Message | undefined =>
  [...conversation.messages].reverse().find((message) => !isChange(message)) ?? conversation.messages[conversation.messages.length - 1];

// Who has waited longest comes first; then those who wait for the citizen, the latest first.
export function byWaiting(conversations: readonly Conversation[]): Conversation[] {
  const time = (at: string): number => Date.parse(at) || 0;
  const keyed = conversations.map((each) => ({ each, since: waitingSince(each), last: time(lastOf(each)?.at ?? '') }));
  keyed.sort((a, b) => {
    if ((a.since === '') !== (b.since === '')) return a.since === '' ? 1 : -1;
    const order = a.since === '' ? b.last - a.last : time(a.since) - time(b.since);
    return order || (a.each.id < b.each.id ? -1 : 1);
  });
  return keyed.map((entry) => entry.each);
}
