import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Keep, type StorageLike } from '../widget/keep.ts';
import { add, become, due, kKeepMs, kMaxEntries, type Outbox, reopened, revive, without } from '../widget/outbox.ts';

const must = (outbox: Outbox | undefined): Outbox => {
  assert.ok(outbox);
  return outbox;
};
const say = (box: Outbox, text: string, id: string, at = 0): Outbox => must(add(box, { t: 'message', text }, id, at));
class Shelf implements StorageLike {
  kept = new Map<string, string>();
  get length(): number { return this.kept.size; }
  key(index: number): string | null { return [...this.kept.keys()][index] ?? null; }
  getItem(key: string): string | null { return this.kept.get(key) ?? null; }
  setItem(key: string, value: string): void { this.kept.set(key, value); }
  removeItem(key: string): void { this.kept.delete(key); }
}

test('after a reconnect all that is unanswered is said again in its order', () => {
  let box = say(say([], 'a', 'u1'), 'b', 'u2', 1);
  box = become(become(box, 'u1', 'sent'), 'u2', 'refused', { detail: 'no' });
  assert.deepEqual(due(box, false), []);
  box = reopened(box, 10);
  assert.deepEqual(due(box, false).map((each) => each.client_id), ['u1']);
  assert.deepEqual(without(box, 'u1').map((each) => each.problem?.detail), ['no']);
});

test('past the gateway’s dedupe nothing is said by machine', () => {
  assert.deepEqual(reopened(say([], 'a', 'u1'), kKeepMs).map((each) => each.status), ['old']);
});

test('while a proof is owed messages wait, and the proof does not', () => {
  const box = must(add(say([], 'a', 'u1'), { t: 'solve', nonce: '1' }, 'u2', 0));
  assert.deepEqual(due(box, true).map((each) => each.client_id), ['u2']);
  assert.deepEqual(due(box, false).map((each) => each.client_id), ['u1', 'u2']);
});

test('of everything but messages the last wish counts, and there is an end to what waits', () => {
  let box = must(add(must(add([], { t: 'identify', jwt: 'a' }, 'u1', 0)), { t: 'identify', jwt: 'b' }, 'u2', 0));
  assert.deepEqual(box.map((each) => each.client_id), ['u2']);
  box = [];
  for (let at = 0; at < kMaxEntries; at += 1) box = say(box, String(at), `m${at}`);
  assert.equal(add(box, { t: 'message', text: 'x' }, 'one more', 0), undefined);
  assert.equal(add([], { t: 'message', text: '"'.repeat(9000) }, 'u', 0), undefined, 'over 16 KiB as a frame');
});

test('what is kept comes back in its order, of this inbox alone, and odd things are left', () => {
  const shelf = new Shelf();
  const keep = new Keep(shelf, 'portal');
  const [late, early] = [...say(say([], 'late', 'u2', 20), 'early', 'u1', 10)];
  keep.put(late!);
  keep.put(early!);
  new Keep(shelf, 'tax').put(late!);
  shelf.setItem('belfry.portal.out.bad', '{"client_id":7}');
  shelf.setItem('belfry.portal.out.worse', '{');
  assert.deepEqual(new Keep(shelf, 'portal').outbox().map((each) => each.client_id), ['u1', 'u2']);
  keep.set('alerts', ['a']);
  keep.clear();
  assert.deepEqual(new Keep(shelf, 'portal').outbox(), []);
  assert.deepEqual(keep.get('alerts'), ['a'], 'an alert that was read stays read');
  assert.equal(new Keep(shelf, 'tax').outbox().length, 1);
  assert.equal(revive({ client_id: 'u', command: { t: 'end' }, at_ms: 0, status: 'sent' }), undefined);
});

test('without storage the page still knows what it was told', () => {
  const refusing = new Proxy({} as StorageLike, { get: () => { throw new Error('SecurityError'); } });
  for (const storage of [undefined, refusing]) {
    const keep = new Keep(storage, 'portal');
    keep.put(say([], 'a', 'u1')[0]!);
    assert.equal(keep.outbox().length, storage ? 0 : 1);
    keep.drop('u1');
    assert.equal(keep.outbox().length, 0);
  }
});
