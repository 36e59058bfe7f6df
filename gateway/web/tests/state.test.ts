import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  applyAck, applyDetails, applyEvent, applyHistory, applyNow, applyOlder, applySeen, applyWelcome, emptyState, rankOf, type State,
} from '../desk/state.ts';
import { event, message, open, ours, run, welcome, wire } from './helpers.ts';

const numbers = (state: State): number[] => state.conversations.conv_c!.messages.map((each) => each.n);
const stateOf = (state: State, n: number): string | undefined => state.conversations.conv_c!.messages.find((each) => each.n === n)?.state;
const said = (n: number, more: object = {}) => ({ kind: 'message', conversation: 'conv_c', message: wire(n, more) });
const receipt = (n: number, state: string, more: object = {}) =>
  ({ kind: 'receipt', conversation: 'conv_c', message: `msg_c.${n}`, state, at: '2026-01-01T00:00:00Z', ...more });

test('the first welcome is where we start', () => {
  const state = applyWelcome(emptyState(), welcome({ last_id: '41', reset: false, conversations: [open()] }));
  assert.equal(state.last_id, '41');
  assert.equal(state.availability, 'ready');
  assert.equal(state.conversations.conv_c?.mine, true);
  assert.equal(state.conversations.conv_c?.loaded, false);
});

test('events are applied once, in order, and a missing one is a gap that changes nothing', () => {
  let step = run(ours(), event(11, said(1)), event(12, said(2)));
  assert.deepEqual(numbers(step.state), [1, 2]);
  assert.equal(step.state.last_id, '12');
  const repeated = applyEvent(step.state, event(11, said(9)), 0);
  assert.equal(repeated.state, step.state);
  step = applyEvent(step.state, event(14, said(3)), 0);
  assert.equal(step.gap, true);
  assert.equal(step.state.last_id, '12');
});

test('event ids grow past what a double can count', () => {
  let state = applyWelcome(emptyState(), welcome({ last_id: '9007199254740993', conversations: [open()] }));
  state = run(state, event(undefined, { kind: 'queue' })).state;
  const frame = { t: 'event' as const, id: '9007199254740994', body: { kind: 'other' as const } };
  assert.equal(applyEvent(state, frame, 0).state.last_id, '9007199254740994');
  assert.equal(applyEvent(state, { ...frame, id: '9007199254740995' }, 0).gap, true);
});

test('an event without an id leaves last_id alone', () => {
  const state = run(ours(), event(undefined, { kind: 'typing', conversation: 'conv_c' })).state;
  assert.equal(state.last_id, '10');
  assert.equal(state.conversations.conv_c!.typing_until, 6000);
});

test('a reconnect without reset keeps what is loaded and where we were', () => {
  const before = run(ours(), event(11, said(1))).state;
  const after = applyWelcome(before, welcome({ reset: false, last_id: '13', conversations: [open()] }));
  assert.equal(after.last_id, '11');
  assert.deepEqual(numbers(after), [1]);
  assert.equal(after.conversations.conv_c!.loaded, true);
  assert.deepEqual(numbers(run(after, event(12, said(2)), event(13, said(3))).state), [1, 2, 3]);
});

test('a reset starts from the welcome and has the log fetched again', () => {
  const before = run(ours(), event(11, said(1))).state;
  const after = applyWelcome(before, welcome({ reset: true, last_id: '900', conversations: [open({ gen: 5 })] }));
  assert.equal(after.last_id, '900');
  assert.equal(after.conversations.conv_c!.loaded, false);
  assert.equal(after.conversations.conv_c!.gen, 5);
  const fetched = applyHistory(after, 'conv_c', 0, [message(1), message(2), message(3)]);
  assert.deepEqual(numbers(fetched), [1, 2, 3]);
});

test('a gateway whose last_id lies behind ours was restored: that is a reset too', () => {
  const before = run(ours({ gen: 9 }), event(11, said(1))).state;
  const after = applyWelcome(before, welcome({ reset: false, last_id: '7', conversations: [open({ gen: 2 })] }));
  assert.equal(after.last_id, '7');
  assert.equal(after.conversations.conv_c!.gen, 2);
});

test('what the welcome does not list is not ours any more, and stays readable', () => {
  const before = run(ours(), event(11, said(1))).state;
  const after = applyWelcome(before, welcome({ reset: false, last_id: '11' }));
  assert.equal(after.conversations.conv_c!.mine, false);
  assert.deepEqual(numbers(after), [1]);
});

