import assert from 'node:assert/strict';
import { test } from 'node:test';
import { DeskApi } from '../desk/api.ts';
import { Desk } from '../desk/desk.ts';
import { FakeSocket, open, wire } from './helpers.ts';

// The whole desk without a browser: REST answers from a table, sockets in our hands, time that we push.
class House {
  now = 1_000_000;
  sockets: FakeSocket[] = [];
  timers: { at: number; action: () => void }[] = [];
  logs: Record<string, Record<string, unknown>[]> = {};
  calls: string[] = [];
  status: Record<string, number> = {};
  kept = new Map<string, string>();
  ids = 0;
  seen = true;
  desk = this.build();

  build(): Desk {
    return new Desk({
      protocol: 'belfry.desk.v1',
      api: new DeskApi(async (input, init) => this.answer(`${init?.method} ${String(input)}`), () => this.now),
      storage: {
        getItem: (key) => this.kept.get(key) ?? null,
        setItem: (key, value) => void this.kept.set(key, value),
        removeItem: (key) => void this.kept.delete(key),
      },
      uuid: () => `u${(this.ids += 1)}`,
      seen: () => this.seen,
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
    });
  }
  answer(call: string): Response {
    this.calls.push(call);
    const json = (body: unknown, status = 200): Response => new Response(status === 204 ? null : JSON.stringify(body), { status });
    for (const [prefix, status] of Object.entries(this.status)) if (call.startsWith(prefix)) return json({ detail: `refused ${status}` }, status);
    if (call.endsWith('/api/v1/session')) return call.startsWith('DELETE') ? json(null, 204) : json({ agent: { id: 'agent_1', name: 'Ana' }, roles: ['agent'] });
    if (call.endsWith('/api/v1/tickets')) return json({ ticket: 'abc', expires_in: 30 }, 201);
    const [, id, query] = /conversations\/([^/?]+)(?:\/messages\?(.*))?$/.exec(call) ?? [];
    if (id && query) {
      const after = Number(new URLSearchParams(query).get('after'));
      return json({ items: (this.logs[id] ?? []).filter((each) => (each.n as number) > after), next: null });
    }
    return id ? json({ id, gen: 3, state: 'active', owner: 'agent_1', channel: 'sms', contact: { id: 'c', name: 'Eva' } }) : json({}, 404);
  }
  get socket(): FakeSocket { return this.sockets[this.sockets.length - 1]!; }
  get said(): Record<string, unknown>[] { return this.socket.said.map((text) => JSON.parse(text) as Record<string, unknown>); }
  sayings(kind: string): Record<string, unknown>[] { return this.said.filter((each) => each.t === kind); }
  async settle(): Promise<void> { for (let at = 0; at < 20; at += 1) await new Promise((done) => setImmediate(done)); }
  async pass(ms: number): Promise<void> {
    this.now += ms;
    for (const timer of this.timers.filter((each) => each.at <= this.now)) {
      this.timers = this.timers.filter((each) => each !== timer);
      timer.action();
    }
    await this.settle();
  }
  tell(frame: object): void { this.socket.onmessage!({ data: JSON.stringify(frame) }); }
  welcome(more: object = {}): void {
    this.socket.onopen!();
    this.tell({ t: 'welcome', agent: { id: 'agent_1', name: 'Ana' }, roles: [], availability: 'ready', last_id: '10', reset: true, conversations: [open()], offers: [], ...more });
  }
  async up(more: object = {}): Promise<void> {
    await this.desk.begin();
    await this.settle();
    this.welcome(more);
    await this.settle();
  }
  event(id: number, body: object): void { this.tell({ t: 'event', id: String(id), ...body }); }
}
const said = (n: number, more: object = {}) => ({ kind: 'message', conversation: 'conv_c', message: wire(n, more) });
const offer = { kind: 'offer', conversation: 'conv_o', gen: 2, queue: 'q', channel: 'sms', contact: { id: 'c', name: 'Eva' }, preview: '?', expires_at: '' };

test('without a session there is a door; with one there is a socket and the log is fetched', async () => {
  const house = new House();
  house.status = { 'GET /api/v1/session': 401 };
  await house.desk.begin();
  assert.equal(house.desk.session.value, 'out');
  house.status = {};
  house.logs.conv_c = [wire(1), wire(2)];
  await house.desk.login('ana', 'x');
  await house.settle();
  house.welcome();
  await house.settle();
  assert.deepEqual(house.said[0], { t: 'hello' });
  assert.deepEqual(house.desk.state.value.conversations.conv_c!.messages.map((each) => each.n), [1, 2]);
});

