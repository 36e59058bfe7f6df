// What the citizen said and the gateway has not yet answered. Pure: every function answers a new outbox.
//
// Each entry has a client_id that the gateway dedupes for 24 hours, so after a reconnect, or in the next tab, all of them are
// simply said again. A refused message stays, with the reason, until he retries (as a new entry) or discards it.
import type { Problem } from '../shared/problem.ts';
import { type Command, kMaxFrameBytes } from './protocol.ts';

export interface Entry {
  client_id: string;
  command: Command;
  at_ms: number;
  status: 'waiting' | 'sent' | 'refused' | 'old';
  problem?: Problem;
}
export type Outbox = readonly Entry[];

export const kKeepMs = 23 * 3600 * 1000; // within the gateway's 24 h, with an hour for clocks
export const kMaxEntries = 100;

export const isKept = (entry: Entry): boolean => entry.command.t === 'message' || entry.command.t === 'form';
export const frameOf = (entry: Entry): Command & { client_id: string } => ({ ...entry.command, client_id: entry.client_id });
const fits = (command: Command): boolean => new TextEncoder().encode(JSON.stringify(command)).length + 100 <= kMaxFrameBytes;

// Undefined when the outbox is full or the words are too many: the caller says so and keeps what was typed.
export function add(outbox: Outbox, command: Command, clientId: string, nowMs: number): Outbox | undefined {
  // Of everything but messages only the last wish counts.
  const others = command.t === 'message' ? outbox : outbox.filter((each) => each.command.t !== command.t);
  if (others.length >= kMaxEntries || !fits(command)) return undefined;
  return [...others, { client_id: clientId, command, at_ms: nowMs, status: 'waiting' }];
}
export const find = (outbox: Outbox, clientId: string): Entry | undefined => outbox.find((each) => each.client_id === clientId);
export const without = (outbox: Outbox, clientId: string): Outbox => outbox.filter((each) => each.client_id !== clientId);
export const become = (outbox: Outbox, clientId: string, status: Entry['status'], problem?: Problem): Outbox =>
  outbox.map((each) => (each.client_id === clientId ? { ...each, status, ...(problem ? { problem } : {}) } : each));

// A new connection: everything unanswered is to be said again, in the order it was said. What is too old for the gateway's dedupe
// is not said by machine: it waits for a person.
export const reopened = (outbox: Outbox, nowMs: number): Outbox => outbox.map((each) => {
  if (each.status === 'refused' || each.status === 'old') return each;
  return { ...each, status: nowMs - each.at_ms < kKeepMs ? 'waiting' : 'old' };
});
// A message waits while a proof of work is owed.
export const due = (outbox: Outbox, owed: boolean): Outbox => outbox.filter((each) => each.status === 'waiting' && !(owed && each.command.t === 'message'));

// What storage gave back: only an entry of the right shape.
export function revive(value: unknown): Entry | undefined {
  if (typeof value !== 'object' || value === null) return undefined;
  const entry = value as Partial<Entry>;
  const fine = typeof entry.client_id === 'string' && (entry.command?.t === 'message' || entry.command?.t === 'form')
    && typeof entry.at_ms === 'number' && ['waiting', 'sent', 'refused', 'old'].includes(entry.status ?? '');
  return fine ? entry as Entry : undefined;
}
