// The reader's language, for the pages that are signed in to: their sentences, times and durations follow it.
import { computed, signal } from '@preact/signals';
import { choose, isLanguage, type Language, languages, table, type Sentences, type Values } from './sentences.ts';
import ar from './words/ar.json';
import en from './words/en.json';
import es from './words/es.json';
import pt from './words/pt.json';
import ru from './words/ru.json';

export { choose, isLanguage, languages, type Language };
export const language = signal<Language>('en');

// speaker(tables)('key', {name}) says it in the reader's language, and again when that changes.
export const speaker = <Key extends string>(tables: Record<Language, Sentences<Key>>) =>
  (key: Key, values: Values = {}): string => tables[language.value][key](values);
// What all signed-in pages say, and what one of them says besides.
const common = table({ en, es, pt, ru, ar });
export const t = speaker(common);
export const withCommon = <Key extends string>(own: Record<Language, Sentences<Key>>) =>
  speaker<Key | keyof typeof en>({
    en: { ...common.en, ...own.en }, es: { ...common.es, ...own.es }, pt: { ...common.pt, ...own.pt },
    ru: { ...common.ru, ...own.ru }, ar: { ...common.ar, ...own.ar },
  });

// Digits and clock are the language's own, in the reader's region if his browser names one (en-GB has no PM).
const region = computed(() => {
  const tags = typeof navigator === 'undefined' ? [] : navigator.languages;
  return tags.find((tag) => tag.toLowerCase().split('-')[0] === language.value) ?? language.value;
});
const unit = (name: string): Intl.NumberFormat => new Intl.NumberFormat(region.value, { style: 'unit', unit: name, unitDisplay: 'short' });
const formatter = computed(() => ({
  hours: unit('hour'),
  minutes: unit('minute'),
  seconds: unit('second'),
  time: new Intl.DateTimeFormat(region.value, { hour: 'numeric', minute: '2-digit' }),
  day: new Intl.DateTimeFormat(region.value, { weekday: 'long', day: 'numeric', month: 'long' }),
  when: new Intl.DateTimeFormat(region.value, { dateStyle: 'medium', timeStyle: 'short' }),
  full: new Intl.DateTimeFormat(region.value, { dateStyle: 'full', timeStyle: 'medium' }),
  relative: new Intl.RelativeTimeFormat(region.value, { numeric: 'auto' }),
}));
const valid = (at: string): Date | undefined => {
  const date = new Date(at);
  return at === '' || Number.isNaN(date.getTime()) ? undefined : date;
};
export const timeText = (at: string): string => {
  const date = valid(at);
  return date ? formatter.value.time.format(date) : '';
};
// A moment in a list: "24 Nov 2026, 03:44".
export const whenText = (at: string): string => {
  const date = valid(at);
  return date ? formatter.value.when.format(date) : '';
};
export const fullText = (at: string): string => {
  const date = valid(at);
  return date ? formatter.value.full.format(date) : '';
};
export function dayText(at: string, nowMs: number): string {
  const date = valid(at);
  if (!date) return '';
  const midnight = (ms: number): number => new Date(ms).setHours(0, 0, 0, 0);
  const days = Math.round((midnight(date.getTime()) - midnight(nowMs)) / 86_400_000);
  return days === 0 || days === -1 ? formatter.value.relative.format(days, 'day') : formatter.value.day.format(date);
}

// What is left: "3:05" below an hour, "5 hr 12 min" above.
export function leftText(ms: number): string {
  const seconds = Math.max(0, Math.ceil(ms / 1000));
  if (seconds >= 3600) return longText(Math.floor(seconds / 60));
  return `${Math.floor(seconds / 60)}:${String(seconds % 60).padStart(2, '0')}`;
}

// How long someone has waited: "40 sec", "12 min", "2 hr 5 min".
export function waitText(ms: number): string {
  const seconds = Math.max(0, Math.floor(ms / 1000));
  if (seconds < 60) return formatter.value.seconds.format(seconds);
  return longText(Math.floor(seconds / 60));
}

function longText(minutes: number): string {
  const { hours, minutes: minute } = formatter.value;
  if (minutes < 60) return minute.format(minutes);
  return minutes % 60 === 0 ? hours.format(minutes / 60) : `${hours.format(Math.floor(minutes / 60))} ${minute.format(minutes % 60)}`;
}
