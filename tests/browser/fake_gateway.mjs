// A gateway for the desk page to talk to when there is no belfryd: it speaks REST and belfry.desk.v1 as interface.md pins
// them, keeps everything in memory, and does on command what a real one does rarely (withdraw an offer, lose an event, go away).
//
// Tests import FakeGateway; `node fake_gateway.mjs [port]` starts one with a small town in it, to look at the page by hand.
import { createServer } from 'node:http';
import { readFile } from 'node:fs/promises';
import { randomUUID } from 'node:crypto';
import { dirname, extname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { WebSocketServer } from 'ws';

const here = dirname(fileURLToPath(import.meta.url));
const pages = resolve(process.env.BELFRY_WEB_OUT ?? join(here, '../../build/web'));
const types = { '.html': 'text/html; charset=utf-8', '.js': 'text/javascript; charset=utf-8', '.css': 'text/css; charset=utf-8' };
const policy = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' blob: data:; base-uri 'none'; "
  + "form-action 'self'; require-trusted-types-for 'script'";
// 48 x 32 pixels of a sky, as SVG: enough for a picture in a thread.
const picture = '<svg xmlns="http://www.w3.org/2000/svg" width="480" height="320"><rect width="480" height="320" fill="#9cc7e8"/>'
  + '<path d="M0 240 L120 120 L220 220 L320 90 L480 240 V320 H0z" fill="#3f6b5c"/></svg>';

const problem = (status, code, detail, more = {}) => ({ type: 'about:blank', title: code, status, code, detail, ...more });

export class FakeGateway {
  constructor() {
    this.agent = { id: 'agent_ana', name: 'Ana Duarte' };
    this.login = 'ana';
    this.password = 'correct horse';
    this.availability = 'paused';
    this.sessions = new Set();
    this.tickets = new Set();
    this.conversations = new Map(); // id -> {id, gen, state, owner, queue, channel, contact, window_until, log}
    this.offers = new Map();
    this.events = [];
    this.lost = 0; // forget so many of the oldest events when replaying
    this.swallow = 0; // do not deliver the next so many events (they stay in the replay)
    this.answers = new Map(); // client_id -> the one answer it got
    this.frames = []; // everything clients said
    this.sockets = new Set();
    this.refuseNext = undefined; // a problem for the next reply
    this.holdAcks = false; // keep what is said, but do not answer
    this.away = false; // answer 503 and refuse sockets
    this.auto = false; // receipts and answers come by themselves
    this.roles = ['agent'];
    this.agents = [
      { id: 'agent_ana', name: 'Ana Duarte', roles: ['agent'], queues: ['queue_town'], skills: ['water:3', 'lamps:2'], availability: 'ready', connected: true, load: 3, capacity: 5 },
      { id: 'agent_leo', name: 'Leo Brandt', roles: ['agent'], queues: ['queue_town'], skills: [], availability: 'ready', connected: true, load: 1, capacity: 5 },
      { id: 'agent_mila', name: 'Мила Орлова', roles: ['agent'], queues: ['queue_water'], skills: [], availability: 'paused', connected: true, load: 0, capacity: 5 },
    ];
    this.queues = [
      { id: 'queue_town', name: 'Town hall', wrapup_s: 60, open: true, sla: { first_reply_s: 600, next_reply_s: 900 } },
      { id: 'queue_water', name: 'Water works', wrapup_s: 0, open: false, sla: {} },
    ];
    this.canned = [
      { id: 'greeting', shortcut: 'greeting', text: 'Good morning {name}, this is {agent} of {queue}.' },
      { id: 'street', shortcut: 'street', text: 'We will come to {street} today.' },
      { id: 'water', shortcut: 'water', text: 'The water is off until noon.', queues: ['queue_water'] },
    ];
    this.asked = []; // every path
    this.uploads = [];
    this.changes = []; // what was asked of contacts
    this.said = {}; // messages without a conversation
    this.linked = new Map(); // contact id -> conversations besides
    this.wrapup = false; // a resolve goes to wrap-up first
    this.deaf = false; // sockets stay open and say nothing
    this.server = createServer((request, response) => void this.serve(request, response));
    this.ws = new WebSocketServer({ noServer: true, maxPayload: 64 * 1024, handleProtocols: (offered) => [...offered][0] });
    this.server.on('upgrade', (request, socket, head) => this.upgrade(request, socket, head));
  }

  async listen(port = 0) {
    await new Promise((done) => this.server.listen(port, '127.0.0.1', done));
    this.origin = `http://127.0.0.1:${this.server.address().port}`;
    return this.origin;
  }
  async close() {
    for (const socket of this.sockets) socket.terminate();
    this.server.closeAllConnections();
    await new Promise((done) => this.server.close(done));
  }

  // --- the world's doings

  add({ id, name, channel = 'whatsapp', queue = 'queue_town', owner = this.agent.id, state = 'active', window_ms = 20 * 3600e3, ...more }) {
    const conversation = {
      id, gen: 1, state, owner, queue, channel, contact: { id: `contact_${id}`, name },
      window_until: channel === 'whatsapp' ? new Date(Date.now() + window_ms).toISOString() : undefined, account: channel === 'sms' ? 'sms-town' : 'city', first_at: new Date(Date.now() - 3600e3).toISOString(), log: [], ...more,
    };
    this.conversations.set(id, conversation);
    return conversation;
  }
  write(id, message, quiet = false) {
    const conversation = this.conversations.get(id);
    const n = conversation.log.length + 1;
    const whole = {
      id: `msg_${id.replace(/^conv_/, '')}.${n}`, n, dir: 'in', type: 'text', at: new Date().toISOString(),
      state: message.dir === 'out' ? 'queued' : 'stored', provider_id: `wamid.${id}.${n}`, ...message,
    };
    conversation.log.push(whole);
    if (!quiet && conversation.owner === this.agent.id) this.event({ kind: 'message', conversation: id, message: whole });
    return whole;
  }
  receipt(id, n, state, reason) {
    const message = this.conversations.get(id).log[n - 1];
    message.state = state;
    if (reason) message.reason = reason;
    this.event({ kind: 'receipt', conversation: id, message: message.id, state, at: new Date().toISOString(), ...(reason ? { reason } : {}) });
  }
  offer(id, ms = 45_000) {
    const conversation = this.conversations.get(id);
    Object.assign(conversation, { state: 'offered', owner: undefined, gen: conversation.gen + 1 });
    const offer = {
      conversation: id, gen: conversation.gen, queue: conversation.queue, channel: conversation.channel, contact: conversation.contact,
      preview: conversation.log.at(-1)?.text ?? '', expires_at: new Date(Date.now() + ms).toISOString(),
    };
    this.offers.set(id, offer);
    this.event({ kind: 'offer', ...offer });
  }
  rescind(id, why = 'timeout') {
    const conversation = this.conversations.get(id);
    conversation.gen += 1;
    conversation.state = 'queued';
    this.offers.delete(id);
    this.event({ kind: 'rescinded', conversation: id, gen: conversation.gen, why });
  }
  typing(id) {
    this.tell({ t: 'event', kind: 'typing', conversation: id });
  }
  event(body) {
    const event = { t: 'event', id: String(this.events.length + 1), ...body };
    this.events.push(event);
    if (this.swallow > 0) this.swallow -= 1;
    else this.tell(event);
    return event;
  }
  tell(frame) {
    for (const socket of this.sockets) if (socket.greeted) socket.send(JSON.stringify(frame));
  }
  drop(code = 1012) {
    for (const socket of this.sockets) socket.close(code);
  }

  // --- REST

  async serve(request, response) {
    const url = new URL(request.url, this.origin);
    this.asked.push(`${request.method} ${request.url}`);
    const chunks = [];
    for await (const chunk of request) chunks.push(chunk);
    const answer = (status, body, headers = {}) => {
      const type = status >= 400 ? 'application/problem+json' : 'application/json';
      response.writeHead(status, { 'Content-Type': type, 'Cache-Control': 'no-store', ...headers });
      response.end(body === undefined ? '' : JSON.stringify(body));
    };
    if (this.away) return answer(503, problem(503, 'store_away', 'The store is away; try again in a moment.'));
    if (url.pathname.startsWith('/desk')) return this.page(url, response);
    const session = /belfry=(\w+)/.exec(request.headers.cookie ?? '')?.[1];
    const known = this.sessions.has(session);
    const me = { agent: this.agent, roles: this.roles };
    const list = (items) => answer(200, { items, next: null });
    const body = () => JSON.parse(Buffer.concat(chunks).toString() || '{}');
    const road = `${request.method} ${url.pathname}`;
    if (request.method !== 'GET' && request.headers['x-belfry-csrf'] !== '1') return answer(403, problem(403, 'csrf', 'X-Belfry-CSRF is missing.'));
    if (road === 'POST /api/v1/session') {
      const { login, password } = JSON.parse(Buffer.concat(chunks).toString());
      if (login !== this.login || password !== this.password) return answer(401, problem(401, 'bad_login', 'The login or the password is wrong.'));
      const id = randomUUID().replaceAll('-', '');
      this.sessions.add(id);
      return answer(200, me, { 'Set-Cookie': `belfry=${id}; HttpOnly; SameSite=Strict; Path=/` });
    }
    if (!known) return answer(401, problem(401, 'no_session', 'Log in first.'));
    if (road === 'GET /api/v1/session') return answer(200, me);
    if (road === 'DELETE /api/v1/session') {
      this.sessions.delete(session);
      response.writeHead(204);
      return response.end();
    }
    if (road === 'POST /api/v1/tickets') {
      const ticket = randomUUID().replaceAll('-', '');
      this.tickets.add(ticket);
      return answer(201, { ticket, expires_in: 30 });
    }
    if (road === 'GET /api/v1/agents') return list(this.agents);
    if (road === 'GET /api/v1/queues') return list(this.queues);
    if (road === 'GET /api/v1/accounts') return list([{ id: 'city', channel: 'whatsapp', queue: 'queue_town' }, { id: 'sms-town', channel: 'sms', queue: 'queue_town' }]);
    if (road === 'GET /api/v1/canned') return this.canned ? list(this.canned) : answer(404, problem(404, 'not_found', 'There is nothing here.'));
    if (road === 'GET /api/v1/conversations') return this.hidden ? answer(403, problem(403, 'forbidden', 'Not for you.')) : list([...this.conversations.values()].map((each) => this.info(each)));
    if (/^\/api\/v1\/queues\/[^/]+\/waiting$/.test(url.pathname)) return list([...this.conversations.values()].filter((each) => each.state === 'queued').map((each, at) => ({ conversation: each.id, position: at + 1, since: each.first_at, estimate: null, sla: each.sla })));
    if (road === 'POST /api/v1/sms/preview') {
      const { text } = body();
      const odd = [...text].filter((each) => each.codePointAt(0) > 0x2ff);
      const units = odd.length > 0 ? 70 : 160;
      const segments = Math.max(1, Math.ceil(text.length / units));
      return list([{ account: 'sms-town', encoding: odd.length > 0 ? 'ucs2' : 'gsm7', segments, room: units, units: [...Array(segments - 1).fill(units), text.length - units * (segments - 1)], because_of: [...new Set(odd)], cost: (0.05 * segments).toFixed(2), currency: 'EUR' }]);
    }
    if (road === 'POST /api/v1/media') {
      if (this.refuseUpload) return answer(413, problem(413, 'too_large', 'The file is larger than 100 MiB. Send a smaller one.'));
      this.uploads.push({ name: url.searchParams.get('filename'), type: request.headers['content-type'], size: Buffer.concat(chunks).length });
      return answer(201, { id: `media_${'a'.repeat(64)}`, mime: request.headers['content-type'], size: Buffer.concat(chunks).length });
    }
    const [, who, verb] = /^\/api\/v1\/contacts\/([^/]+)(?:\/(\w+))?$/.exec(url.pathname) ?? [];
    if (who) {
      if (verb) this.changes.push({ who, verb, ...body() });
      const all = [...this.conversations.values()].filter((each) => each.contact.id === who);
      if (all.length === 0) return answer(404, problem(404, 'not_found', 'There is no such contact.'));
      return answer(200, {
        id: who, name: all[0].contact.name,
        addresses: [...new Map(all.map((each) => [each.channel, { account: each.account, channel: each.channel, address: `${each.channel}:${each.account}:4915112345678`, contact: who }])).values()],
        numbers_said: ['+49 30 1234567'], merged: [], same_number: [{ id: 'contact_twin', name: 'J. Pereira', verified: false }],
        conversations: all.map((each) => this.info(each)).reverse(), folded: verb !== 'unfold',
      });
    }
    const [, told] = /^\/api\/v1\/messages\/([^/]+)$/.exec(url.pathname) ?? [];
    if (told) return this.said[told] ? answer(200, this.said[told]) : answer(404, problem(404, 'not_found', 'There is no such message.'));
    const [, described] = /^\/api\/v1\/conversations\/([^/]+)\/attributes$/.exec(url.pathname) ?? [];
    if (described) {
      this.conversations.get(described).attributes = body().attributes;
      return answer(200, this.info(this.conversations.get(described)));
    }
    const [, id, rest] = /^\/api\/v1\/conversations\/([^/]+)(\/messages)?$/.exec(url.pathname) ?? [];
    const conversation = this.conversations.get(id);
    if (conversation && !rest) {
      return answer(200, this.info(conversation));
    }
    if (conversation) {
      const after = Number(url.searchParams.get('after') ?? 0);
      const limit = Math.min(200, Number(url.searchParams.get('limit') ?? 50));
      const items = conversation.log.slice(after, after + limit);
      return answer(200, { items, next: after + limit < conversation.log.length ? String(after + limit) : null });
    }
    if (url.pathname === '/api/v1/media/media_pier') {
      response.writeHead(200, { 'Content-Type': 'image/svg+xml', 'Content-Disposition': 'attachment', 'X-Content-Type-Options': 'nosniff', 'Content-Security-Policy': 'sandbox' });
      setTimeout(() => response.end(picture), 300); // late, as pictures are
      return undefined;
    }
    return answer(404, problem(404, 'not_found', 'There is nothing here.'));
  }

  async page(url, response) {
    const path = url.pathname === '/desk' || url.pathname === '/desk/' ? '/desk/index.html' : url.pathname;
    const file = resolve(join(pages, path));
    try {
      if (!file.startsWith(pages)) throw new Error('outside');
      const body = await readFile(file);
      response.writeHead(200, { 'Content-Type': types[extname(file)] ?? 'application/octet-stream', 'Content-Security-Policy': policy, 'X-Content-Type-Options': 'nosniff' });
      response.end(body);
    } catch {
      response.writeHead(404);
      response.end();
    }
  }

  // --- the desk socket

  upgrade(request, socket, head) {
    const offered = (request.headers['sec-websocket-protocol'] ?? '').split(',').map((each) => each.trim());
    const ticket = offered[1]?.replace(/^ticket\./, '');
    const fine = !this.away && request.url === '/ws/desk' && offered[0] === 'belfry.desk.v1' && request.headers.origin === this.origin;
    if (!fine || !this.tickets.delete(ticket)) {
      socket.end('HTTP/1.1 401 Unauthorized\r\nContent-Length: 0\r\nConnection: close\r\n\r\n');
      return;
    }
    this.ws.handleUpgrade(request, socket, head, (client) => {
      this.sockets.add(client);
      client.on('close', () => this.sockets.delete(client));
      client.on('message', (data) => this.frame(client, JSON.parse(data.toString())));
    });
  }

  info({ log, ...conversation }) {
    return { ...conversation, messages: log.length };
  }

  frame(client, frame) {
    this.frames.push(frame);
    const say = (body) => client.readyState === 1 && client.send(JSON.stringify(body));
    if (frame.t === 'ping') return this.deaf ? undefined : say({ t: 'pong' });
    if (frame.t === 'typing' || frame.t === 'read') return undefined;
    if (frame.t === 'hello') {
      const last = frame.last_id === undefined ? undefined : Number(frame.last_id);
      const reset = last === undefined || last < this.lost || last > this.events.length;
      say({
        t: 'welcome', agent: this.agent, roles: this.roles, availability: this.availability, last_id: String(this.events.length), reset,
        conversations: [...this.conversations.values()].filter((each) => each.owner === this.agent.id && each.state !== 'closed').map((each) => this.info(each)),
        offers: [...this.offers.values()].map(({ conversation, ...offer }) => ({ id: conversation, ...offer })),
      });
      client.greeted = true;
      if (!reset) for (const event of this.events.slice(last)) say(event);
      return undefined;
    }
    const before = this.answers.get(frame.client_id);
    if (before) return say(before);
    const answer = (body) => {
      const whole = { ...body, client_id: frame.client_id };
      this.answers.set(frame.client_id, whole);
      if (!this.holdAcks) say(whole);
    };
    const conversation = this.conversations.get(frame.conversation);
    const stale = () => answer({ t: 'nack', problem: problem(409, 'stale_gen', 'Somebody was faster.', { now: { gen: conversation.gen, state: conversation.state, owner: conversation.owner } }) });
    switch (frame.t) {
      case 'availability':
        this.availability = frame.value;
        return answer({ t: 'ack', id: '' });
      case 'accept':
        if (frame.gen !== conversation.gen || conversation.state !== 'offered') return stale();
        Object.assign(conversation, { state: 'active', owner: this.agent.id, gen: conversation.gen + 1 });
        this.offers.delete(conversation.id);
        answer({ t: 'ack', id: conversation.id });
        return this.event({ kind: 'assigned', conversation: conversation.id, gen: conversation.gen, view: this.info(conversation) });
      case 'decline':
        if (frame.gen !== conversation.gen) return stale();
        answer({ t: 'ack', id: conversation.id });
        return this.rescind(conversation.id, 'declined');
      case 'watch':
        answer({ t: 'ack', id: '' });
        for (const queue of this.queues) say({ t: 'event', kind: 'queue', queue: queue.id, name: queue.name, waiting: 2, members_ready: 1, open: queue.open, oldest_at: new Date(Date.now() - 240e3).toISOString() });
        return say({ t: 'event', kind: 'presence', agent: 'agent_leo', availability: 'ready', connected: true, load: 20, capacity: 50 });
      case 'park':
      case 'transfer':
      case 'take':
      case 'assign':
      case 'requeue':
      case 'close':
      case 'priority':
      case 'reopen':
      case 'merge':
      case 'switch': {
        if (frame.gen !== undefined && frame.gen !== conversation.gen) return stale();
        conversation.gen += 1;
        const leaves = !(frame.t === 'park' || frame.t === 'take' || frame.t === 'switch' || frame.warm);
        const state = { park: 'parked', take: 'active', switch: 'active', close: 'closed', merge: 'closed', assign: 'offered' }[frame.t] ?? (frame.warm ? 'active' : 'queued');
        Object.assign(conversation, { state, owner: leaves ? undefined : this.agent.id, invited: frame.warm ? frame.to.agent : undefined, into: frame.into ?? conversation.into });
        if (frame.t === 'switch') Object.assign(conversation, { account: frame.account, channel: frame.address.split(':')[0] });
        answer({ t: 'ack', id: conversation.id });
        if (frame.t === 'take') return this.event({ kind: 'assigned', conversation: conversation.id, gen: conversation.gen, view: this.info(conversation) });
        return this.event({ kind: 'conversation', conversation: conversation.id, gen: conversation.gen, state, owner: conversation.owner, queue: conversation.queue });
      }
      case 'resolve':
        if (frame.gen !== conversation.gen) return stale();
        if (this.wrapup && conversation.state === 'active' && frame.code !== 'spam') {
          Object.assign(conversation, { state: 'wrapup', gen: conversation.gen + 1 });
          answer({ t: 'ack', id: conversation.id });
          return this.event({ kind: 'conversation', conversation: conversation.id, gen: conversation.gen, state: 'wrapup', owner: conversation.owner });
        }
        Object.assign(conversation, { state: 'closed', owner: undefined, gen: conversation.gen + 1 });
        answer({ t: 'ack', id: conversation.id });
        return this.event({ kind: 'conversation', conversation: conversation.id, gen: conversation.gen, state: 'closed' });
      case 'reply': {
        if (frame.gen !== conversation.gen) return stale();
        if (this.refuseNext) {
          answer({ t: 'nack', problem: this.refuseNext });
          this.refuseNext = undefined;
          return undefined;
        }
        const message = this.write(conversation.id, {
          dir: 'out', text: frame.text, client_id: frame.client_id, agent: this.agent.id,
          ...(frame.media ? { type: frame.media.kind, media: frame.media } : {}), ...(frame.template ? { type: 'template', detail: frame.template } : {}), ...(frame.buttons ? { type: 'buttons', detail: frame.buttons } : {}),
        }, true);
        answer({ t: 'ack', id: message.id });
        this.event({ kind: 'message', conversation: conversation.id, message });
        if (this.auto) this.live(conversation, message);
        return undefined;
      }
      case 'note': {
        const message = this.write(conversation.id, { dir: 'note', text: frame.text, client_id: frame.client_id, agent: this.agent.id }, true);
        answer({ t: 'ack', id: message.id });
        return this.event({ kind: 'message', conversation: conversation.id, message });
      }
      default:
        return answer({ t: 'nack', problem: problem(400, 'unknown_frame', `No frame is called ${frame.t}.`) });
    }
  }

  live(conversation, message) {
    ['sent', 'delivered', 'read'].forEach((state, index) => setTimeout(() => this.receipt(conversation.id, message.n, state), 700 * (index + 1)));
    setTimeout(() => this.typing(conversation.id), 2500);
    setTimeout(() => this.write(conversation.id, { text: 'Thank you!' }), 5000);
  }
}

// A morning in a small town, in five languages and with everything a thread can hold.
export function town(gateway) {
  const ago = (minutes) => new Date(Date.now() - minutes * 60e3).toISOString();
  const day = 24 * 60;
  const lamp = gateway.add({ id: 'conv_lamp', name: 'João Pereira' });
  gateway.write(lamp.id, { text: 'Bom dia. A lâmpada da Rua das Flores 12 está apagada há uma semana.', at: ago(day + 50) }, true);
  gateway.write(lamp.id, { dir: 'out', text: 'Bom dia, senhor João. Obrigada pelo aviso, vou pedir a reparação.', at: ago(day + 45), state: 'read' }, true);
  gateway.write(lamp.id, { type: 'reaction', text: '♥', of: `wamid.${lamp.id}.2`, at: ago(day + 44) }, true);
  gateway.write(lamp.id, { type: 'image', text: 'Aqui está o poste', media: { id: 'media_pier', mime: 'image/svg+xml', name: 'poste.svg', size: 48200 }, at: ago(32) }, true);
  gateway.write(lamp.id, { dir: 'out', text: 'A equipa passa hoje à tarde.', at: ago(30), state: 'delivered' }, true);
  gateway.write(lamp.id, { dir: 'out', text: 'O número do pedido é 2025-1148.', at: ago(29), state: 'failed', reason: '131026: the phone cannot receive this message' }, true);
  gateway.write(lamp.id, { dir: 'note', text: 'Poste 12-B: já avisado duas vezes este mês.', at: ago(28) }, true);
  gateway.write(lamp.id, { text: 'Obrigado! A que hora?', at: ago(6) }, true);
  gateway.write(lamp.id, { type: 'edit', text: 'Obrigado! A que horas, mais ou menos?', of: `wamid.${lamp.id}.8`, at: ago(5) }, true);
  const water = gateway.add({ id: 'conv_water', name: 'سلمى الحداد', window_ms: 70 * 60e3 });
  gateway.write(water.id, { text: 'السلام عليكم، انقطع الماء في شارع النخيل 7 منذ الصباح.', at: ago(48) }, true);
  gateway.write(water.id, { text: 'متى يعود؟', at: ago(12) }, true);
  const bus = gateway.add({ id: 'conv_bus', name: 'Анна Соколова', channel: 'sms' });
  gateway.write(bus.id, { text: 'Здравствуйте! Ходит ли автобус 14 в праздники?', at: ago(90) }, true);
  gateway.write(bus.id, { dir: 'out', text: 'Здравствуйте! Да, каждые 30 минут.', at: ago(85), state: 'uncertain' }, true);
  const old = gateway.add({ id: 'conv_old', name: 'Luis Ortega', window_ms: -3600e3 });
  gateway.write(old.id, { text: 'Hola, ¿cuándo recogen los muebles viejos?', at: ago(day + 120) }, true);
  gateway.write(old.id, { dir: 'out', text: 'El jueves por la mañana.', at: ago(day + 100), state: 'delivered' }, true);
  // What João asked last spring, by SMS.
  const spring = gateway.add({ id: 'conv_spring', name: 'João Pereira', channel: 'sms', state: 'closed', owner: null, contact: lamp.contact, first_at: ago(200 * day), last_at: ago(199 * day), preview: 'Obrigado, ficou arranjado.', archived: true });
  gateway.write(spring.id, { text: 'A rua está sem luz outra vez.', at: ago(200 * day) }, true);
  gateway.write(spring.id, { text: 'Obrigado, ficou arranjado.', at: ago(199 * day) }, true);
  lamp.attributes = { district: 'Centro', ticket: '2025-1148' };
  const hall = gateway.add({ id: 'conv_hall', name: 'Grace Muller', owner: undefined, state: 'queued' });
  gateway.write(hall.id, { text: 'Hello, there is smoke near the school on Station Road. Who should I call?', at: ago(1) }, true);
  gateway.offer(hall.id, 45_000);
  return { lamp, water, bus, old, hall };
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const gateway = new FakeGateway();
  gateway.auto = true;
  town(gateway);
  await gateway.listen(Number(process.argv[2] ?? 0));
  console.log(`desk=${gateway.origin}/desk/`);
  console.log(`login=${gateway.login}`);
  console.log(`password=${gateway.password}`);
}
