import assert from 'node:assert/strict';
import { test } from 'node:test';
import { add, due, find, frameOf, kKeepMs, kMaxEntries, refused, reopened, revive, said, without, type Outbox } from '../desk/outbox.ts';
import type { Command } from '../desk/protocol.ts';

const reply = (text: string): Command => ({ t: 'reply', conversation: 'conv_c', gen: 3, text });
const must = (outbox: Outbox | undefined): Outbox => {
  assert.ok(outbox);
  return outbox;
};

test('what was said waits, is sent, and goes with its answer', () => {
  let box = must(add([], reply('a'), 'u1', 0));
  box = must(add(box, reply('b'), 'u2', 1));
  assert.deepEqual(due(box).map(frameOf), [
    '{"t":"reply","conversation":"conv_c","gen":3,"text":"a","client_id":"u1"}',
    '{"t":"reply","conversation":"conv_c","gen":3,"text":"b","client_id":"u2"}',
  ]);
  box = said(box, 'u1');
  assert.deepEqual(due(box).map((each) => each.client_id), ['u2']);
  box = without(box, 'u1');
  assert.equal(find(box, 'u1'), undefined);
  assert.equal(without(box, 'nobody'), box);
});

test('after a reconnect all of it is said again: same order, same client_id, same bytes', () => {
  let box = must(add(must(add([], reply('a'), 'u1', 0)), reply('b'), 'u2', 1));
  const first = due(box).map(frameOf);
  box = reopened(said(said(box, 'u1'), 'u2'), 1000);
  assert.deepEqual(due(box).map(frameOf), first);
});

test('past the gateway’s dedupe, words wait for a person and buttons are forgotten', () => {
  let box = must(add([], reply('a'), 'u1', 0));
  box = must(add(box, { t: 'accept', conversation: 'conv_o', gen: 1 }, 'u2', 0));
  box = must(add(box, reply('new'), 'u3', kKeepMs));
  box = reopened(box, kKeepMs);
  assert.deepEqual(box.map((each) => [each.client_id, each.status]), [['u1', 'old'], ['u3', 'waiting']]);
});

test('a refused reply stays with its reason and is not said again; a refused button goes', () => {
  let box = must(add([], reply('a'), 'u1', 0));
  box = must(add(box, { t: 'resolve', conversation: 'conv_c', gen: 3 }, 'u2', 0));
  box = refused(refused(box, 'u1', { detail: 'no' }), 'u2', { detail: 'no' });
  assert.deepEqual(box.map((each) => [each.client_id, each.status, each.problem?.detail]), [['u1', 'refused', 'no']]);
  assert.deepEqual(due(reopened(box, 1)), []);
});

test('only the last wish counts for availability and for reading', () => {
  let box = must(add([], { t: 'availability', value: 'ready' }, 'u1', 0));
  box = must(add(box, { t: 'availability', value: 'paused' }, 'u2', 0));
  box = must(add(box, { t: 'read', conversation: 'a', message: 'msg_a.1' }, 'u3', 0));
  box = must(add(box, { t: 'read', conversation: 'b', message: 'msg_b.1' }, 'u4', 0));
  box = must(add(box, { t: 'read', conversation: 'a', message: 'msg_a.2' }, 'u5', 0));
  assert.deepEqual(box.map((each) => each.client_id), ['u2', 'u4', 'u5']);
});

test('the outbox is bounded', () => {
  let box: Outbox = [];
  for (let at = 0; at < kMaxEntries; at += 1) box = must(add(box, reply(String(at)), `u${at}`, 0));
  assert.equal(add(box, reply('one more'), 'u', 0), undefined);
});

test('storage gives back only what has the right shape', () => {
  const box = must(add([], reply('a'), 'u1', 5));
  assert.deepEqual(revive(JSON.parse(JSON.stringify(box))), box);
  for (const odd of [null, 7, 'x', {}, [null], [{ client_id: 'u' }], [{ ...box[0], status: 'lost' }]]) assert.deepEqual(revive(odd), []);
});

test('read gets no answer: said is done', () => {
  const box = must(add([], { t: 'read', conversation: 'a', message: 'msg_a.1' }, 'u1', 0));
  assert.deepEqual(said(box, 'u1'), []);
});
