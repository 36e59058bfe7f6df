// The history, apart from how it looks: what is asked (it stands in the address, so that a link to it can be sent), what came, and the
// lines of its charts, in which a step with nothing in it is a nought and not a gap.
import { list, maybe, number, object, text } from '../shared/read.ts';

export type Step = 'hour' | 'day' | 'week' | 'month';
export type By = 'none' | 'channel' | 'queue' | 'language';
export interface Choice {
  days: number; // up to now; 0: from and to
  from: string; // local dates, as 2026-11-01; `to` is in it
  to: string;
  step: Step;
  by: By;
  queue: string;
  channel: string;
  language: string;
}
export const steps: readonly Step[] = ['hour', 'day', 'week', 'month'];
export const bys: readonly By[] = ['none', 'channel', 'queue', 'language'];
export const spans: readonly number[] = [1, 7, 30, 90, 365];
export const firstChoice: Choice = { days: 7, from: '', to: '', step: 'day', by: 'none', queue: '', channel: '', language: '' };

const kDayMs = 86_400_000;
const kMostHours = 31;
const isDate = (value: string): boolean => /^\d{4}-\d{2}-\d{2}$/.test(value) && !Number.isNaN(Date.parse(value));
const oneOf = <T extends string>(all: readonly T[], value: string | null, otherwise: T): T => all.find((each) => each === value) ?? otherwise;

export function readChoice(query: string): Choice {
  const said = new URLSearchParams(query);
  const days = Number(said.get('days') ?? firstChoice.days);
  const from = said.get('from') ?? '';
  const to = said.get('to') ?? '';
  const dated = isDate(from) && isDate(to) && from <= to;
  return {
    days: dated ? 0 : spans.includes(days) ? days : firstChoice.days, from: dated ? from : '', to: dated ? to : '',
    step: oneOf(steps, said.get('step'), 'day'), by: oneOf(bys, said.get('by'), 'none'), queue: said.get('queue') ?? '',
    channel: said.get('channel') ?? '', language: said.get('language') ?? '',
  };
}
export function writeChoice(choice: Choice): string {
  const said = new URLSearchParams();
  for (const [name, value] of Object.entries(choice)) {
    if (value !== '' && value !== 0 && value !== firstChoice[name as keyof Choice]) said.set(name, String(value));
  }
  return said.toString();
}

const midnight = (date: Date): Date => new Date(date.getFullYear(), date.getMonth(), date.getDate());
const localDate = (date: string, more = 0): Date => {
  const [year = 0, month = 1, day = 1] = date.split('-').map(Number);
  return new Date(year, month - 1, day + more);
};
// Whole local days; today counts as one of them.
export function timesOf(choice: Choice, nowMs: number): { from: Date; to: Date } {
  if (choice.days === 0) return { from: localDate(choice.from), to: localDate(choice.to, 1) };
  const today = midnight(new Date(nowMs));
  return { from: new Date(today.getFullYear(), today.getMonth(), today.getDate() - (choice.days - 1)), to: new Date(nowMs) };
}
// Hours are shown for a month at most.
export const stepOf = (choice: Choice, nowMs: number): Step => {
  const { from, to } = timesOf(choice, nowMs);
  return choice.step === 'hour' && to.getTime() - from.getTime() > kMostHours * kDayMs ? 'day' : choice.step;
};
export function queryOf(choice: Choice, zone: string, nowMs: number, format = ''): string {
  const { from, to } = timesOf(choice, nowMs);
  const query = new URLSearchParams({ from: from.toISOString(), to: to.toISOString(), step: stepOf(choice, nowMs), zone, by: choice.by });
  for (const name of ['queue', 'channel', 'language'] as const) {
    if (choice[name] !== '') query.set(name, choice[name]);
  }
  if (format !== '') query.set('format', format);
  return query.toString();
}

