import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { test } from 'node:test';
import { sha256, solve, zeroBits } from '../widget/work.ts';

const hex = (text: string): string => [...sha256(new TextEncoder().encode(text))].map((word) => (word >>> 0).toString(16).padStart(8, '0')).join('');

test('SHA-256 at the edges of its blocks', () => {
  for (const length of [0, 1, 3, 55, 56, 63, 64, 65, 119, 120, 200]) {
    const text = 'x'.repeat(length);
    assert.equal(hex(text), createHash('sha256').update(text).digest('hex'), `${length}`);
  }
  assert.equal(hex('соль:42'), createHash('sha256').update('соль:42').digest('hex'));
});

test('zero bits over words', () => {
  assert.equal(zeroBits(Int32Array.of(0, 0x00ffffff)), 40);
  assert.equal(zeroBits(Int32Array.of(-1)), 0);
});

test('a nonce is found in slices, and the work ends when it is not wanted', async () => {
  let now = 0;
  let rests = 0;
  const world = { nowMs: () => (now += 1), rest: async () => { rests += 1; }, wanted: () => true };
  const nonce = await solve('salt', 12, world);
  assert.match(nonce ?? '', /^\d+$/);
  assert.equal(createHash('sha256').update(`salt:${nonce}`).digest().readUInt16BE(0) >>> 4, 0);
  assert.ok(rests > 0);
  assert.equal(await solve('salt', 64, { ...world, wanted: () => rests < 20 }), undefined);
});
