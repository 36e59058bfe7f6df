import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Chat } from '../widget/chat.ts';
import { meet } from '../widget/host.ts';
import { Keep } from '../widget/keep.ts';
import type { PipeUser } from '../widget/pipes.ts';
import { isMessage } from '../widget/state.ts';

// The whole chat without a browser: a pipe in our hands, time that we push.
class House {
  now = 1_000_000;
  timers: { at: number; action: () => void }[] = [];
  said: Record<string, unknown>[] = [];
  pipe!: PipeUser;
  kept = new Map<string, string>();
  ids = 0;
  proofs: ((nonce: string | undefined) => void)[] = [];
  chat = this.build();

  build(): Chat {
    const { kept } = this;
    const keep = new Keep({
      get length() { return kept.size; },
      key: (index) => [...kept.keys()][index] ?? null,
      getItem: (key) => kept.get(key) ?? null,
      setItem: (key, value) => void kept.set(key, value),
      removeItem: (key) => void kept.delete(key),
    }, 'portal');
    const dial = (user: PipeUser) => {
      this.pipe = user;
      return { send: (frame: object) => void this.said.push(JSON.parse(JSON.stringify(frame))), close: () => {} };
    };
    return new Chat({
      inbox: 'portal', keep, dial: { socket: dial, stream: dial }, road: 'socket', random: () => 0, nowMs: () => this.now,
      after: (ms, action) => {
        const timer = { at: this.now + ms, action };
        this.timers.push(timer);
        return () => { this.timers = this.timers.filter((each) => each !== timer); };
      },
      language: () => 'en', page: () => 'https://city.example/', uuid: () => `u${(this.ids += 1)}`, visible: () => true,
      upload: async (file) => (file.name === 'bad' ? { ok: false, problem: { detail: 'no' } } : { ok: true, id: `media_${file.name}` }),
      transcript: async () => false,
      solve: () => new Promise((done) => this.proofs.push(done)),
      changed: () => {},
    });
  }
  pass(ms: number): void {
    this.now += ms;
    for (const due of this.timers.filter((each) => each.at <= this.now)) {
      this.timers = this.timers.filter((each) => each !== due);
      due.action();
    }
  }
  hear(frame: object): void { this.pipe.heard(JSON.stringify(frame)); }
  up(more: object = {}): void {
    if (this.chat.line.status.is === 'off') this.chat.line.start();
    this.pipe.opened();
    this.hear({ t: 'welcome', token: 'tok1', visitor: 'vis1', last_id: '0', reset: true, messages: [], open: true, media_max: 100, ...more });
  }
  lose(): void {
    this.pipe.closed(1006);
    this.pass(1);
  }
  say(text: string): void {
    this.chat.typed(text);
    this.chat.say();
  }
  sayings(t: string): Record<string, unknown>[] { return this.said.filter((each) => each.t === t); }
  get shown(): string[] { return this.chat.state.items.flatMap((item) => (isMessage(item) ? [item.text] : [])); }
  get waiting(): string[] { return [...this.kept.keys()].filter((key) => key.includes('.out.')); }
}
const settle = async (): Promise<void> => { for (let at = 0; at < 8; at += 1) await Promise.resolve(); };

test('a message is kept until its ack, said again with its client_id, and shown once', () => {
  const house = new House();
  house.say('before there was a line');
  assert.deepEqual(house.waiting, ['belfry.portal.out.u1']);
  house.up();
  assert.deepEqual(house.sayings('message'), [{ t: 'message', text: 'before there was a line', client_id: 'u1' }]);
  house.lose();
  house.up({ reset: false });
  assert.deepEqual(house.sayings('message').map((each) => each.client_id), ['u1', 'u1']);
  house.hear({ t: 'event', id: '1', kind: 'message', message: { id: 'msg_c.1', dir: 'in', text: 'before there was a line', client_id: 'u1', state: 'stored' } });
  house.hear({ t: 'ack', client_id: 'u1', id: 'msg_c.1' });
  assert.deepEqual([house.waiting, house.chat.outbox, house.shown], [[], [], ['before there was a line']]);
});

