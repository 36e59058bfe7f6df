// When to try again: 0.5 s x 2^n up to 30 s, full jitter, so that ten thousand pages do not come back in one second.

export const kFirstMs = 500;
export const kLongestMs = 30_000;

export function backoffMs(attempt: number, random: () => number): number {
  const ceiling = Math.min(kLongestMs, kFirstMs * 2 ** Math.min(attempt, 16));
  return Math.round(random() * ceiling);
}
