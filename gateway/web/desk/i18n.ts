// The page's words in five languages. One table a language, all with the same keys: a missing sentence does not compile.
import { signal, computed } from '@preact/signals';
import { en, type Words } from './words/en.ts';
import { es } from './words/es.ts';
import { pt } from './words/pt.ts';
import { ru } from './words/ru.ts';
import { ar } from './words/ar.ts';

export type Language = 'en' | 'es' | 'pt' | 'ru' | 'ar';
export type Key = keyof Words;

export const languages: Readonly<Record<Language, { name: string; dir: 'ltr' | 'rtl'; words: Words }>> = {
  en: { name: 'English', dir: 'ltr', words: en },
  es: { name: 'Español', dir: 'ltr', words: es },
  pt: { name: 'Português', dir: 'ltr', words: pt },
  ru: { name: 'Русский', dir: 'ltr', words: ru },
  ar: { name: 'العربية', dir: 'rtl', words: ar },
};

export const isLanguage = (value: unknown): value is Language => typeof value === 'string' && Object.hasOwn(languages, value);
export const language = signal<Language>('en');
const words = computed(() => languages[language.value].words);

// t('key', {name}) puts values where the sentence says {name}.
export function t(key: Key, values?: Readonly<Record<string, string | number>>): string {
  const sentence = words.value[key];
  if (!values) return sentence;
  return sentence.replace(/\{(\w+)\}/g, (hole, name: string) => String(values[name] ?? hole));
}

// The first of the reader's languages that we have.
export function choose(wanted: readonly string[]): Language {
  for (const tag of wanted) {
    const base = tag.toLowerCase().split('-')[0];
    if (isLanguage(base)) return base;
  }
  return 'en';
}

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
