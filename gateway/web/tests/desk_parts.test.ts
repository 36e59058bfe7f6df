import assert from 'node:assert/strict';
import { test } from 'node:test';
import { actions, keyless } from '../desk/actions.ts';
import { DeskApi } from '../desk/api.ts';
import { askedFor, filled, matching, openPlaceholders, readCanned } from '../desk/canned.ts';
import { readCitizen, shownAddress } from '../desk/citizen.ts';
import { localInput } from '../shared/fields.ts';
import { parkTimes, rowsFrom } from '../desk/forms.ts';
import { bindingOf, defaultKeys, holderOf, isBinding, keyOf, rebound, shownKey } from '../desk/keymap.ts';
import { byDeadline, deadlineOf } from '../desk/lists.ts';
import { whyFailed } from '../desk/names.ts';
import { add, due, released, reopened } from '../desk/outbox.ts';
import { readConversation } from '../desk/protocol.ts';
import { defaults, loadSettings, saveSettings } from '../desk/settings.ts';
import { applyListed, emptyState, wrapped, type Conversation } from '../desk/state.ts';
import { kPiece, piecesOf } from '../desk/thread.ts';
import { language } from '../shared/i18n.ts';
import { event, message, ours, run } from './helpers.ts';

const of = (more: Partial<Conversation>): Conversation => ({ ...ours().conversations.conv_c!, window_until: '', ...more });
const at = (minutes: number): string => new Date(Date.UTC(2026, 0, 1, 12, minutes)).toISOString();

test('the next deadline is the first of promise, wrap-up and a window that matters', () => {
  const asked = [message(1, { at: at(0) })];
  const window_until = at(30);
  assert.equal(deadlineOf(of({ window_until })), undefined, 'nobody waits');
  assert.equal(deadlineOf(of({ window_until, messages: asked }))?.kind, 'window');
  assert.equal(deadlineOf(of({ window_until, messages: asked, channel: 'sms' })), undefined);
  assert.deepEqual(deadlineOf(of({ window_until, messages: asked, dues: [{ which: 'next_reply', state: 'breached', due: at(10) }] })), { kind: 'next_reply', at_ms: Date.parse(at(10)), late: true });
  assert.equal(deadlineOf(of({ state: 'wrapup', wrap_ms: 1000 }), 60_000)?.at_ms, 61_000);
  assert.equal(deadlineOf(of({ state: 'wrapup' }), 60_000), undefined, 'its beginning was not seen');
});

test('lists: the first deadline, then who waits longest, parked ones last', () => {
  const all = [
    of({ id: 'conv_parked', state: 'parked', messages: [message(1, { at: at(0) })], channel: 'sms' }),
    of({ id: 'conv_late', channel: 'sms', dues: [{ which: 'first_reply', state: 'due', due: at(20) }] }),
    of({ id: 'conv_waits', channel: 'sms', messages: [message(1, { at: at(3) })] }),
    of({ id: 'conv_waits_longer', channel: 'sms', messages: [message(1, { at: at(2) })] }),
    of({ id: 'conv_soon', channel: 'sms', dues: [{ which: 'resolve', state: 'due', due: at(10) }] }),
  ];
  assert.deepEqual(byDeadline(all).map((each) => each.id), ['conv_soon', 'conv_late', 'conv_waits_longer', 'conv_waits', 'conv_parked']);
});

test('a binding needs a modifier, and is the key’s place', () => {
  for (const good of ['Alt+KeyJ', 'Control+Alt+KeyE', 'F2', 'Alt+Slash', 'Control+Digit1']) assert.ok(isBinding(good), good);
  for (const bad of ['KeyJ', 'Shift+KeyJ', 'Alt+J', 'Alt+Escape', '', 'Hyper+KeyJ', 7]) assert.ok(!isBinding(bad), String(bad));
  const press = { code: 'KeyJ', ctrlKey: false, altKey: true, shiftKey: false, metaKey: false };
  assert.equal(bindingOf(press), 'Alt+KeyJ');
  assert.equal(bindingOf({ ...press, altKey: false }), '');
  assert.equal(shownKey('Control+Alt+KeyE'), 'Ctrl+Alt+E');
});

test('every action has a key, no two the same, and a key that is given away is gone from where it was', () => {
  assert.deepEqual(keyless(), []);
  assert.deepEqual(Object.keys(defaultKeys).sort(), actions.map((each) => each.id).sort());
  const all = Object.values(defaultKeys);
  assert.equal(new Set(all).size, all.length);
  for (const binding of all) assert.ok(isBinding(binding), binding);
  const own = rebound({}, 'park', 'Alt+KeyJ');
  assert.equal(keyOf(own, 'park'), 'Alt+KeyJ');
  assert.equal(keyOf(own, 'next'), '');
  assert.equal(holderOf(own, 'Alt+KeyJ'), 'park');
  assert.deepEqual(rebound(own, 'next', 'Alt+KeyJ'), { park: '' });
});

