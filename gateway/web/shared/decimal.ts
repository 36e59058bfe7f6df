// Event ids are decimal strings that may outgrow a double: compared as text, never as numbers.

export const isDecimal = (text: unknown): text is string => typeof text === 'string' && /^(0|[1-9][0-9]{0,39})$/.test(text);

export function compareDecimal(a: string, b: string): number {
  if (a.length !== b.length) return a.length < b.length ? -1 : 1;
  return a === b ? 0 : a < b ? -1 : 1;
}

export const isNext = (before: string, after: string): boolean => BigInt(before) + 1n === BigInt(after);