export interface Span {
  count: number;
  mean_s: number;
  p50_s: number;
  p90_s: number;
  max_s: number;
}
export interface Counts {
  at: number; // ms; 0 of a total
  key: string;
  name: string;
  opened: number;
  answered: number;
  timed: number;
  in_time: number;
  abandoned: number;
  abandoned_short: number;
  closed: number;
  requeued: number;
  wait: Span | undefined;
  first_reply: Span | undefined;
  handle: Span | undefined;
}
export interface History {
  counted_to: string;
  cut: boolean;
  items: readonly Counts[];
  totals: readonly Counts[];
}

function readCounts(value: unknown): Counts {
  const each = object(value);
  const span = (one: unknown): Span | undefined => {
    const got = object(one);
    return maybe(got.count) === undefined
      ? undefined
      : { count: number(got.count), mean_s: number(got.mean_s), p50_s: number(got.p50_s), p90_s: number(got.p90_s), max_s: number(got.max_s) };
  };
  return {
    at: Date.parse(text(each.at)) || 0, key: text(each.key), name: text(each.name), opened: number(each.opened), answered: number(each.answered),
    timed: number(each.timed), in_time: number(each.in_time), abandoned: number(each.abandoned), abandoned_short: number(each.abandoned_short),
    closed: number(each.closed), requeued: number(each.requeued), wait: span(each.wait), first_reply: span(each.first_reply), handle: span(each.handle),
  };
}
export function readHistory(value: unknown): History {
  const body = object(value);
  return { counted_to: text(body.counted_to), cut: body.cut === true, items: list(body.items).map(readCounts), totals: list(body.totals).map(readCounts) };
}

// When each step begins, on the reader's own calendar.
export function stepsBetween(from: Date, to: Date, step: Step): number[] {
  const out: number[] = [];
  let at = step === 'hour' ? new Date(Math.floor(from.getTime() / 3_600_000) * 3_600_000) : midnight(from);
  if (step === 'week') at = new Date(at.getFullYear(), at.getMonth(), at.getDate() - ((at.getDay() + 6) % 7));
  if (step === 'month') at = new Date(at.getFullYear(), at.getMonth(), 1);
  while (at < to) {
    out.push(at.getTime());
    if (step === 'hour') at = new Date(at.getTime() + 3_600_000);
    else if (step === 'month') at = new Date(at.getFullYear(), at.getMonth() + 1, 1);
    else at = new Date(at.getFullYear(), at.getMonth(), at.getDate() + (step === 'week' ? 7 : 1));
  }
  return out;
}

export const share = (part: number, whole: number): number | undefined => (whole > 0 ? Math.round((part * 1000) / whole) / 10 : undefined);
export const abandonedShare = (counts: Counts): number | undefined => share(counts.abandoned, counts.answered + counts.abandoned);
export const serviceLevel = (counts: Counts): number | undefined => share(counts.in_time, counts.timed);

// A chart's figures; each gives a number or, where nothing was measured, none.
export type Figure = (counts: Counts) => number | undefined;
export interface Line {
  key: string;
  figure: string; // its name among the chart's figures
  values: (number | null)[];
}
export const kMostKeys = 6;

// The keys that matter most, by how much began with them.
export const keysOf = (history: History): string[] =>
  [...history.totals].sort((a, b) => b.opened - a.opened || a.key.localeCompare(b.key)).map((each) => each.key);

export function linesOf(history: History, at: readonly number[], figures: Readonly<Record<string, Figure>>, zero: boolean): Line[] {
  const by = new Map(history.items.map((each) => [`${each.key} ${each.at}`, each]));
  return keysOf(history).slice(0, kMostKeys).flatMap((key) =>
    Object.entries(figures).map(([figure, of]): Line => ({
      key, figure,
      values: at.map((moment) => {
        const counts = by.get(`${key} ${moment}`);
        return counts ? of(counts) ?? null : zero ? 0 : null;
      }),
    })));
}