test('a new page takes up what the old one had not sent, and what the welcome shows is not sent again', () => {
  const house = new House();
  house.up();
  house.say('one');
  house.say('two');
  house.chat.typed('half a');
  house.chat = house.build();
  house.said = [];
  assert.equal(house.chat.draft, 'half a');
  house.up({ last_id: '1', messages: [{ id: 'msg_c.1', dir: 'in', text: 'one', client_id: 'u1' }] });
  assert.deepEqual(house.sayings('hello').map((each) => [each.token, each.last_id]), [['tok1', undefined]]);
  assert.deepEqual(house.sayings('message').map((each) => each.text), ['two']);
});

test('a line that answers pings but no message is left for a new one', () => {
  const house = new House();
  house.up();
  house.say('anybody there?');
  house.pass(20_000);
  assert.equal(house.chat.line.status.is, 'connecting');
  house.up({ reset: false });
  assert.deepEqual(house.sayings('message').map((each) => each.client_id), ['u1', 'u1']);
});

test('a refused message waits for a person, and goes again as a new one', () => {
  const house = new House();
  house.up();
  house.say('bad');
  house.hear({ t: 'nack', client_id: 'u1', problem: { status: 422, detail: 'not so' } });
  assert.equal(house.chat.outbox[0]?.problem?.detail, 'not so');
  house.lose();
  house.up({ reset: false });
  assert.equal(house.sayings('message').length, 1);
  house.chat.retry('u1');
  assert.deepEqual(house.sayings('message').map((each) => each.client_id), ['u1', 'u2']);
  assert.deepEqual(house.waiting, ['belfry.portal.out.u2']);
});

test('a proof of work is worked out while he writes, and the message follows it', async () => {
  const house = new House();
  house.up({ challenge: { salt: 's', bits: 8 } });
  assert.equal(house.proofs.length, 0, 'not for those who only look');
  house.say('hello');
  assert.deepEqual([house.proofs.length, house.chat.working, house.sayings('message').length], [1, true, 0]);
  house.proofs[0]!('77');
  await settle();
  assert.deepEqual(house.sayings('solve').map((each) => each.nonce), ['77']);
  house.hear({ t: 'ack', client_id: 'u2' });
  assert.equal(house.sayings('message').length, 1);
  // A challenge that comes as a nack puts the message back.
  house.hear({ t: 'nack', client_id: 'u1', problem: { code: 'challenge', challenge: { salt: 't', bits: 8 } } });
  assert.equal(house.proofs.length, 2);
  assert.equal(house.chat.outbox[0]?.status, 'waiting');
  house.proofs[1]!('78');
  await settle();
  house.hear({ t: 'ack', client_id: 'u3' });
  assert.equal(house.sayings('message').length, 2);
});

test('typing is said once in three seconds', () => {
  const house = new House();
  house.up();
  for (const text of ['a', 'ab', 'abc']) house.chat.typed(text);
  house.pass(3000);
  house.chat.typed('abcd');
  assert.equal(house.sayings('typing').length, 2);
});

test('reading is said once a message, when the chat is open', () => {
  const house = new House();
  house.up();
  house.hear({ t: 'event', id: '1', kind: 'message', message: { id: 'msg_c.1', dir: 'out', text: 'hi' } });
  house.chat.looked();
  assert.deepEqual([house.chat.unread, house.sayings('read').length], [1, 0]);
  house.chat.mode = 'open';
  house.chat.looked();
  house.chat.looked();
  assert.deepEqual([house.chat.unread, house.sayings('read')], [0, [{ t: 'read', message: 'msg_c.1' }]]);
});

test('files go with the next message, the refused ones stay out of it', async () => {
  const house = new House();
  house.up();
  house.chat.attach([{ name: 'a', size: 5 }, { name: 'huge', size: 500 }, { name: 'bad', size: 5 }] as File[]);
  await settle();
  assert.equal(house.chat.canSend, false);
  assert.deepEqual(house.chat.files.map((file) => [file.id, file.problem?.detail]), [['media_a', undefined], [undefined, undefined], [undefined, 'no']]);
  for (const file of house.chat.files.slice(1)) house.chat.detach(file.key);
  house.say('look');
  assert.deepEqual(house.sayings('message'), [{ t: 'message', text: 'look', media: { id: 'media_a', name: 'a' }, client_id: 'u1' }]);
});