test('a wrong password is told in the gateway’s words', async () => {
  const house = new House();
  house.status = { 'POST /api/v1/session': 401 };
  const answer = await house.desk.login('ana', 'x');
  assert.deepEqual(answer, { ok: false, problem: { detail: 'refused 401', status: 401 } });
});

test('a gateway that is away at first is asked again, and nobody is sent to the door', async () => {
  const house = new House();
  house.status = { 'GET /api/v1/session': 503 };
  await house.desk.begin();
  assert.equal(house.desk.session.value, 'unknown');
  house.status = {};
  await house.pass(2000);
  assert.equal(typeof house.desk.session.value, 'object');
});

test('a missing event means a reconnect with last_id; a hole in the replay means a fresh start', async () => {
  const house = new House();
  await house.up();
  house.event(11, said(1));
  house.event(13, said(3));
  for (let round = 1; round <= 2; round += 1) {
    await house.pass(30_000);
    assert.equal(house.sockets.length, 1 + round);
    house.socket.onopen!();
    assert.deepEqual(house.said[0], { t: 'hello', last_id: '11' });
    house.tell({ t: 'welcome', agent: { id: 'agent_1' }, last_id: '13', reset: false, conversations: [open()] });
    house.event(13, said(3));
  }
  await house.pass(30_000);
  house.socket.onopen!();
  assert.deepEqual(house.said[0], { t: 'hello' });
});

test('a reply without an answer is said again after a reconnect, with the same client_id, and once in the thread', async () => {
  const house = new House();
  await house.up();
  assert.equal(house.desk.say('conv_c', 'hello', false), true);
  const first = house.sayings('reply')[0];
  house.socket.onclose!({ code: 1006, reason: '' });
  house.desk.say('conv_c', 'and again', false);
  await house.pass(500);
  house.welcome({ reset: false });
  assert.deepEqual(house.sayings('reply').map((each) => each.text), ['hello', 'and again']);
  assert.deepEqual(house.sayings('reply')[0], first);
  house.tell({ t: 'ack', client_id: first!.client_id, id: 'msg_c.1' });
  house.event(11, said(1, { dir: 'out', state: 'queued', text: 'hello', client_id: first!.client_id }));
  assert.deepEqual(house.desk.state.value.conversations.conv_c!.messages.map((each) => [each.n, each.text]), [[1, 'hello']]);
  assert.equal(house.desk.outbox.value.length, 1);
});

test('the event alone also answers: its ack may be lost', async () => {
  const house = new House();
  await house.up();
  house.desk.say('conv_c', 'hello', false);
  house.event(11, said(1, { dir: 'out', state: 'queued', client_id: house.sayings('reply')[0]!.client_id }));
  assert.equal(house.desk.outbox.value.length, 0);
});

test('a refused reply stays with its reason; retry says it anew with the gen of now', async () => {
  const house = new House();
  await house.up();
  house.desk.say('conv_c', 'hello', false);
  const { client_id } = house.sayings('reply')[0]!;
  house.tell({ t: 'nack', client_id, problem: { status: 409, code: 'stale_gen', detail: 'changed', now: { gen: 7, state: 'active', owner: 'agent_1' } } });
  assert.equal(house.desk.outbox.value[0]!.problem?.detail, 'changed');
  house.desk.retry(String(client_id));
  const again = house.sayings('reply')[1]!;
  assert.notEqual(again.client_id, client_id);
  assert.deepEqual([again.text, again.gen], ['hello', 7]);
  house.desk.discard(String(again.client_id));
  assert.equal(house.desk.outbox.value.length, 0);
});

test('accept: asked once, selected at once, and somebody faster is told as such', async () => {
  const house = new House();
  await house.up();
  house.event(11, offer);
  house.desk.accept('conv_o');
  house.desk.accept('conv_o');
  assert.equal(house.sayings('accept').length, 1);
  assert.deepEqual(house.sayings('accept')[0], { t: 'accept', conversation: 'conv_o', gen: 2, client_id: 'u1' });
  house.tell({ t: 'nack', client_id: 'u1', problem: { status: 409, now: { gen: 3, state: 'active', owner: 'agent_2' } } });
  assert.equal(house.desk.state.value.offers.length, 0);
  assert.equal(house.desk.notice.value?.key, 'takenBy');
  assert.deepEqual([house.desk.selected.value, house.desk.place.value], ['', 'list']);
  assert.equal(house.desk.asked.value.size, 0);
});

