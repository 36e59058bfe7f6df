// Which conversations a list shows and in what order: what must happen next comes first.
import { isWhatsApp, type Conversation } from './state.ts';
import type { Due } from './protocol.ts';
import { byWaiting, lastOf, waitingSince } from './thread.ts';

export type Tab = 'mine' | 'waiting' | 'all';
export const tabs: readonly Tab[] = ['mine', 'waiting', 'all'];

export interface Deadline {
  kind: 'window' | 'wrapup' | Due['which'];
  at_ms: number;
  late: boolean; // the gateway says that it is, or will be
}

const when = (at: string): number => Date.parse(at) || 0;

// The next thing that ends by itself. WhatsApp's window counts only while the citizen waits for an answer: then it is what we lose.
export function deadlineOf(conversation: Conversation, wrapupMs = 0): Deadline | undefined {
  const all: Deadline[] = [];
  if (conversation.state === 'wrapup' && conversation.wrap_ms > 0 && wrapupMs > 0) {
    all.push({ kind: 'wrapup', at_ms: conversation.wrap_ms + wrapupMs, late: false });
  }
  for (const due of conversation.dues) {
    if (when(due.due) > 0) all.push({ kind: due.which, at_ms: when(due.due), late: due.state !== 'due' });
  }
  const waits = waitingSince(conversation) !== '' || ['queued', 'after_hours', 'offered'].includes(conversation.state);
  if (waits && isWhatsApp(conversation.channel) && when(conversation.window_until) > 0) {
    all.push({ kind: 'window', at_ms: when(conversation.window_until), late: false });
  }
  return all.reduce<Deadline | undefined>((first, each) => (first && first.at_ms <= each.at_ms ? first : each), undefined);
}

// By the next deadline; those without one by who waits longest; parked ones last, for nobody waits for us there.
export function byDeadline(conversations: readonly Conversation[], wrapupMs: (queue: string) => number = () => 0): Conversation[] {
  const ranked = byWaiting(conversations).map((each) => ({
    each, parked: each.state === 'parked', at: deadlineOf(each, wrapupMs(each.queue))?.at_ms ?? Infinity,
  }));
  ranked.sort((a, b) => (a.parked !== b.parked ? (a.parked ? 1 : -1) : a.at === b.at ? 0 : a.at - b.at));
  return ranked.map(({ each }) => each);
}

export const isWaiting = (conversation: Conversation): boolean =>
  ['queued', 'offered', 'after_hours', 'bot'].includes(conversation.state);

export const lastAt = (conversation: Conversation): string => lastOf(conversation)?.at ?? conversation.last_at;