test('the form goes when it is answered; a form refused can be mended', () => {
  const house = new House();
  house.up({ form: { fields: [{ name: 'name', required: true }] } });
  house.chat.fill({ name: '' });
  house.hear({ t: 'nack', client_id: 'u1', problem: { detail: 'a name' } });
  assert.equal(house.chat.formEntry?.status, 'refused');
  house.chat.fill({ name: 'Eva' });
  assert.equal(house.waiting.length, 1);
  house.hear({ t: 'ack', client_id: 'u2' });
  assert.deepEqual([house.chat.state.form, house.waiting], [[], []]);
});

test('whoever logs out leaves nothing to the next', () => {
  const house = new House();
  house.up();
  house.say('mine');
  house.chat.typed('secret');
  house.chat.logout();
  house.said = [];
  house.up({ token: 'tok2', visitor: 'vis2' });
  assert.deepEqual(house.sayings('hello').map((each) => each.token), [undefined]);
  assert.deepEqual([house.sayings('message'), house.chat.draft, house.shown], [[], '', []]);
  assert.equal(JSON.stringify([...house.kept]).includes('secret'), false);
});

test('an expired token makes him somebody new, with the same words to say', () => {
  const house = new House();
  house.up();
  house.say('still mine');
  house.hear({ t: 'bye', code: 4001 });
  house.pass(1);
  house.said = [];
  house.up({ token: 'tok2', visitor: 'vis2' });
  assert.deepEqual(house.sayings('hello').map((each) => [each.token, each.last_id]), [[undefined, undefined]]);
  assert.equal(house.sayings('message').length, 1);
});

test('of two tabs that begin at once the second joins the first', () => {
  const house = new House();
  house.chat.line.start();
  house.pipe.opened();
  house.kept.set('belfry.portal.who', '{"token":"other","visitor":"vis0"}');
  house.hear({ t: 'welcome', token: 'tok1', visitor: 'vis1', last_id: '0', reset: true });
  house.pipe.opened();
  assert.deepEqual(house.sayings('hello').map((each) => each.token), [undefined, 'other']);
});

test('an alert is shown until it is dismissed or over', () => {
  const house = new House();
  house.up();
  const alert = { id: 'a', severity: 'severe', headline: 'Flood', expires: new Date(house.now + 5000).toISOString() };
  house.hear({ t: 'event', id: '1', kind: 'alert', alert });
  house.hear({ t: 'event', id: '2', kind: 'alert', alert: { ...alert, id: 'b' } });
  assert.equal(house.chat.alerts.length, 2);
  house.chat.dismissAlert('a');
  const other = house.build();
  house.kept.set('belfry.portal.alerts', '["a","b"]');
  other.reread();
  house.kept.set('belfry.portal.alerts', '["a"]');
  house.chat = house.build();
  house.up({ alerts: [alert, { ...alert, id: 'b' }] });
  assert.deepEqual(house.chat.alerts.map((each) => each.id), ['b']);
  house.pass(5001);
  assert.deepEqual(house.chat.alerts, []);
});

test('only the embedding page, at its origin, with a port, is met', async () => {
  let hear: (event: object) => void = () => {};
  const asked: unknown[][] = [];
  const parent = { postMessage: (...args: unknown[]) => void asked.push(args) };
  const self = { parent, addEventListener: (_: string, listener: (event: object) => void) => { hear = listener; }, removeEventListener: () => {} };
  const done = meet(self as unknown as Window, 'https://city.example', { mode: () => {}, identify: () => {}, logout: () => {} });
  assert.deepEqual(asked, [['belfry', 'https://city.example']]);
  const said: unknown[] = [];
  const port = { postMessage: (words: unknown) => void said.push(words), onmessage: null };
  const good = { source: parent, origin: 'https://city.example', data: ['belfry', 'https://city.example/tax'], ports: [port] };
  const other = { postMessage: () => assert.fail('a stranger was spoken to') };
  for (const bad of [{ ...good, source: {} }, { ...good, origin: 'https://city.example.evil' }, { ...good, data: 'belfry' }, { ...good, ports: [] }]) hear({ ...bad, ...(bad.ports.length ? { ports: [other] } : {}) });
  hear(good);
  const host = await done;
  host.say('height', 5);
  assert.deepEqual([host.page, said], ['https://city.example/tax', [['height', 5]]]);
});