test('what the agent sees is read, once; what he does not see is not', async () => {
  const house = new House();
  await house.up();
  house.seen = false;
  house.desk.select('conv_c');
  house.event(11, said(1));
  assert.equal(house.sayings('read').length, 0);
  assert.equal(house.desk.unreadTotal.value, 1);
  house.seen = true;
  house.desk.look();
  house.desk.look();
  assert.deepEqual(house.sayings('read').map((each) => each.message), ['msg_c.1']);
  assert.equal(house.desk.unreadTotal.value, 0);
});

test('a hole in the log is fetched', async () => {
  const house = new House();
  house.logs.conv_c = [wire(1)];
  await house.up();
  house.logs.conv_c = [wire(1), wire(2), wire(3)];
  house.event(11, said(3));
  await house.settle();
  assert.deepEqual(house.desk.state.value.conversations.conv_c!.messages.map((each) => each.n), [1, 2, 3]);
  assert.equal(house.calls.filter((call) => call.includes('after=1')).length, 1);
});

test('a failed fetch is tried again later, not at once', async () => {
  const house = new House();
  house.status = { 'GET /api/v1/conversations': 503 };
  await house.up();
  const count = house.calls.length;
  house.event(11, { kind: 'queue' });
  await house.settle();
  assert.equal(house.calls.length, count);
  house.status = {};
  await house.pass(5000);
  assert.equal(house.desk.state.value.conversations.conv_c!.loaded, true);
});

test('typing goes out at most every three seconds, and not at all when switched off', async () => {
  const house = new House();
  await house.up();
  house.desk.typing('conv_c');
  house.desk.typing('conv_c');
  house.now += 3000;
  house.desk.typing('conv_c');
  house.desk.set({ typing: false });
  house.now += 3000;
  house.desk.typing('conv_c');
  assert.equal(house.sayings('typing').length, 2);
});

test('a frame too long for the socket is not said, and the agent hears why', async () => {
  const house = new House();
  await house.up();
  assert.equal(house.desk.say('conv_c', 'ш'.repeat(33_000), false), false);
  assert.equal(house.desk.notice.value?.key, 'tooLong');
});

test('a reload keeps words, drafts and place; another agent on this tab inherits none of it; signing out leaves nothing', async () => {
  const house = new House();
  await house.up();
  house.desk.say('conv_c', 'hello', false);
  house.desk.draft('conv_c', 'half a sen');
  house.desk.select('conv_c');
  house.desk.keep();
  house.desk = house.build();
  await house.up();
  assert.equal(house.desk.drafts.value.conv_c, 'half a sen');
  assert.equal(house.desk.selected.value, 'conv_c');
  assert.deepEqual(house.said.map((each) => each.t), ['hello', 'reply']);
  assert.equal('last_id' in house.said[0]!, false);
  const kept = house.kept.get('belfry.desk')!;
  house.kept.set('belfry.desk', kept.replace('"agent":"agent_1"', '"agent":"agent_2"'));
  house.desk = house.build();
  await house.up();
  assert.equal(house.desk.outbox.value.length, 0);
  await house.desk.logout();
  assert.equal(house.kept.size, 0);
  assert.equal(house.desk.session.value, 'out');
});

test('a session that ended shows the door', async () => {
  const house = new House();
  await house.up();
  house.status = { 'POST /api/v1/tickets': 401 };
  house.socket.onclose!({ code: 4001, reason: '' });
  await house.pass(500);
  assert.equal(house.desk.session.value, 'out');
});

test('a login without a desk is told so, and a frame nobody could read is not passed over', async () => {
  const house = new House();
  const answer = house.answer.bind(house);
  house.answer = (call) => (call.endsWith('/session') ? new Response('{"kind":"key","id":"k","roles":["admin"]}') : answer(call));
  await house.desk.begin();
  assert.equal(house.desk.session.value, 'out');
  house.answer = answer;
  await house.up();
  house.tell({ t: 'nack', client_id: '', problem: { detail: 'the frame is not JSON' } });
  assert.equal(house.desk.notice.value?.problem?.detail, 'the frame is not JSON');
});
