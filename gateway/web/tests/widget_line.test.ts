import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Line, type Road } from '../widget/line.ts';
import { dialStream, type PipeUser } from '../widget/pipes.ts';
import type { ClientFrame } from '../widget/protocol.ts';
import { eventReader } from '../widget/sse.ts';

class World {
  now = 0;
  chance = 0;
  timers: { at: number; action: () => void }[] = [];
  dialled: Road[] = [];
  pipe!: PipeUser;
  said: ClientFrame[] = [];
  heard: string[] = [];
  forgotten: string[] = [];
  line = new Line({
    dial: { socket: (user) => this.take('socket', user), stream: (user) => this.take('stream', user) },
    road: 'socket',
    random: () => this.chance,
    nowMs: () => this.now,
    after: (ms, action) => {
      const timer = { at: this.now + ms, action };
      this.timers.push(timer);
      return () => { this.timers = this.timers.filter((each) => each !== timer); };
    },
  }, {
    hello: () => ({ t: 'hello', inbox: 'portal' }),
    heard: (text) => {
      this.heard.push(text);
      if (text === 'welcome') this.line.settled();
    },
    changed: () => {},
    expired: () => void this.forgotten.push('token'),
    outdated: () => void this.forgotten.push('last_id'),
  });
  take(road: Road, user: PipeUser): { send(frame: ClientFrame): void; close(): void } {
    this.dialled.push(road);
    this.pipe = user;
    return { send: (frame) => void this.said.push(frame), close: () => {} };
  }
  pass(ms: number): void {
    const end = this.now + ms;
    for (;;) {
      const next = this.timers.filter((each) => each.at <= end).sort((a, b) => a.at - b.at)[0];
      if (!next) break;
      this.now = next.at;
      this.timers = this.timers.filter((each) => each !== next);
      next.action();
    }
    this.now = end;
  }
  up(): void {
    this.pipe.opened();
    this.pipe.heard('welcome');
  }
}

test('the socket first; the stream when the socket failed twice before it opened', () => {
  const world = new World();
  world.line.start();
  world.pipe.closed(1006);
  world.pass(1);
  assert.deepEqual(world.dialled, ['socket', 'socket']);
  world.pipe.closed(1006);
  world.pass(1);
  assert.deepEqual(world.dialled, ['socket', 'socket', 'stream']);
  world.up();
  assert.deepEqual([world.line.status.is, world.line.road], ['open', 'stream']);
});

test('the stream when the socket opens and is mute for ten seconds', () => {
  const world = new World();
  world.line.start();
  world.pipe.opened();
  world.pass(9_999);
  assert.deepEqual(world.dialled, ['socket']);
  world.pass(2);
  assert.deepEqual(world.dialled, ['socket', 'stream']);
});

test('a road that has worked is tried five times before it is left', () => {
  const world = new World();
  world.line.start();
  world.up();
  for (let at = 0; at < 6; at += 1) {
    world.pipe.closed(1006);
    world.pass(1);
  }
  // The first loss was of an open line, not a failure of the road.
  assert.deepEqual(world.dialled.slice(1), ['socket', 'socket', 'socket', 'socket', 'socket', 'stream']);
});

test('nothing is said before the welcome but hello; an open line is asked whether it lives', () => {
  const world = new World();
  world.line.start();
  world.pipe.opened();
  assert.equal(world.line.send({ t: 'typing' }), false);
  world.pipe.heard('welcome');
  assert.equal(world.line.send({ t: 'typing' }), true);
  world.pass(25_000);
  assert.deepEqual(world.said.map((frame) => frame.t), ['hello', 'typing', 'ping']);
  world.pipe.heard('pong');
  world.pass(24_999);
  assert.equal(world.line.status.is, 'open');
  world.pass(1);
  world.pass(10_000);
  assert.equal(world.dialled.length, 2, 'no answer: a new line');
});

test('close codes say what to forget, when to come back, and when not to', () => {
  const closed = (code: number, retry?: number): World => {
    const world = new World();
    world.chance = 1;
    world.line.start();
    world.up();
    world.line.ended(code, retry);
    return world;
  };
  assert.deepEqual(closed(4001).forgotten, ['token']);
  assert.deepEqual(closed(4010).forgotten, ['last_id']);
  for (const code of [4003, 4009]) {
    const world = closed(code);
    world.pass(600_000);
    assert.deepEqual([world.line.status, world.dialled.length], [{ is: 'stopped', code }, 1]);
    world.line.start();
    assert.equal(world.dialled.length, 2);
  }
  assert.deepEqual(closed(4008).line.status, { is: 'waiting', until_ms: 15_000 });
  assert.deepEqual(closed(1013, 40).line.status, { is: 'waiting', until_ms: 60_000 });
  const early = closed(1001);
  early.line.kick();
  assert.equal(early.dialled.length, 2, 'the network is back: no need to wait');
});

