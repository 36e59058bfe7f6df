import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Link, type LinkStatus, type TicketAnswer } from '../shared/link.ts';
import { backoffMs } from '../shared/backoff.ts';
import { FakeSocket } from './helpers.ts';

class World {
  now = 0;
  sockets: FakeSocket[] = [];
  tickets: (() => Promise<TicketAnswer>)[] = [];
  timers: { at: number; action: () => void }[] = [];
  heard: string[] = [];
  statuses: string[] = [];
  opened = 0;
  signedOut = 0;
  asked = 0;
  link = new Link({
    protocol: 'belfry.desk.v1',
    ticket: () => {
      this.asked += 1;
      return (this.tickets.shift() ?? (async () => ({ ticket: `t${this.asked}` })))();
    },
    open: (protocols) => {
      const socket = new FakeSocket(protocols);
      this.sockets.push(socket);
      return socket;
    },
    random: () => 1,
    nowMs: () => this.now,
    after: (ms, action) => {
      const timer = { at: this.now + ms, action };
      this.timers.push(timer);
      return () => { this.timers = this.timers.filter((each) => each !== timer); };
    },
  }, {
    opened: () => { this.opened += 1; },
    heard: (text) => this.heard.push(text),
    changed: (status: LinkStatus) => this.statuses.push(status.is),
    signedOut: () => { this.signedOut += 1; },
  });
  get socket(): FakeSocket { return this.sockets[this.sockets.length - 1]!; }
  async settle(): Promise<void> { for (let at = 0; at < 5; at += 1) await Promise.resolve(); }
  async pass(ms: number): Promise<void> {
    const end = this.now + ms;
    for (;;) {
      const next = this.timers.filter((each) => each.at <= end).sort((a, b) => a.at - b.at)[0];
      if (!next) break;
      this.now = next.at;
      this.timers = this.timers.filter((each) => each !== next);
      next.action();
      await this.settle();
    }
    this.now = end;
  }
  async up(): Promise<void> {
    this.link.start();
    await this.settle();
    this.socket.onopen!();
  }
}

test('a ticket, then a socket that offers both names, then hello', async () => {
  const world = new World();
  world.link.start();
  await world.settle();
  assert.deepEqual(world.socket.protocols, ['belfry.desk.v1', 'ticket.t1']);
  assert.equal(world.link.send('too early'), false);
  world.socket.onopen!();
  assert.equal(world.opened, 1);
  assert.equal(world.link.send('x'), true);
  assert.deepEqual(world.socket.said, ['x']);
  world.socket.onmessage!({ data: 'y' });
  world.socket.onmessage!({ data: new ArrayBuffer(1) });
  assert.deepEqual(world.heard, ['y']);
});

test('each failure waits twice as long, to 30 s; an answer ends the row', async () => {
  const world = new World();
  await world.up();
  const waits: number[] = [];
  for (let at = 0; at < 9; at += 1) {
    world.socket.onclose!({ code: 1006, reason: '' });
    assert.equal(world.link.status.is, 'waiting');
    const wait = (world.link.status as { until_ms: number }).until_ms - world.now;
    waits.push(wait);
    await world.pass(wait);
    world.socket.onopen!();
  }
  assert.deepEqual(waits, [500, 1000, 2000, 4000, 8000, 16000, 30000, 30000, 30000]);
  world.link.settled();
  world.socket.onclose!({ code: 1006, reason: '' });
  assert.equal((world.link.status as { until_ms: number }).until_ms - world.now, 500);
});

test('the wait is spread over all of its length', () => {
  assert.equal(backoffMs(3, () => 0), 0);
  assert.equal(backoffMs(3, () => 0.5), 2000);
  assert.equal(backoffMs(400, () => 0.999999), 30000);
});

test('every connection has a ticket of its own', async () => {
  const world = new World();
  await world.up();
  world.socket.onclose!({ code: 1012, reason: '' });
  await world.pass(500);
  assert.deepEqual(world.sockets.map((each) => each.protocols[1]), ['ticket.t1', 'ticket.t2']);
});

test('a refused ticket means the session is over', async () => {
  const world = new World();
  world.tickets.push(async () => ({ refused: true }));
  world.link.start();
  await world.settle();
  assert.equal(world.signedOut, 1);
  assert.equal(world.link.status.is, 'off');
  await world.pass(120_000);
  assert.equal(world.asked, 1);
});

test('a gateway that is away is asked again', async () => {
  const world = new World();
  world.tickets.push(async () => ({ later: true }), () => Promise.reject(new Error('down')));
  world.link.start();
  await world.settle();
  await world.pass(500);
  await world.pass(1000);
  assert.equal(world.asked, 3);
  assert.equal(world.sockets.length, 1);
});

test('a kick ends the wait at once, and asks an open socket whether it lives', async () => {
  const world = new World();
  await world.up();
  for (let at = 0; at < 8; at += 1) {
    world.socket.onclose!({ code: 1006, reason: '' });
    world.link.kick();
    await world.settle();
    world.socket.onopen!();
  }
  assert.equal(world.now, 0);
  world.link.kick();
  assert.deepEqual(world.socket.said, ['{"t":"ping"}']);
});

test('a silent socket is asked, and left if it does not answer', async () => {
  const world = new World();
  await world.up();
  await world.pass(25_000);
  assert.deepEqual(world.socket.said, ['{"t":"ping"}']);
  world.socket.onmessage!({ data: '{"t":"pong"}' });
  await world.pass(25_000);
  assert.equal(world.socket.said.length, 2);
  const dead = world.socket;
  await world.pass(10_000);
  assert.equal(dead.closed, true);
  assert.equal(world.link.status.is, 'waiting');
});

test('a socket that never opens is given up', async () => {
  const world = new World();
  world.link.start();
  await world.settle();
  await world.pass(15_000);
  assert.equal(world.sockets[0]!.closed, true);
  assert.equal(world.link.status.is, 'waiting');
});

test('a late word of an old socket or ticket changes nothing', async () => {
  const world = new World();
  let answer: (ticket: TicketAnswer) => void = () => {};
  world.tickets.push(() => new Promise((resolve) => { answer = resolve; }));
  world.link.start();
  world.link.stop();
  answer({ ticket: 'late' });
  await world.settle();
  assert.equal(world.sockets.length, 0);
  await world.up();
  const old = world.socket;
  world.link.again();
  assert.equal(old.onclose, null);
  assert.equal(old.closed, true);
});

test('signed out by the gateway, it asks for a login and does not come back by itself', async () => {
  const world = new World();
  await world.up();
  world.socket.onclose!({ code: 4401, reason: 'signed out' });
  await world.pass(300_000);
  assert.equal(world.signedOut, 1);
  assert.equal(world.link.status.is, 'off');
  assert.equal(world.sockets.length, 1);
});

test('replaced by another window, it does not fight for the place until told to', async () => {
  const world = new World();
  await world.up();
  world.socket.onclose!({ code: 4009, reason: '' });
  await world.pass(300_000);
  assert.equal(world.link.status.is, 'replaced');
  assert.equal(world.sockets.length, 1);
  await world.up();
  assert.equal(world.sockets.length, 2);
});