test('messages stand in log order, whatever order they come in, and once', () => {
  const state = run(ours(), event(11, said(3)), event(12, said(1)), event(13, said(2)), event(14, said(2))).state;
  assert.deepEqual(numbers(state), [1, 2, 3]);
});

test('a jump in n marks a hole, and fetching fills it', () => {
  let state = run(ours(), event(11, said(1)), event(12, said(4))).state;
  assert.equal(state.conversations.conv_c!.hole_after, 1);
  state = applyHistory(state, 'conv_c', 1, [message(2), message(3), message(4)]);
  assert.deepEqual(numbers(state), [1, 2, 3, 4]);
  assert.equal(state.conversations.conv_c!.hole_after, -1);
});

test('receipts only move forward: every order of the same news ends the same', () => {
  const news = [receipt(1, 'sent'), receipt(1, 'delivered'), receipt(1, 'read'), receipt(1, 'failed', { reason: 'late' })];
  const orders = (list: object[]): object[][] =>
    list.length < 2 ? [list] : list.flatMap((each, at) => orders([...list.slice(0, at), ...list.slice(at + 1)]).map((rest) => [each, ...rest]));
  for (const order of orders([said(1, { dir: 'out', state: 'queued' }), ...news])) {
    const state = run(ours(), ...order.map((each, at) => event(11 + at, each))).state;
    assert.equal(stateOf(state, 1), 'read');
    assert.equal(state.conversations.conv_c!.messages[0]!.reason, undefined);
    assert.deepEqual(state.early, {});
  }
});

test('the ranks are those of the interface', () => {
  const order = ['queued', 'sent', 'uncertain', 'expired', 'failed', 'delivered', 'read'];
  assert.deepEqual([...order].sort((a, b) => rankOf(a) - rankOf(b)), order);
  assert.equal(rankOf('claimed') < rankOf('sent'), true);
  assert.equal(rankOf('played'), rankOf('read'));
  assert.equal(rankOf('toasted'), -1);
});

test('a failure keeps its reason; a later fetch with an older state does not take it back', () => {
  let state = run(ours(), event(11, said(1, { dir: 'out', state: 'queued' })), event(12, receipt(1, 'failed', { reason: '131026' }))).state;
  state = applyHistory(state, 'conv_c', 0, [message(1, { dir: 'out', state: 'sent' })]);
  assert.equal(stateOf(state, 1), 'failed');
  assert.equal(state.conversations.conv_c!.messages[0]!.reason, '131026');
});

test('receipts that outrun their message are few', () => {
  let state = ours();
  for (let n = 1; n <= 700; n += 1) state = run(state, event(10 + n, receipt(n, 'sent'))).state;
  assert.equal(Object.keys(state.early).length, 500);
});

test('an offer comes, is replaced by a newer one, and goes when withdrawn', () => {
  const offer = (gen: number) => ({ kind: 'offer', conversation: 'conv_o', gen, queue: 'q', channel: 'sms', contact: { id: 'c', name: 'Eva' }, preview: '?', expires_at: '' });
  let step = run(ours(), event(11, offer(2)), event(12, offer(4)));
  assert.deepEqual(step.state.offers.map((each) => each.gen), [4]);
  step = applyEvent(step.state, event(13, { kind: 'rescinded', conversation: 'conv_o', gen: 3 }), 0);
  assert.equal(step.state.offers.length, 1, 'news of an older offer leaves the newer one');
  step = applyEvent(step.state, event(14, { kind: 'rescinded', conversation: 'conv_o', gen: 4, why: 'timeout' }), 0);
  assert.equal(step.state.offers.length, 0);
  assert.equal(step.rescinded?.why, 'timeout');
});

test('an assigned conversation takes over what its offer said', () => {
  const offer = { kind: 'offer', conversation: 'conv_o', gen: 2, queue: 'q', channel: 'sms', contact: { id: 'c', name: 'Eva' }, preview: '?', expires_at: '' };
  const state = run(ours(), event(11, offer), event(12, { kind: 'assigned', conversation: 'conv_o', gen: 3 })).state;
  const conversation = state.conversations.conv_o!;
  assert.equal(state.offers.length, 0);
  assert.deepEqual([conversation.mine, conversation.gen, conversation.contact.name, conversation.known], [true, 3, 'Eva', true]);
});

