import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type EventFrame, readFrame, type Message, readMessage, type ServerFrame, type Welcome } from '../widget/protocol.ts';
import { applyAck, applyEvent, applyWelcome, emptyState, isMessage, lastOut, type State, unread } from '../widget/state.ts';

const frame = (value: object): ServerFrame => readFrame(JSON.stringify(value))!;
const welcome = (more: object = {}): Welcome => frame({ t: 'welcome', token: 'tok', visitor: 'vis', last_id: '5', reset: true, ...more }) as Welcome;
const wire = (n: number, more: object = {}): object => ({ id: `msg_c.${n}`, n, dir: 'out', type: 'text', text: `words ${n}`, at: '2026-01-01T00:00:00Z', state: 'sent', ...more });
const event = (id: number | undefined, more: object): EventFrame => frame({ t: 'event', ...(id === undefined ? {} : { id: String(id) }), ...more }) as EventFrame;
const run = (state: State, ...events: EventFrame[]): State => events.reduce((now, each) => applyEvent(now, each, 0), state);
const texts = (state: State): string[] => state.items.map((item) => (isMessage(item) ? item.text : item.note));
const begun = (more: object = {}): State => applyWelcome(emptyState(), welcome(more));

test('what is not a frame is refused; what is missing has a value', () => {
  for (const text of ['', '{', 'null', '[]', '7', '{}', '{"t":"fanfare"}']) assert.equal(readFrame(text), undefined, text);
  const bare = frame({ t: 'welcome' }) as Welcome;
  assert.deepEqual([bare.last_id, bare.reset, bare.open, bare.text_max, bare.media_max, bare.form, bare.messages], ['0', false, true, 4000, 0, [], []]);
  assert.deepEqual(event(7, { kind: 'confetti' }), { t: 'event', id: '7', body: { kind: 'other' } });
  assert.deepEqual(event(8, { kind: 'message', message: {} }), { t: 'event', id: '8', body: { kind: 'other' } });
  assert.equal('id' in event(undefined, { kind: 'queue', position: 2 }), false);
  const nack = frame({ t: 'nack', client_id: 'u', problem: { code: 'challenge', challenge: { salt: 's', bits: 9 } } });
  assert.deepEqual(nack, { t: 'nack', client_id: 'u', problem: { code: 'challenge' }, challenge: { salt: 's', bits: 9 } });
});

test('an event is applied once; what has been seen is dropped, and ids may skip', () => {
  const state = run(begun(), event(6, { kind: 'message', message: wire(1) }));
  assert.deepEqual(texts(state), ['words 1']);
  assert.equal(applyEvent(state, event(6, { kind: 'message', message: wire(2) }), 0), state);
  assert.deepEqual(texts(applyEvent(state, event(8, { kind: 'message', message: wire(2) }), 0)), ['words 1', 'words 2']);
});

test('his own message is shown once, whichever of ack and event comes first', () => {
  const own: Message = readMessage({ id: 'msg_c.1', dir: 'in', text: 'hi', state: 'stored', client_id: 'u1' })!;
  const told = event(6, { kind: 'message', message: wire(1, { dir: 'in', text: 'hi', client_id: 'u1', state: 'stored' }) });
  assert.deepEqual(texts(run(applyAck(begun(), own), told)), ['hi']);
  assert.deepEqual(texts(applyAck(run(begun(), told), own)), ['hi']);
  assert.deepEqual(texts(run(applyAck(begun(), { ...own, id: 'u1' }), told)), ['hi']);
});

test('receipts go forward only', () => {
  const own = event(6, { kind: 'message', message: wire(1, { dir: 'in', state: 'stored' }) });
  const read = event(7, { kind: 'receipt', message: 'msg_c.1', state: 'read' });
  const late = event(8, { kind: 'receipt', message: 'msg_c.1', state: 'delivered' });
  assert.equal((run(begun(), own, read, late).items[0] as Message).state, 'read');
});

test('a welcome that resets replaces what is shown, one that resumes keeps it', () => {
  const state = run(begun(), event(6, { kind: 'message', message: wire(1) }));
  assert.deepEqual(texts(applyWelcome(state, welcome({ reset: false, last_id: '9', conversation: { id: 'c', state: 'active' } }))), ['words 1']);
  assert.equal(applyWelcome(state, welcome({ reset: false, last_id: '9' })).last_id, '6', 'the replay is still to come');
  const reset = applyWelcome(state, welcome({ last_id: '9', messages: [wire(4)] }));
  assert.deepEqual([texts(reset), reset.last_id], [['words 4'], '9']);
});

test('a place in the line goes when somebody comes; the end and a move leave a line in the log', () => {
  const waiting = run(begun(), event(undefined, { kind: 'queue', position: 3, wait_s: 240 }));
  assert.deepEqual(waiting.queue, { position: 3, wait_s: 240 });
  const served = run(waiting, event(6, { kind: 'assigned', agent: { name: 'Ana' } }));
  assert.deepEqual([served.queue, served.agent, served.live], [undefined, 'Ana', true]);
  const over = run(served, event(7, { kind: 'closed', why: 'resolved' }));
  assert.deepEqual([over.live, over.agent, texts(over)], [false, '', ['assigned', 'closed']]);
  const moved = run(served, event(7, { kind: 'moved', channel: 'sms', address: '•••12' }));
  assert.deepEqual([moved.live, texts(moved)], [false, ['assigned', 'moved']]);
});

test('typing holds for six seconds or until the words are there', () => {
  const state = applyEvent(begun(), event(undefined, { kind: 'typing', agent: { name: 'Ana' } }), 1000);
  assert.equal(state.typing_until, 7000);
  assert.equal(run(state, event(6, { kind: 'message', message: wire(1) })).typing_until, 0);
});

test('an alert is replaced by its update and ends when it expires', () => {
  const first = event(6, { kind: 'alert', alert: { id: 'a', severity: 'Severe', headline: 'Flood', expires: '2026-01-01T00:00:00Z' } });
  const state = run(begun(), first);
  assert.deepEqual(state.alerts.map((alert) => [alert.severity, alert.headline]), [['severe', 'Flood']]);
  assert.equal(run(state, event(7, { kind: 'alert', alert: { id: 'a', headline: 'Flood, higher' } })).alerts[0]?.headline, 'Flood, higher');
  assert.deepEqual(applyEvent(state, event(7, { kind: 'alert', alert: { id: 'a', expires: '2026-01-01T00:00:00Z' } }), Date.parse('2026-02-01')).alerts, []);
  assert.equal(begun({ alerts: [{ id: 'b', headline: 'In force' }] }).alerts.length, 1);
});

test('unread is what the agency said after the last seen', () => {
  const state = run(begun(), ...[1, 2, 3].map((n) => event(5 + n, { kind: 'message', message: wire(n, n === 2 ? { dir: 'in' } : {}) })));
  assert.deepEqual([unread(state, ''), unread(state, 'msg_c.1'), unread(state, 'msg_c.3'), lastOut(state)], [2, 1, 0, 'msg_c.3']);
});
