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

// Digits stay as the language writes them; the time of day is the reader's own.
const formatter = computed(() => ({
  time: new Intl.DateTimeFormat(language.value, { hour: '2-digit', minute: '2-digit' }),
  day: new Intl.DateTimeFormat(language.value, { weekday: 'long', day: 'numeric', month: 'long' }),
  full: new Intl.DateTimeFormat(language.value, { dateStyle: 'full', timeStyle: 'medium' }),
  relative: new Intl.RelativeTimeFormat(language.value, { numeric: 'auto' }),
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

// "3:05" below an hour, "5 h 12 min" above: for countdowns and waits.
export function spanText(ms: number): string {
  const seconds = Math.max(0, Math.ceil(ms / 1000));
  const minutes = Math.floor(seconds / 60);
  if (minutes < 60) return `${minutes}:${String(seconds % 60).padStart(2, '0')}`;
  return t('hoursMinutes', { h: Math.floor(minutes / 60), m: minutes % 60 });
}
