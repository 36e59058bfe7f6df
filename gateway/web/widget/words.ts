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

export const timeText = (at: string): string => (Number.isNaN(Date.parse(at)) ? '' : new Intl.DateTimeFormat(language, { hour: 'numeric', minute: '2-digit' }).format(new Date(at)));
export const dayText = (at: string): string => new Intl.DateTimeFormat(language, { weekday: 'long', day: 'numeric', month: 'long' }).format(new Date(at));
export const whenText = (at: string, nowMs: number): string => {
  const ms = Date.parse(at);
  if (Number.isNaN(ms)) return '';
  const near = new Date(ms).toDateString() === new Date(nowMs).toDateString();
  return new Intl.DateTimeFormat(language, { ...(near ? {} : { weekday: 'long', day: 'numeric', month: 'long' }), hour: 'numeric', minute: '2-digit' }).format(ms);
};
export const percentText = (part: number): string => new Intl.NumberFormat(language, { style: 'percent' }).format(part);
export function sizeText(octets: number): string {
  const [unit, by] = octets < 1024 * 1024 ? ['kilobyte', 1024] as const : ['megabyte', 1024 * 1024] as const;
  return new Intl.NumberFormat(language, { style: 'unit', unit, maximumFractionDigits: octets < 10 * by ? 1 : 0 }).format(octets / by);
}
const channels: Record<string, string> = { whatsapp: 'WhatsApp', sms: 'SMS' };
export const channelText = (channel: string): string => channels[channel] ?? channel;
// A name or number inside a sentence keeps its own direction (FSI … PDI).
export const apart = (text: string): string => `\u2068${text}\u2069`;