test('older news of a conversation never undoes newer', () => {
  const news = (gen: number, more: object) => ({ kind: 'conversation', conversation: 'conv_c', gen, ...more });
  const state = run(ours(), event(11, news(7, { state: 'parked', owner: 'agent_1' })), event(12, news(5, { state: 'queued', owner: '' }))).state;
  assert.deepEqual([state.conversations.conv_c!.state, state.conversations.conv_c!.mine, state.conversations.conv_c!.gen], ['parked', true, 7]);
});

test('closed, queued again or with another owner is not ours', () => {
  for (const more of [{ state: 'closed' }, { state: 'queued' }, { state: 'active', owner: 'agent_2' }]) {
    const state = run(ours(), event(11, { kind: 'conversation', conversation: 'conv_c', gen: 4, ...more })).state;
    assert.equal(state.conversations.conv_c!.mine, false, JSON.stringify(more));
  }
});

test('a message of a conversation nobody told us of makes a stub that is not ours', () => {
  const state = run(ours(), event(11, { kind: 'message', conversation: 'conv_x', message: wire(5, { id: 'msg_x.5' }) })).state;
  assert.deepEqual([state.conversations.conv_x!.mine, state.conversations.conv_x!.known, state.conversations.conv_x!.loaded], [false, false, false]);
  const told = applyDetails(state, { conversation: 'conv_x', gen: 2, state: 'active', owner: 'agent_1', channel: 'sms', contact: { id: 'c', name: 'Eva' } });
  assert.deepEqual([told.conversations.conv_x!.mine, told.conversations.conv_x!.known], [true, true]);
});

test('a citizen’s words open WhatsApp’s window again; a reaction does not', () => {
  const at = '2026-03-01T10:00:00Z';
  let state = run(ours(), event(11, said(1, { at }))).state;
  assert.equal(state.conversations.conv_c!.window_until, '2026-03-02T09:59:00.000Z');
  state = run(state, event(12, said(2, { at: '2026-03-01T12:00:00Z', type: 'reaction', of: 'wamid.1' }))).state;
  assert.equal(state.conversations.conv_c!.window_until, '2026-03-02T09:59:00.000Z');
});

test('an ack puts the reply into the log; its event, before or after, does not double it', () => {
  const reply = { t: 'reply' as const, conversation: 'conv_c', gen: 3, text: 'hello' };
  const base = run(ours(), event(11, said(1))).state;
  const acked = applyAck(base, reply, 'msg_c.2', 'u-1', '2026-01-01T00:01:00Z');
  assert.deepEqual(numbers(acked), [1, 2]);
  assert.equal(stateOf(acked, 2), 'queued');
  const told = run(acked, event(12, said(2, { dir: 'out', state: 'sent', text: 'hello', client_id: 'u-1' }))).state;
  assert.deepEqual(numbers(told), [1, 2]);
  assert.equal(stateOf(told, 2), 'sent');
  assert.equal(applyAck(told, reply, 'msg_c.2', 'u-1', ''), told);
});

test('an ack without a message id changes nothing, and acks of buttons do what they say', () => {
  const state = ours();
  assert.equal(applyAck(state, { t: 'note', conversation: 'conv_c', text: 'x' }, 'conv_c', 'u', ''), state);
  assert.equal(applyAck(state, { t: 'availability', value: 'paused' }, '', 'u', '').availability, 'paused');
});

test('a stale gen brings what is true now', () => {
  const lost = applyNow(ours(), 'conv_c', { now: { gen: 8, state: 'active', owner: 'agent_2' } });
  assert.deepEqual([lost.conversations.conv_c!.mine, lost.conversations.conv_c!.gen], [false, 8]);
  const kept = applyNow(ours(), 'conv_c', { now: { gen: 8, state: 'parked', owner: 'agent_1' } });
  assert.deepEqual([kept.conversations.conv_c!.mine, kept.conversations.conv_c!.state], [true, 'parked']);
});

test('history from the tail, then older pages, with live messages in between', () => {
  let state = ours({ messages: 120 });
  state = { ...state, conversations: { conv_c: { ...state.conversations.conv_c!, loaded: false } } };
  state = run(state, event(11, said(121))).state;
  const page = (from: number, to: number) => Array.from({ length: to - from + 1 }, (_, at) => message(from + at));
  state = applyHistory(state, 'conv_c', 70, page(71, 120));
  assert.deepEqual([numbers(state)[0], numbers(state).length, state.conversations.conv_c!.oldest], [71, 51, 71]);
  state = applyOlder(state, 'conv_c', 20, page(21, 70));
  state = applyOlder(state, 'conv_c', 0, page(1, 20));
  assert.deepEqual([numbers(state).length, state.conversations.conv_c!.oldest], [121, 1]);
});