test('canned replies: found by their shortcut and words, filled with what is known', () => {
  assert.deepEqual(askedFor('/gr', 3, '/'), { from: 0, word: 'gr' });
  assert.deepEqual(askedFor('so /', 4, '/'), { from: 3, word: '' });
  assert.equal(askedFor('1/2', 3, '/'), undefined);
  assert.equal(askedFor('a@b', 3, '@'), undefined);
  assert.deepEqual(askedFor('@Ми', 3, '@'), { from: 0, word: 'ми' });
  const all = [{ id: 'a', shortcut: '/hours', text: 'We open at 9' }, { id: 'b', shortcut: 'hello', text: 'Hello', queues: ['queue_b'] }, { shortcut: '' }].map(readCanned).filter((each) => each !== undefined);
  assert.deepEqual(matching(all, 'h', 'queue_a').map((each) => each.shortcut), ['hours']);
  assert.deepEqual(matching(all, 'h', 'queue_b').map((each) => each.shortcut), ['hours', 'hello']);
  assert.deepEqual(matching(all, 'open', 'queue_a').map((each) => each.shortcut), ['hours']);
  const known = { name: '', agent: 'Ana', queue: 'Town' };
  assert.equal(filled('{name}, {agent} of {queue}; {street}', known), '{name}, Ana of Town; {street}');
  assert.deepEqual(openPlaceholders('{name} and {улица} and {name}, not {} nor {1}'), ['name', 'улица']);
});

test('a held reply can wait, is let go in time, and nothing done overtakes it', () => {
  const reply = { t: 'reply' as const, conversation: 'conv_c', gen: 3, text: 'hi' };
  let outbox = add([], reply, 'u1', 1000, 6000)!;
  assert.equal(outbox[0]!.status, 'held');
  assert.deepEqual(due(outbox), []);
  assert.equal(released(outbox, 5999), outbox);
  outbox = add(outbox, { t: 'resolve', conversation: 'conv_c', gen: 3 }, 'u2', 2000)!;
  outbox = add(outbox, { t: 'resolve', conversation: 'conv_d', gen: 1 }, 'u3', 2000)!;
  assert.deepEqual(due(outbox).map((each) => each.client_id), ['u3']);
  outbox = released(outbox, 2000, 'conv_c');
  assert.deepEqual(due(outbox).map((each) => each.client_id), ['u1', 'u3'], 'the words first');
  assert.deepEqual(due(outbox.filter((each) => each.client_id !== 'u1')).map((each) => each.client_id), ['u2', 'u3']);
  assert.equal(reopened(add([], reply, 'u4', 0, 5000)!, 10)[0]!.status, 'held', 'a reconnect does not send what may be taken back');
});

test('the wrap-up counts from when it was heard of, and ends with it', () => {
  const state = run(ours(), event(11, { kind: 'conversation', conversation: 'conv_c', gen: 4, state: 'wrapup', owner: 'agent_1' })).state;
  assert.equal(state.conversations.conv_c!.state, 'wrapup');
  assert.equal(wrapped(state, 'conv_c', 7).conversations.conv_c!.wrap_ms, 7);
  const known = wrapped(state, 'conv_c', 7);
  assert.equal(wrapped(known, 'conv_c', 9).conversations.conv_c!.wrap_ms, 7);
  const awake = run({ ...known, last_id: '11' }, event(12, { kind: 'conversation', conversation: 'conv_c', gen: 5, state: 'active', owner: 'agent_1' })).state;
  assert.equal(awake.conversations.conv_c!.wrap_ms, 0);
});

test('supervisors see queues and colleagues as they change', () => {
  const { state } = run(ours(),
    event(undefined, { kind: 'queue', queue: 'queue_a', name: 'A', waiting: 3, members_ready: 1, open: false }),
    event(undefined, { kind: 'presence', agent: 'agent_2', availability: 'draining', connected: true, load: 13, capacity: 50 }));
  assert.deepEqual(state.queues.queue_a, { id: 'queue_a', name: 'A', waiting: 3, ready: 1, oldest_at: '', open: false });
  assert.deepEqual(state.presence.agent_2, { agent: 'agent_2', availability: 'draining', connected: true, load: 1.3, capacity: 5 });
});

test('a list tells of others, and never takes away what the socket says is ours', () => {
  const listed = applyListed(ours(), readConversation({ id: 'conv_c', gen: 99, state: 'closed', channel: 'sms', account: 'x', contact: { id: 'c', name: 'Eva' }, messages: 9 })!);
  assert.equal(listed.conversations.conv_c!.state, 'active');
  const other = applyListed(emptyState(), readConversation({ id: 'conv_o', gen: 2, state: 'queued', channel: 'sms', contact: { id: 'c', name: 'Eva' }, messages: 1, preview: 'hi', sla: { first_reply: { state: 'due', due: at(5) }, resolve: { state: 'met' } } })!);
  assert.deepEqual([other.conversations.conv_o!.mine, other.conversations.conv_o!.preview, other.conversations.conv_o!.dues.length], [false, 'hi', 1]);
});

