import assert from 'node:assert/strict';
import { test } from 'node:test';
import { linkTo, readPlace } from '../console/console.ts';
import { firstChoice, kMostKeys, linesOf, queryOf, readChoice, readHistory, serviceLevel, stepOf, stepsBetween, timesOf, writeChoice } from '../console/history.ts';
import { isTimes, readWeek, tidy, writeWeek } from '../console/hours.ts';
import { readQueue, readRoute } from '../console/house.ts';
import { Poll, type PollWorld } from '../console/poll.ts';
import { byNeed, need, readNow, readWaits } from '../console/wall.ts';
import { unknownPlaceholders } from '../console/admin/small.tsx';
import { freshPassword, levelsOf } from '../console/admin/people.tsx';
import { idFrom } from '../console/admin/section.ts';
import { snippet } from '../console/admin/inboxes.tsx';
import type { Answer } from '../shared/api.ts';

test('a place stands in the address', () => {
  assert.deepEqual(readPlace(''), { page: 'wall', rest: '' });
  assert.deepEqual(readPlace('#/wall/queue_hall'), { page: 'wall', rest: 'queue_hall' });
  assert.deepEqual(readPlace('#/history/by=queue&days=30'), { page: 'history', rest: 'by=queue&days=30' });
  assert.deepEqual(readPlace('#/wall/%E0%A4%A'), { page: 'wall', rest: '%E0%A4%A' });
  assert.equal(linkTo('wall', 'conv_7'), '#/wall/conv_7');
});

const now = Date.parse('2026-11-24T12:00:00Z');
const queue = (name: string, more: object = {}) =>
  readNow({ queues: [{ id: `queue_${name}`, name, waiting: 0, longest_wait_s: 0, agents_ready: 1, slots: 5, free_slots: 5, estimate: null, service_level: { answered: 0, abandoned: 0 }, next_due: null, overdue: 0, ...more }] }).queues[0]!;

test('what needs somebody first stands first', () => {
  const late = queue('late', { waiting: 2, overdue: 1 });
  const soon = queue('soon', { waiting: 1, next_due: new Date(now + 60_000).toISOString() });
  const sooner = queue('sooner', { waiting: 1, next_due: new Date(now + 30_000).toISOString() });
  const alone = queue('alone', { waiting: 1, agents_ready: 0 });
  const below = queue('below', { service_level: { answered: 9, abandoned: 0, percent: 70, wanted_percent: 80 } });
  const fine = queue('a fine one', { waiting: 1, next_due: new Date(now + 600_000).toISOString() });
  const quiet = queue('a quiet one');
  assert.deepEqual([late, soon, alone, below, fine].map((each) => need(each, now)), ['late', 'soon', 'soon', 'below', 'fine']);
  assert.deepEqual(byNeed([quiet, fine, below, alone, soon, sooner, late], now).map((each) => each.name), ['late', 'sooner', 'soon', 'alone', 'below', 'a fine one', 'a quiet one']);
});

test('odd answers do no harm', () => {
  assert.deepEqual(readNow(null), { at: '', waiting: 0, ready: 0, queues: [] });
  assert.equal(readNow({ queues: [{}, 7, null] }).queues.length, 3);
  assert.deepEqual(readWaits({ conversation: 'conv_1', position: 1, sla: { first_reply: { state: 'predicted', due: 'x' } } }).state, 'predicted');
  assert.deepEqual(readQueue({ id: 'queue_a', steps: [{ after_s: 60, drop: ['x', 3] }], sla: { answer_s: 'soon' } }).steps, [{ after_s: 60, lower_levels: 0, drop: ['x'], add: '' }]);
  assert.deepEqual(readRoute({ queue: 'queue_a', attributes: { topic: 'water', n: 3 } }).attributes, { topic: 'water', n: '' });
});

test('the choice of the history goes through the address', () => {
  assert.deepEqual(readChoice(''), firstChoice);
  const choice = { ...firstChoice, days: 30, by: 'queue', step: 'week', channel: 'sms' } as const;
  assert.deepEqual(readChoice(writeChoice(choice)), choice);
  assert.equal(writeChoice(firstChoice), '');
  assert.deepEqual(readChoice('from=2026-11-01&to=2026-11-03'), { ...firstChoice, days: 0, from: '2026-11-01', to: '2026-11-03' });
  assert.deepEqual(readChoice('from=2026-11-04&to=2026-11-03&days=8&by=moon'), firstChoice, 'what makes no sense is not taken');
  const { from, to } = timesOf(readChoice('from=2026-11-01&to=2026-11-03'), now);
  assert.equal((to.getTime() - from.getTime()) / 86_400_000, 3);
  assert.equal(stepOf({ ...firstChoice, days: 90, step: 'hour' }, now), 'day');
  assert.match(queryOf({ ...firstChoice, queue: 'queue_a' }, 'America/Lima', now, 'csv'), /zone=America%2FLima&by=none&queue=queue_a&format=csv$/);
});

test('steps follow the calendar', () => {
  const days = stepsBetween(new Date(2026, 10, 20), new Date(2026, 10, 24, 12), 'day');
  assert.equal(days.length, 5);
  const weeks = stepsBetween(new Date(2026, 10, 19), new Date(2026, 10, 24), 'week');
  assert.deepEqual(weeks.map((each) => new Date(each).getDay()), [1, 1], 'weeks begin on Monday');
  assert.deepEqual(stepsBetween(new Date(2026, 0, 31), new Date(2026, 2, 2), 'month').map((each) => new Date(each).getDate()), [1, 1, 1]);
  assert.equal(stepsBetween(new Date(2026, 10, 24, 0), new Date(2026, 10, 24, 3), 'hour').length, 3);
});

