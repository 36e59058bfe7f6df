// What the agent said and the gateway has not yet answered. Pure: every function answers a new outbox.
//
// Each entry has a client_id that the gateway dedupes for 24 hours, so after a reconnect all of them are simply said again.
// A refused reply or note stays, with the reason, until the agent retries (as a new entry) or discards it.
import type { Problem } from '../shared/problem.ts';
import type { Command } from './protocol.ts';

export interface Entry {
  client_id: string;
  command: Command;
  created_ms: number;
  status: 'held' | 'waiting' | 'sent' | 'refused' | 'old';
  held_until_ms?: number; // of a held one: until then it can be taken back
  problem?: Problem;
}
export type Outbox = readonly Entry[];

export const kKeepMs = 23 * 3600 * 1000; // within the gateway's 24 h, with an hour for clocks
export const kMaxEntries = 200;

export const isWords = (command: Command): command is Extract<Command, { t: 'reply' | 'note' }> =>
  command.t === 'reply' || command.t === 'note';

export const isOpen = (entry: Entry): boolean => entry.status === 'held' || entry.status === 'waiting' || entry.status === 'sent';

// Only the last wish counts for availability and for how far a conversation was read.
const replaces = (next: Command, old: Command): boolean => {
  if (next.t === 'availability' || next.t === 'watch') return old.t === next.t;
  return next.t === 'read' && old.t === 'read' && next.conversation === old.conversation;
};

// Undefined when the outbox is full: the caller says so and keeps what was typed.
export function add(outbox: Outbox, command: Command, clientId: string, nowMs: number, heldUntilMs = 0): Outbox | undefined {
  const others = outbox.filter((entry) => !replaces(command, entry.command));
  if (others.length >= kMaxEntries) return undefined;
  const entry: Entry = { client_id: clientId, command, created_ms: nowMs, status: 'waiting' };
  return [...others, heldUntilMs > nowMs ? { ...entry, status: 'held', held_until_ms: heldUntilMs } : entry];
}

export const find = (outbox: Outbox, clientId: string): Entry | undefined => outbox.find((entry) => entry.client_id === clientId);
export const without = (outbox: Outbox, clientId: string): Outbox => {
  const rest = outbox.filter((entry) => entry.client_id !== clientId);
  return rest.length === outbox.length ? outbox : rest;
};

export function refused(outbox: Outbox, clientId: string, problem: Problem): Outbox {
  const entry = find(outbox, clientId);
  if (!entry) return outbox;
  if (!isWords(entry.command)) return without(outbox, clientId);
  return outbox.map((each) => (each === entry ? { ...each, status: 'refused', problem } : each));
}

// A new connection: everything unanswered is to be said again, in the order it was said. What is too old for the gateway's
// dedupe is not said by machine; words wait for the agent's choice, the rest is dropped.
export function reopened(outbox: Outbox, nowMs: number): Outbox {
  const kept: Entry[] = [];
  for (const entry of outbox) {
    if (entry.status === 'refused' || entry.status === 'held') kept.push(entry);
    else if (nowMs - entry.created_ms < kKeepMs) kept.push({ ...entry, status: 'waiting' });
    else if (isWords(entry.command)) kept.push({ ...entry, status: 'old' });
  }
  return kept;
}

// What was said of a conversation goes before what is done with it: a resolve must not overtake the last reply.
export const due = (outbox: Outbox): readonly Entry[] => outbox.filter((entry, at) => {
  if (entry.status !== 'waiting') return false;
  const { command } = entry;
  if (!('conversation' in command) || isWords(command) || command.t === 'read') return true;
  return !outbox.some((other, before) => before < at && isWords(other.command) && isOpen(other) && other.command.conversation === command.conversation);
});

// Held words that can be taken back no more, or all of a conversation's that something else is to follow.
export function released(outbox: Outbox, nowMs: number, conversation?: string): Outbox {
  const goes = (entry: Entry): boolean => entry.status === 'held'
    && ((entry.held_until_ms ?? 0) <= nowMs || ('conversation' in entry.command && entry.command.conversation === conversation));
  if (!outbox.some(goes)) return outbox;
  return outbox.map((entry) => {
    if (!goes(entry)) return entry;
    const { held_until_ms: _, ...rest } = entry;
    return { ...rest, status: 'waiting' };
  });
}
// `read` is the one command that gets no answer: once said it is done.
export const said = (outbox: Outbox, clientId: string): Outbox => outbox
  .filter((entry) => entry.client_id !== clientId || entry.command.t !== 'read')
  .map((entry) => (entry.client_id === clientId && entry.status === 'waiting' ? { ...entry, status: 'sent' } : entry));

export const frameOf = (entry: Entry): string => JSON.stringify({ ...entry.command, client_id: entry.client_id });

// What sessionStorage gave back: only entries of the right shape.
export function revive(value: unknown): Outbox {
  if (!Array.isArray(value)) return [];
  return value.filter((entry): entry is Entry => {
    if (typeof entry !== 'object' || entry === null) return false;
    const { client_id, command, created_ms, status } = entry as Partial<Entry>;
    return typeof client_id === 'string' && typeof command?.t === 'string' && typeof created_ms === 'number'
      && ['held', 'waiting', 'sent', 'refused', 'old'].includes(status ?? '');
  }).slice(0, kMaxEntries);
}