test('seen only moves forward', () => {
  const state = applySeen(ours(), 'conv_c', 5);
  assert.equal(applySeen(state, 'conv_c', 3), state);
  assert.equal(applySeen(state, 'conv_nobody', 3), state);
});

test('what is assigned brings its view', () => {
  const view = { id: 'conv_n', gen: 4, state: 'active', owner: 'agent_1', queue: 'q', channel: 'whatsapp', contact: { id: 'c', name: 'Eva' }, messages: 70, window_until: '2026-03-02T09:59:00Z' };
  const state = run(ours(), event(11, { kind: 'assigned', conversation: 'conv_n', gen: 4, view })).state;
  const { mine, known, last_n, contact, window_until } = state.conversations.conv_n!;
  assert.deepEqual([mine, known, last_n, contact.name, window_until], [true, true, 70, 'Eva', '2026-03-02T09:59:00Z']);
});

test('a held conversation that went back to its queue is not ours', () => {
  const state = run(ours(), event(11, { kind: 'rescinded', conversation: 'conv_c', gen: 4, why: 'agent_lost' })).state;
  assert.deepEqual([state.conversations.conv_c!.mine, state.conversations.conv_c!.state], [false, 'queued']);
  assert.equal(state.availability, 'ready');
});

test('a missed offer means no more offers until one says ready', () => {
  const offer = { kind: 'offer', conversation: 'conv_o', gen: 2, queue: 'q', channel: 'sms', contact: { id: 'c', name: 'Eva' }, preview: '?', expires_at: '' };
  const state = run(ours(), event(11, offer), event(12, { kind: 'rescinded', conversation: 'conv_o', gen: 3, why: 'timeout' })).state;
  assert.equal(state.availability, 'not_responding');
  assert.equal(applyAck(state, { t: 'availability', value: 'ready' }, '', 'u', '').availability, 'ready');
  assert.equal(applyWelcome(state, welcome({ availability: 'not_responding' })).availability, 'not_responding');
});

test('an archived conversation is closed, though nobody knows its gen any more', () => {
  const state = run(ours(), event(11, { kind: 'conversation', conversation: 'conv_c', gen: 0, state: 'closed' })).state;
  assert.deepEqual([state.conversations.conv_c!.mine, state.conversations.conv_c!.state, state.conversations.conv_c!.gen], [false, 'closed', 3]);
});

test('the window that comes with a message counts', () => {
  const frame = { ...said(1, { at: '2026-03-01T10:00:00Z', dir: 'out', state: 'queued' }), window_until: '2026-03-04T00:00:00Z' };
  assert.equal(run(ours(), event(11, frame)).state.conversations.conv_c!.window_until, '2026-03-04T00:00:00Z');
});

test('a reaction to a message of ours has the log read again, for the provider’s id that no event told', () => {
  const mine = { dir: 'out', state: 'queued', provider_id: undefined };
  let state = run(ours(), event(11, said(1)), event(12, said(2, mine)), event(13, said(3, { type: 'reaction', text: '+', of: 'wamid.late' }))).state;
  assert.equal(state.conversations.conv_c!.hole_after, 1);
  state = applyHistory(state, 'conv_c', 1, [message(2, { dir: 'out', state: 'sent', provider_id: 'wamid.late' }), message(3, { type: 'reaction', text: '+', of: 'wamid.late' })]);
  assert.equal(state.conversations.conv_c!.hole_after, -1);
  assert.equal(state.conversations.conv_c!.messages[1]!.provider_id, 'wamid.late');
  state = run(state, event(14, said(4, { type: 'reaction', text: '', of: 'wamid.late' }))).state;
  assert.equal(state.conversations.conv_c!.hole_after, -1);
});

test('media that was being fetched is there when the message is told again', () => {
  const before = run(ours(), event(11, said(1, { type: 'image', media: { mime: 'image/png' } }))).state;
  const after = run(before, event(12, said(1, { type: 'image', media: { mime: 'image/png', id: 'msg_c.1', size: 7 } }))).state;
  assert.deepEqual([before, after].map((each) => each.conversations.conv_c!.messages[0]!.media!.ready), [false, true]);
});