test('a log in pieces: the same messages stay in the same piece when older ones come', () => {
  const all = Array.from({ length: 3 * kPiece }, (_, index) => message(index + 1, { at: at(0) }));
  const late = piecesOf(all.slice(kPiece + 5));
  const whole = piecesOf(all);
  assert.deepEqual(whole.map((each) => each.key), ['piece 0', 'piece 1', 'piece 2', 'piece 3']);
  assert.equal(late[late.length - 1]!.rows[0]!.key, whole[whole.length - 1]!.rows[0]!.key);
  const shown = whole[2]!.rows.find((row) => row.kind === 'message');
  const again = piecesOf([...all, message(999, { at: at(0) })])[2]!.rows.find((row) => row.kind === 'message');
  assert.ok(shown?.kind === 'message' && again?.kind === 'message' && shown.shown === again.shown, 'what did not change is the same value');
});

test('forms: choices of a list, times to come back at', () => {
  assert.deepEqual(rowsFrom('Tomorrow | from 9\n\n Friday '), [{ id: 'row-1', title: 'Tomorrow', description: 'from 9' }, { id: 'row-2', title: 'Friday' }]);
  for (let day = 1; day <= 7; day += 1) {
    const now = new Date(2026, 5, day, 15, 30).getTime();
    const times = parkTimes(now);
    assert.ok(times.every(({ at: when }) => when.getTime() > now));
    assert.equal(times[2]!.at.getDay(), 1);
    assert.equal(localInput(times[1]!.at).slice(11), '09:00');
  }
});

test('why a message failed, in words', () => {
  language.value = 'en';
  assert.match(whyFailed('131026: Message undeliverable'), /cannot receive/);
  assert.match(whyFailed('window_closed'), /template/);
  assert.equal(whyFailed('something new'), '');
});

test('a citizen is read into whole values, and addresses as people read them', () => {
  assert.equal(readCitizen({}), undefined);
  const citizen = readCitizen({ id: 'c', name: 'Eva', addresses: [{ account: 'city', channel: 'wa', address: 'wa:city:491511', contact: 'c' }, 7], merged: [{ id: 'd', by: 'agent_x' }], conversations: [{ id: 'conv_1', gen: 1, state: 'closed' }, null] })!;
  assert.equal(citizen.addresses.length, 1);
  assert.equal(citizen.conversations.length, 1);
  assert.deepEqual(citizen.merged[0], { id: 'd', name: '', address: '', since: '', by: 'agent_x' });
  assert.equal(shownAddress('wa:city:4915112345678'), '+4915112345678');
  assert.equal(shownAddress('web:portal:visitor-1'), 'visitor-1');
});

test('settings survive what they find in storage', () => {
  const kept = new Map<string, string>();
  const storage = { getItem: (key: string) => kept.get(key) ?? null, setItem: (key: string, value: string) => void kept.set(key, value), removeItem: () => {} };
  saveSettings(storage, { ...defaults(), undo: false, keys: { park: 'Alt+F3' } });
  assert.deepEqual(loadSettings(storage), { ...defaults(), undo: false, keys: { park: 'Alt+F3' } });
  for (const odd of ['null', '7', '{', '{"undo":"no","keys":{"park":"J","next":""}}']) {
    kept.set('belfry.desk.settings', odd);
    const { undo, keys } = loadSettings(storage);
    assert.equal(undo, true);
    assert.ok(keys.park === undefined);
  }
});

test('an upload tells how far it is, and a refusal is a problem with its words', async () => {
  const parts: number[] = [];
  const api = (status: number, text: string) => new DeskApi(fetch, Date.now, (path, headers, _file, progress) => {
    assert.equal(path, '/api/v1/media?filename=a%20b.pdf');
    assert.equal(headers['Content-Type'], 'application/pdf');
    progress(0.5);
    return { done: Promise.resolve({ status, text }), stop: () => {} };
  });
  const file = Object.assign(new Blob(['x'], { type: 'application/pdf' }), { name: 'a b.pdf' });
  assert.deepEqual(await api(201, '{"id":"media_1","mime":"application/pdf","size":1}').upload(file, (part) => parts.push(part)).done, { ok: true, data: { id: 'media_1', mime: 'application/pdf', size: 1 } });
  assert.deepEqual(parts, [0.5]);
  const refused = await api(413, '{"detail":"too large"}').upload(file, () => {}).done;
  assert.ok(!refused.ok && refused.problem.detail === 'too large' && refused.problem.status === 413);
  const lost = await api(0, '').upload(file, () => {}).done;
  assert.ok(!lost.ok);
});
