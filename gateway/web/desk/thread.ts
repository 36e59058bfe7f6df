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
export type Row = { kind: 'day'; key: string; at: string; n: number } | { kind: 'message'; key: string; shown: Shown };

// Values that never change are worked out once.
function once<In extends object, Out>(work: (value: In) => Out): (value: In) => Out {
  const known = new WeakMap<In, { out: Out }>();
  return (value) => {
    let found = known.get(value);
    if (!found) known.set(value, (found = { out: work(value) }));
    return found.out;
  };
}

const plain = once((message: Message): Shown => ({ message, text: message.text, edited: false, revoked: false, reactions: [] }));

export const threadOf = once((messages: readonly Message[]): Shown[] => {
  const rows: Shown[] = [];
  const byProvider = new Map<string, number>();
  const reactions = new Map<number, Map<string, string>>();
  for (const message of messages) {
    const at = isChange(message) && message.of ? byProvider.get(message.of) : undefined;
    const target = at === undefined ? undefined : rows[at];
    if (at === undefined || !target) {
      // A change whose original is not here stays a line of its own rather than getting lost.
      rows.push(plain(message));
      if (message.provider_id) byProvider.set(message.provider_id, rows.length - 1);
      continue;
    }
    if (message.type === 'revoke') rows[at] = { ...target, revoked: true };
    if (message.type === 'edit') rows[at] = { ...target, text: message.text, edited: true };
    if (message.type === 'reaction') {
      const sides = reactions.get(at) ?? new Map<string, string>();
      reactions.set(at, sides.set(message.dir, message.text));
      rows[at] = { ...target, reactions: [...sides.values()].filter((emoji) => emoji !== '') };
    }
    // An edit may itself be edited, by the id of the edit.
    if (message.provider_id) byProvider.set(message.provider_id, at);
  }
  return rows;
});

// The day is the reader's, not Greenwich's.
export const dayOf = (at: string): string => {
  const date = new Date(at);
  return Number.isNaN(date.getTime()) ? '' : `${date.getFullYear()}-${date.getMonth() + 1}-${date.getDate()}`;
};

// A log in pieces of so many numbers: the same messages are in the same piece, however much comes before or after.
export const kPiece = 20;
export interface Piece {
  key: string;
  rows: Row[];
}
export const piecesOf = once((messages: readonly Message[]): Piece[] => {
  const pieces: Piece[] = [];
  let piece = -1;
  let number = 0;
  for (const row of rowsOf(messages)) {
    if (row.kind === 'message') number = row.shown.message.n;
    else number = row.n;
    const next = Math.floor(number / kPiece);
    if (next !== piece) pieces.push({ key: `piece ${(piece = next)}`, rows: [] });
    pieces[pieces.length - 1]!.rows.push(row);
  }
  return pieces;
});

export const rowsOf = once((messages: readonly Message[]): Row[] => {
  const rows: Row[] = [];
  let day = '';
  for (const shown of threadOf(messages)) {
    const next = dayOf(shown.message.at);
    if (next !== '' && next !== day) rows.push({ kind: 'day', key: `day ${next} ${shown.message.n}`, at: shown.message.at, n: shown.message.n });
    if (next !== '') day = next;
    rows.push({ kind: 'message', key: shown.message.id, shown });
  }
  return rows;
});

const isAnswer = (message: Message): boolean => message.dir === 'out' && !isChange(message);
const isQuestion = (message: Message): boolean => message.dir === 'in' && !isChange(message);

// The time of the oldest message nobody has answered, or '' if all are.
export const waitingSince = once((conversation: Conversation): string => {
  let since = '';
  for (let at = conversation.messages.length - 1; at >= 0; at -= 1) {
    const message = conversation.messages[at]!;
    if (isAnswer(message)) break;
    if (isQuestion(message)) since = message.at;
  }
  // Of one that is not read here only this much is known: nobody has it, so somebody waits.
  if (conversation.messages.length === 0 && ['queued', 'offered', 'after_hours'].includes(conversation.state)) return conversation.first_at;
  return since;
});

export const unread = once((conversation: Conversation): number => {
  let count = 0;
  for (let at = conversation.messages.length - 1; at >= 0; at -= 1) {
    const message = conversation.messages[at]!;
    if (message.n <= conversation.seen_n || isAnswer(message)) break;
    if (isQuestion(message)) count += 1;
  }
  return count;
});

export const lastOf = (conversation: Conversation): Message | undefined => {
  const { messages } = conversation;
  for (let at = messages.length - 1; at >= 0; at -= 1) if (!isChange(messages[at]!)) return messages[at];
  return messages[messages.length - 1];
};

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
