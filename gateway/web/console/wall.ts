// The live wall, apart from how it looks: what GET /stats says of each queue, and which needs somebody first.
import { list, maybe, number, object, text } from '../shared/read.ts';

export interface Estimate {
  seconds: number;
  p50_s: number;
  p90_s: number;
}
export interface QueueNow {
  id: string;
  name: string;
  waiting: number;
  longest_s: number;
  ready: number; // agents
  free: number; // slots
  slots: number;
  estimate: Estimate | undefined;
  percent: number | undefined; // service level of the last hour
  wanted: number | undefined;
  within_s: number | undefined;
  answered: number;
  abandoned: number;
  next_due: string;
  overdue: number;
}
export interface Now {
  at: string;
  waiting: number;
  ready: number;
  queues: readonly QueueNow[];
}
export interface Waits {
  conversation: string;
  position: number;
  since: string;
  estimate: Estimate | undefined;
  due: string; // of its first reply
  state: string; // of that: due, predicted, breached, met
}

const readEstimate = (value: unknown): Estimate | undefined => {
  const each = object(value);
  return maybe(each.seconds) === undefined ? undefined : { seconds: number(each.seconds), p50_s: number(each.p50_s), p90_s: number(each.p90_s) };
};

export function readNow(value: unknown): Now {
  const body = object(value);
  return {
    at: text(body.at), waiting: number(body.waiting), ready: number(body.agents_ready),
    queues: list(body.queues).map((each): QueueNow => {
      const queue = object(each);
      const level = object(queue.service_level);
      return {
        id: text(queue.id), name: text(queue.name) || text(queue.id), waiting: number(queue.waiting), longest_s: number(queue.longest_wait_s),
        ready: number(queue.agents_ready), free: number(queue.free_slots), slots: number(queue.slots), estimate: readEstimate(queue.estimate),
        percent: maybe(level.percent), wanted: maybe(level.wanted_percent), within_s: maybe(level.within_s), answered: number(level.answered),
        abandoned: number(level.abandoned), next_due: text(queue.next_due), overdue: number(queue.overdue),
      };
    }),
  };
}

export function readWaits(value: unknown): Waits {
  const each = object(value);
  const clock = object(object(each.sla).first_reply);
  return {
    conversation: text(each.conversation), position: number(each.position), since: text(each.since), estimate: readEstimate(each.estimate),
    due: text(clock.due), state: text(clock.state),
  };
}

// How much it needs somebody: late, soon (within two minutes, or nobody is there for who waits), below (its service level), fine.
export type Need = 'late' | 'soon' | 'below' | 'fine';
export const kSoonMs = 120_000;
const order: readonly Need[] = ['late', 'soon', 'below', 'fine'];

export const dueIn = (queue: QueueNow, nowMs: number): number => (queue.next_due === '' ? Infinity : Date.parse(queue.next_due) - nowMs);
export function need(queue: QueueNow, nowMs: number): Need {
  if (queue.overdue > 0) return 'late';
  if (dueIn(queue, nowMs) < kSoonMs || (queue.waiting > 0 && queue.ready === 0)) return 'soon';
  if (queue.percent !== undefined && queue.wanted !== undefined && queue.percent < queue.wanted) return 'below';
  return 'fine';
}

// What will breach next comes first; then who waits longest; what is quiet, by name.
export const byNeed = (queues: readonly QueueNow[], nowMs: number): QueueNow[] =>
  [...queues].sort((a, b) =>
    order.indexOf(need(a, nowMs)) - order.indexOf(need(b, nowMs)) || b.overdue - a.overdue || compare(dueIn(a, nowMs), dueIn(b, nowMs))
    || b.longest_s - a.longest_s || b.waiting - a.waiting || a.name.localeCompare(b.name));
const compare = (a: number, b: number): number => (a === b ? 0 : a - b);
