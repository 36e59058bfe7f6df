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
  status: 'waiting' | 'sent' | 'refused' | 'old';
  problem?: Problem;
}
export type Outbox = readonly Entry[];

export const kKeepMs = 23 * 3600 * 1000; // within the gateway's 24 h, with an hour for clocks
export const kMaxEntries = 200;

export const isWords = (command: Command): command is Extract<Command, { t: 'reply' | 'note' }> =>
  command.t === 'reply' || command.t === 'note';

// Only the last wish counts for availability and for how far a conversation was read.
const replaces = (next: Command, old: Command): boolean => {
  if (next.t === 'availability') return old.t === 'availability';
  return next.t === 'read' && old.t === 'read' && next.conversation === old.conversation;
};

// Undefined when the outbox is full: the caller says so and keeps what was typed.
export function add(outbox: Outbox, command: Command, clientId: string, nowMs: number): Outbox | undefined {
  const others = outbox.filter((entry) => !replaces(command, entry.command));
  if (others.length >= kMaxEntries) return undefined;
  return [...others, { client_id: clientId, command, created_ms: nowMs, status: 'waiting' }];
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
    if (entry.status === 'refused') kept.push(entry);
    else if (nowMs - entry.created_ms < kKeepMs) kept.push({ ...entry, status: 'waiting' });
    else if (isWords(entry.command)) kept.push({ ...entry, status: 'old' });
  }
  return kept;
}

export const due = (outbox: Outbox): readonly Entry[] => outbox.filter((entry) => entry.status === 'waiting');
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
      && ['waiting', 'sent', 'refused', 'old'].includes(status ?? '');
  }).slice(0, kMaxEntries);
}
