// Replies that are written once and sent often, and the suggestions under the writing hand: `/` for those, `@` for colleagues.
export interface Canned {
  id: string;
  shortcut: string;
  text: string;
  language: string;
  queues: readonly string[];
}
export interface Known {
  name: string;
  agent: string;
  queue: string;
}

export function readCanned(value: unknown): Canned | undefined {
  if (typeof value !== 'object' || value === null) return undefined;
  const { id, shortcut, text, language, queues } = value as Record<string, unknown>;
  if (typeof shortcut !== 'string' || shortcut === '' || typeof text !== 'string' || text === '') return undefined;
  return {
    id: typeof id === 'string' ? id : shortcut, shortcut: shortcut.replace(/^\//, ''), text,
    language: typeof language === 'string' ? language : '',
    queues: Array.isArray(queues) ? queues.filter((each): each is string => typeof each === 'string') : [],
  };
}

// The word before the caret that asks for suggestions: "/gr" at the beginning of a word, or "@an".
export function askedFor(text: string, caret: number, sign: '/' | '@'): { from: number; word: string } | undefined {
  const found = (sign === '/' ? /(?:^|\s)\/([\p{L}\p{N}_-]*)$/u : /(?:^|\s)@([\p{L}\p{N}_-]*)$/u).exec(text.slice(0, caret));
  return found ? { from: caret - found[1]!.length - 1, word: found[1]!.toLowerCase() } : undefined;
}

const kMost = 8;
// Those of this queue or of all; shortcuts that begin so come first, then those that have it in their words.
export function matching(all: readonly Canned[], word: string, queue: string): Canned[] {
  const fits = all.filter((each) => each.queues.length === 0 || each.queues.includes(queue));
  const begins = fits.filter((each) => each.shortcut.toLowerCase().startsWith(word));
  const has = fits.filter((each) => !begins.includes(each) && word !== '' && each.text.toLowerCase().includes(word));
  return [...begins, ...has].slice(0, kMost);
}

// What is known is filled in; what is not stays as it is, and holds the message back.
export const filled = (text: string, known: Known): string =>
  text.replace(/\{(name|agent|queue)\}/g, (whole, key: keyof Known) => known[key] || whole);

export const kPlaceholders: readonly string[] = ['name', 'agent', 'queue'];
export const openPlaceholders = (text: string): string[] =>
  [...new Set([...text.matchAll(/\{([\p{L}_][\p{L}\p{N}_ -]{0,30})\}/gu)].map((each) => each[1]!))];
