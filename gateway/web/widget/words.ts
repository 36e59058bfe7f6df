// The widget's sentences. Each language is a file of its own, and only the one that is spoken is fetched.
import type { Language, Sentences, Values } from '../shared/sentences.ts';
import type en from './words/en.json';

export type Key = keyof typeof en;
// To the compiler a JSON table is texts with the same keys, or it does not compile; once built it is functions.
const files: Record<Language, () => Promise<{ default: Record<Key, string> }>> = {
  en: () => import('./words/en.json'),
  es: () => import('./words/es.json'),
  pt: () => import('./words/pt.json'),
  ru: () => import('./words/ru.json'),
  ar: () => import('./words/ar.json'),
};

export let language: Language = 'en';
let sentences: Sentences<Key>;
export const t = (key: Key, values: Values = {}): string => sentences[key](values);

// False when the file did not come: then what was spoken before is spoken on.
export async function speak(next: Language): Promise<boolean> {
  try {
    sentences = (await files[next]()).default as unknown as Sentences<Key>;
    language = next;
    return true;
  } catch {
    return false;
  }
}

// Clock and order of a date are those of the reader's region, if his browser names one of this language (en-GB has no PM).
const written = (at: string, how: Intl.DateTimeFormatOptions): string => {
  const ms = Date.parse(at);
  const region = navigator.languages.find((tag) => tag.split('-')[0] === language) ?? language;
  return Number.isNaN(ms) ? '' : new Intl.DateTimeFormat(region, how).format(ms);
};
const kDay = { weekday: 'long', day: 'numeric', month: 'long' } as const;
const kTime = { hour: 'numeric', minute: '2-digit' } as const;
export const timeText = (at: string): string => written(at, kTime);
export const dayText = (at: string): string => written(at, kDay);
export const whenText = (at: string, nowMs: number): string =>
  written(at, new Date(at).toDateString() === new Date(nowMs).toDateString() ? kTime : { ...kDay, ...kTime });
export const percentText = (part: number): string => new Intl.NumberFormat(language, { style: 'percent' }).format(part);
export function sizeText(octets: number): string {
  const [unit, by] = octets < 1024 * 1024 ? ['kilobyte', 1024] as const : ['megabyte', 1024 * 1024] as const;
  return new Intl.NumberFormat(language, { style: 'unit', unit, maximumFractionDigits: octets < 10 * by ? 1 : 0 }).format(octets / by);
}
const channels: Record<string, string> = { whatsapp: 'WhatsApp', sms: 'SMS' };
export const channelText = (channel: string): string => channels[channel] ?? channel;
// A name or number inside a sentence keeps its own direction (FSI … PDI).
export const apart = (text: string): string => `\u2068${text}\u2069`;