test('server-sent events, whole and one character at a time', () => {
  const text = ': here\r\n\r\nevent: belfry\r\nid: 4\r\ndata: {"a":1}\r\n\r\nevent: other\ndata: no\n\nevent:belfry\rdata: two\rdata:lines\r\revent: belfry\ndata: half';
  for (const size of [text.length, 1, 3]) {
    const heard: string[] = [];
    const read = eventReader('belfry', (data) => heard.push(data));
    for (let at = 0; at < text.length; at += size) read(text.slice(at, at + size));
    assert.deepEqual(heard, ['{"a":1}', 'two\nlines'], `${size} at a time`);
  }
});

// The stream's road, with the answers in our hands.
class Http {
  calls: { path: string; init: RequestInit; answer(status: number, body?: unknown, headers?: Record<string, string>): void }[] = [];
  heard: string[] = [];
  closed: (number | undefined)[][] = [];
  pipe = dialStream('/chat/portal', ((path: string, init: RequestInit) => new Promise<Response>((done, fail) => {
    init.signal?.addEventListener('abort', () => fail(new Error('aborted')));
    this.calls.push({ path, init, answer: (status, body, headers = {}) => done(new Response(body === undefined ? null : typeof body === 'string' ? body : JSON.stringify(body), { status, headers })) });
  })) as typeof fetch)({ opened: () => {}, heard: (text) => this.heard.push(text), closed: (...args) => this.closed.push(args) });
  async rest(): Promise<void> { await new Promise((done) => setImmediate(done)); }
  get last() { return this.calls[this.calls.length - 1]!; }
}

test('over HTTP: hello, then the stream from where we are, and frames one after the other', async () => {
  const http = new Http();
  http.pipe.send({ t: 'hello', inbox: 'portal', last_id: '7' });
  await http.rest();
  assert.equal(new Headers(http.last.init.headers).get('authorization'), null);
  http.last.answer(200, { t: 'welcome', token: 'tok', last_id: '9', reset: false });
  await http.rest();
  assert.equal(http.last.path, '/chat/portal/events');
  assert.deepEqual(['authorization', 'last-event-id'].map((name) => new Headers(http.last.init.headers).get(name)), ['Bearer tok', '7']);
  http.pipe.send({ t: 'message', client_id: 'a', text: 'one' });
  http.pipe.send({ t: 'message', client_id: 'b', text: 'two' });
  await http.rest();
  assert.equal(http.calls.length, 3);
  http.last.answer(422, { code: 'no', detail: 'not so' });
  await http.rest();
  assert.deepEqual(JSON.parse(http.heard[1]!), { t: 'nack', client_id: 'a', problem: { code: 'no', detail: 'not so' } });
  assert.equal(http.calls.length, 4);
  http.last.answer(503, { code: 'away' }, { 'Retry-After': '7' });
  await http.rest();
  assert.deepEqual(http.closed, [[1013, 7]], 'the gateway is away: the message stays in the outbox');
});

test('over HTTP: what a refused hello means', async () => {
  for (const [status, code] of [[401, 4001], [403, 4003], [429, 4008], [500, 1013]] as const) {
    const http = new Http();
    http.pipe.send({ t: 'hello', inbox: 'portal' });
    await http.rest();
    http.last.answer(status, 'words of a proxy');
    await http.rest();
    assert.equal(http.closed[0]?.[0], code);
  }
});

test('over HTTP: a challenge and a bad identity are answers, not the end of the line', async () => {
  for (const [frame, status] of [[{ t: 'message', client_id: 'a' }, 429], [{ t: 'identify', client_id: 'a', jwt: 'x' }, 401]] as const) {
    const http = new Http();
    http.pipe.send(frame);
    await http.rest();
    http.last.answer(status, { code: frame.t === 'message' ? 'challenge' : 'bad' });
    await http.rest();
    assert.deepEqual([http.closed, JSON.parse(http.heard[0]!).t], [[], 'nack']);
  }
});