test('a step in which nothing happened is a nought; one in which nothing was measured is a gap', () => {
  const at = [1000, 2000, 3000];
  const counts = (key: string, ms: number, opened: number, more: object = {}) => ({ key, at: new Date(ms).toISOString(), opened, ...more });
  const history = readHistory({
    items: [counts('wa', 1000, 4, { timed: 4, in_time: 3 }), counts('wa', 3000, 2), counts('sms', 2000, 9)],
    totals: [{ key: 'wa', opened: 6 }, { key: 'sms', opened: 9 }, ...Array.from({ length: 9 }, (_, nth) => ({ key: `x${nth}`, opened: 0 }))],
  });
  assert.deepEqual(linesOf(history, at, { opened: (each) => each.opened }, true).slice(0, 2), [
    { key: 'sms', figure: 'opened', values: [0, 9, 0] }, { key: 'wa', figure: 'opened', values: [4, 0, 2] },
  ]);
  assert.deepEqual(linesOf(history, at, { inTime: serviceLevel }, false)[1]?.values, [75, null, null]);
  assert.equal(linesOf(history, at, { opened: (each) => each.opened }, true).length, kMostKeys);
});

test('opening hours are a week and other days', () => {
  for (const [text, days, others] of [
    ['always', Array(7).fill('00:00-24:00'), []],
    ['never', Array(7).fill(''), []],
    ['mon-fri 08:00-12:00,13:00-17:00; sat 09:00-12:00', [...Array(5).fill('08:00-12:00, 13:00-17:00'), '09:00-12:00', ''], []],
    ['sun-mon 10:00-11:00', ['10:00-11:00', '', '', '', '', '', '10:00-11:00'], []],
    ['mon,wed 09:00-10:00; 12-25,12-26 closed; 2026-12-24 09:00-12:00', ['09:00-10:00', '', '09:00-10:00', '', '', '', ''], ['12-25,12-26 closed', '2026-12-24 09:00-12:00']],
  ] as const) {
    const week = readWeek(text);
    assert.deepEqual(week, { days, others }, text);
    assert.deepEqual(readWeek(writeWeek(week!)), week, text);
  }
  assert.equal(writeWeek({ days: ['8:00–12:00 , 13:00-17:00', '', '', '', '', '', ''], others: [' 12-25 closed ', ''] }), 'mon 08:00-12:00,13:00-17:00; 12-25 closed');
  for (const odd of ['mon', 'someday 08:00-09:00', 'mon 8h', 'mon-']) assert.equal(readWeek(odd), undefined, odd);
  assert.ok(isTimes(tidy('8:00-9:30, 10:00-11:00')) && isTimes('') && !isTimes('8-9'));
});

class World implements PollWorld {
  at = 0;
  looks = true;
  due: { ms: number; action: () => void } | undefined;
  nowMs = (): number => this.at;
  random = (): number => 1;
  seen = (): boolean => this.looks;
  after = (ms: number, action: () => void): (() => void) => {
    this.due = { ms, action };
    return () => { this.due = undefined; };
  };
  next(): void {
    const { due } = this;
    this.due = undefined;
    due?.action();
  }
}
const settle = (): Promise<void> => new Promise((done) => setTimeout(done, 0));

test('a poll asks while somebody looks, waits longer while there is no answer, and keeps what it had', async () => {
  const world = new World();
  const answers: Answer<number>[] = [{ ok: true, data: 1 }, { ok: false, problem: { status: 503 } }, { ok: false, problem: { status: 503 } }, { ok: true, data: 2 }];
  let asked = 0;
  const poll = new Poll<number>(world, 2000, () => Promise.resolve(answers[Math.min(asked++, 3)]!));
  poll.start();
  await settle();
  assert.equal(poll.data.value, 1);
  assert.equal(world.due?.ms, 2000);
  world.at = 5000;
  world.next();
  await settle();
  assert.equal(poll.data.value, 1);
  assert.equal(poll.problem.value?.status, 503);
  assert.equal(poll.heardMs.value, 0, 'it is as old as its last answer');
  world.next();
  await settle();
  world.looks = false;
  world.next();
  await settle();
  assert.equal(asked, 3, 'nobody looks');
  assert.equal(world.due, undefined);
  world.looks = true;
  poll.kick();
  await settle();
  assert.equal(poll.data.value, 2);
  assert.equal(poll.problem.value, undefined);
  poll.stop();
  assert.equal(world.due, undefined);
});

test('small things of the administration', () => {
  assert.equal(idFrom('  Água & Luz, Norte! '), 'agua-luz-norte');
  assert.equal(idFrom('Вода'), '');
  assert.deepEqual(unknownPlaceholders('Good day {name}, {street} at { time }, {queue}'), ['street', 'time']);
  assert.deepEqual([...levelsOf('water:3,lamps')], [['water', '3'], ['lamps', '1']]);
  assert.match(freshPassword((octets) => octets.map((_, at) => at * 13)), /^[a-z2-9]{5}(-[a-z2-9]{5}){3}$/);
  assert.equal(snippet('https://chat.city', 'portal'), '<script async src="https://chat.city/widget.js" data-inbox="portal"></script>');
});
