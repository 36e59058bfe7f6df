import assert from 'node:assert/strict';
import { test } from 'node:test';
import { byWaiting, dayOf, lastOf, rowsOf, threadOf, unread, waitingSince } from '../desk/thread.ts';
import type { Conversation } from '../desk/state.ts';
import { message, ours } from './helpers.ts';

const conversation = (...messages: ReturnType<typeof message>[]): Conversation => ({ ...ours().conversations.conv_c!, messages });

test('reactions, edits and revokes are folded into what they change', () => {
  const shown = threadOf([
    message(1),
    message(2, { dir: 'out' }),
    message(3, { type: 'edit', text: 'better words', of: 'wamid.1' }),
    message(4, { type: 'reaction', text: '👍', of: 'wamid.2' }),
    message(5, { type: 'reaction', dir: 'out', text: '🙏', of: 'wamid.2' }),
    message(6, { type: 'reaction', text: '❤', of: 'wamid.2' }),
    message(7, { type: 'revoke', text: '', of: 'wamid.1' }),
  ]);
  assert.deepEqual(shown.map((each) => [each.message.n, each.text, each.edited, each.revoked, each.reactions]), [
    [1, 'better words', true, true, []],
    [2, 'words 2', false, false, ['❤', '🙏']],
  ]);
});

test('an empty reaction takes the earlier one back', () => {
  const shown = threadOf([message(1), message(2, { type: 'reaction', text: '👍', of: 'wamid.1' }), message(3, { type: 'reaction', text: '', of: 'wamid.1' })]);
  assert.deepEqual(shown[0]!.reactions, []);
});

test('a change whose original is not here stays a line of its own', () => {
  const shown = threadOf([message(1, { type: 'revoke', of: 'wamid.gone' }), message(2, { type: 'reaction', text: '👍' })]);
  assert.deepEqual(shown.map((each) => each.message.type), ['revoke', 'reaction']);
});

test('an edit may name an edit', () => {
  const shown = threadOf([message(1), message(2, { type: 'edit', text: 'b', of: 'wamid.1' }), message(3, { type: 'edit', text: 'c', of: 'wamid.2' })]);
  assert.deepEqual(shown.map((each) => each.text), ['c']);
});

test('days are parted once, and a broken time parts nothing', () => {
  const rows = rowsOf([
    message(1, { at: '2026-01-01T12:00:00Z' }), message(2, { at: '2026-01-01T12:30:00Z' }), message(3, { at: 'soon' }),
    message(4, { at: '2026-01-03T12:00:00Z' }),
  ]);
  assert.deepEqual(rows.map((row) => row.kind), ['day', 'message', 'message', 'message', 'day', 'message']);
  assert.equal(dayOf('soon'), '');
  assert.equal(new Set(rows.map((row) => row.key)).size, rows.length);
});

test('waiting begins with the first unanswered question, and a reaction is no question', () => {
  assert.equal(waitingSince(conversation()), '');
  assert.equal(waitingSince(conversation(message(1), message(2, { dir: 'out' }))), '');
  assert.equal(waitingSince(conversation(message(1), message(2, { dir: 'out' }), message(3), message(4))), message(3).at);
  assert.equal(waitingSince(conversation(message(1), message(2, { dir: 'out' }), message(3, { type: 'reaction' }))), '');
  assert.equal(waitingSince(conversation(message(1), message(2, { dir: 'note' }))), message(1).at, 'a note answers nobody');
});

test('unread counts questions after what was seen or answered', () => {
  assert.equal(unread(conversation(message(1), message(2), message(3, { type: 'reaction' }))), 2);
  assert.equal(unread({ ...conversation(message(1), message(2)), seen_n: 1 }), 1);
  assert.equal(unread(conversation(message(1), message(2, { dir: 'out' }))), 0);
});

test('who waits longest comes first, then the latest answered', () => {
  const make = (id: string, ...messages: ReturnType<typeof message>[]): Conversation => ({ ...conversation(...messages), id });
  const order = byWaiting([
    make('answered early', message(1), message(2, { dir: 'out' })),
    make('waits short', message(9)),
    make('answered late', message(1), message(8, { dir: 'out' })),
    make('waits long', message(3), message(12)),
    make('empty'),
  ]);
  assert.deepEqual(order.map((each) => each.id), ['waits long', 'waits short', 'answered late', 'answered early', 'empty']);
});

test('the line in the list is the last message, not the last reaction', () => {
  assert.equal(lastOf(conversation(message(1), message(2, { type: 'reaction' })))?.n, 1);
  assert.equal(lastOf(conversation(message(2, { type: 'reaction' })))?.n, 2);
  assert.equal(lastOf(conversation()), undefined);
});
