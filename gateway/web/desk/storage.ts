// What survives a reload of this tab, and nothing longer: the words of citizens and agents do not stay on a shared computer.
//
// last_id is not here on purpose: it says how far this page's state goes, and a reloaded page has no state to add events to. It
// says hello without one and is told everything.
import type { Outbox } from './outbox.ts';
import { revive } from './outbox.ts';

export interface StorageLike {
  getItem(key: string): string | null;
  setItem(key: string, value: string): void;
  removeItem(key: string): void;
}
export interface Kept {
  agent: string;
  outbox: Outbox;
  selected: string;
  drafts: Record<string, string>;
  seen: Record<string, number>;
  wraps: Record<string, number>; // when a wrap-up began
}

const kKey = 'belfry.desk';

export const nothingKept = (agent: string): Kept => ({ agent, outbox: [], selected: '', drafts: {}, seen: {}, wraps: {} });

const record = <T>(value: unknown, is: (each: unknown) => each is T): Record<string, T> => {
  if (typeof value !== 'object' || value === null) return {};
  return Object.fromEntries(Object.entries(value).filter((entry): entry is [string, T] => is(entry[1])));
};

// Another agent's leavings on this tab are not ours to send.
export function load(storage: StorageLike, agent: string): Kept {
  const kept = nothingKept(agent);
  try {
    const value = JSON.parse(storage.getItem(kKey) ?? 'null') as Partial<Kept> | null;
    if (!value || value.agent !== agent) return kept;
    kept.outbox = revive(value.outbox);
    if (typeof value.selected === 'string') kept.selected = value.selected;
    kept.drafts = record(value.drafts, (each): each is string => typeof each === 'string');
    kept.seen = record(value.seen, (each): each is number => typeof each === 'number');
    kept.wraps = record(value.wraps, (each): each is number => typeof each === 'number');
  } catch {
    // Storage may be refused or hold an older page's shape: then we begin afresh.
  }
  return kept;
}

export function save(storage: StorageLike, kept: Kept): void {
  try {
    storage.setItem(kKey, JSON.stringify(kept));
  } catch {
    // Full or refused: the desk works without, only a reload forgets.
  }
}

export function clear(storage: StorageLike): void {
  try {
    storage.removeItem(kKey);
  } catch {
    // As above.
  }
}
