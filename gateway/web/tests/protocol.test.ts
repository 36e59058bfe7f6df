import assert from 'node:assert/strict';
import { test } from 'node:test';
import { numberOf, queueName, readConversation, readFrame, readMessage } from '../desk/protocol.ts';
import { frame, wire } from './helpers.ts';

test('what is not a frame is refused, one by one', () => {
  for (const text of ['', '{', 'null', '[]', '7', '"welcome"', '{}', '{"t":"fanfare"}', '{"t":7}']) assert.equal(readFrame(text), undefined, text);
});

test('a welcome with nothing in it is still whole', () => {
  assert.deepEqual(frame({ t: 'welcome' }), {
    t: 'welcome', agent: { id: '', name: '' }, roles: [], availability: 'offline', last_id: '0', reset: false, conversations: [], offers: [],
  });
});

test('an event of a kind we do not know keeps its id', () => {
  assert.deepEqual(frame({ t: 'event', id: '12', kind: 'confetti' }), { t: 'event', id: '12', body: { kind: 'other' } });
  assert.deepEqual(frame({ t: 'event', id: '13', kind: 'message', conversation: 'conv_c' }), { t: 'event', id: '13', body: { kind: 'other' } });
});

test('an event id is never taken for a conversation', () => {
  const offer = frame({ t: 'event', id: '4', kind: 'offer', gen: 1 });
  assert.deepEqual(offer, { t: 'event', id: '4', body: { kind: 'other' } });
  const news = frame({ t: 'event', id: '5', kind: 'conversation', conversation: 'conv_c', gen: 2, state: 'closed' });
  assert.deepEqual(news, { t: 'event', id: '5', body: { kind: 'conversation', info: { conversation: 'conv_c', gen: 2, state: 'closed' } } });
});

test('ids that are no decimals are left out', () => {
  for (const id of ['', '01', '-1', '1e3', '0x1', 'abc']) assert.equal('id' in frame({ t: 'event', id, kind: 'queue' }), false, id);
});

test('a message needs an id and a place in the log', () => {
  assert.equal(readMessage({ text: 'x' }), undefined);
  assert.equal(readMessage({ id: 'msg_x' }), undefined);
  assert.equal(readMessage({ id: 'msg_x.4', text: 'x' })?.n, 4);
  assert.equal(numberOf('msg_a.b.12'), 12);
  assert.equal(numberOf('msg_a'), 0);
});

test('media comes as an id or as an object, and may not be here yet', () => {
  assert.equal(readMessage(wire(1, { media: 'media_1' }))?.media?.ready, true);
  assert.equal(readMessage(wire(1, { media: { id: 'media_1', mime: 'image/png' } }))?.media?.ready, true);
  assert.equal(readMessage(wire(1, { media: { id: 'media_1', state: 'pending' } }))?.media?.ready, false);
  assert.equal(readMessage(wire(1, { media: { mime: 'image/png' } }))?.media?.ready, false);
});

test('owner and queue come as an id or as an object with one', () => {
  const info = readConversation({ id: 'conv_c', gen: 1, owner: { id: 'agent_1', name: 'Ana' }, queue: 'queue_a' });
  assert.equal(info?.owner, 'agent_1');
  assert.equal(info?.queue, 'queue_a');
  assert.equal(readConversation({ id: 'conv_c', owner: null })?.owner, '');
});

test('people read the name of a queue, not its id', () => {
  assert.equal(queueName('queue_town-hall'), 'town-hall');
  assert.equal(queueName(''), '');
});

test('what is true now is found in the problem or beside it', () => {
  const now = { gen: 9, state: 'active', owner: 'agent_2' };
  for (const body of [{ problem: { detail: 'late', now } }, { problem: { detail: 'late' }, now }]) {
    assert.deepEqual(frame({ t: 'nack', client_id: 'x', ...body }), { t: 'nack', client_id: 'x', problem: { detail: 'late', now } });
  }
});
