// A gateway for the citizen's page to talk to when there is no belfryd: it speaks belfry.chat.v1 as adapters/webchat/README.md
// writes it down, over WebSocket and over SSE with POST, keeps everything in memory, notes every breach of the rules by the page,
// and does on command what a real one does rarely (lose an event, hold an answer, block the socket, go away).
//
// Tests import FakeChat and HostSite; `node fake_chat.mjs` starts both, to look at the page by hand.
import { createHash, randomUUID } from 'node:crypto';
import { createServer } from 'node:http';
import { readFile } from 'node:fs/promises';
import { dirname, extname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { WebSocketServer } from 'ws';

const here = dirname(fileURLToPath(import.meta.url));
const pages = resolve(process.env.BELFRY_WEB_OUT ?? join(here, '../../build/web'));
const types = { '.html': 'text/html; charset=utf-8', '.js': 'text/javascript; charset=utf-8', '.css': 'text/css; charset=utf-8' };
const policy = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' blob: data:; base-uri 'none'; "
  + "form-action 'self'; require-trusted-types-for 'script'";
const kMaxFrame = 16 * 1024;
const kMaxHello = 4 * 1024;
const kFields = {
  hello: ['inbox', 'token', 'last_id', 'language', 'page'], message: ['client_id', 'text', 'media'], form: ['client_id', 'fields'],
  identify: ['client_id', 'jwt'], solve: ['client_id', 'nonce'], continue: ['client_id', 'channel', 'number'], typing: [], read: ['message'],
  end: ['client_id'], ping: [],
};
// A little picture: 8 x 8 pixels of green as PNG.
const picture = Buffer.from('iVBORw0KGgoAAAANSUhEUgAAAAgAAAAICAIAAABLbSncAAAAEklEQVR4nGOwzo/AihiGlgQABgdO8UqfDkAAAAAASUVORK5CYII=', 'base64');

const problem = (status, code, detail, more = {}) => ({ type: 'about:blank', title: code, status, code, detail, ...more });
const listening = (server, port) => new Promise((done) => server.listen(port, '127.0.0.1', () => done(`http://127.0.0.1:${server.address().port}`)));

export class FakeChat {
  constructor(inbox = {}) {
    this.inbox = {
      id: 'portal', origins: [], languages: ['en', 'es', 'pt', 'ru', 'ar'], open: true, text_max: 4000, media_max: 5 * 1024 * 1024,
      continue: ['whatsapp', 'sms'], form: undefined, opens_at: undefined, bits: 0, ...inbox,
    };
    this.visitors = new Map();
    this.media = new Map();
    this.frames = []; // all that pages said
    this.breaches = []; // and where they broke the rules
    this.uploads = [];
    this.typed = new Map(); // when, by the socket it came over
    this.away = false; // answer 503 and refuse sockets
    this.blockSocket = false; // refuse sockets alone
    this.muteSocket = false; // open sockets and say nothing
    this.holdAcks = false; // keep what is said, but do not answer
    this.swallow = 0; // do not deliver the next so many events (they stay in the replay)
    this.refuseNext = undefined; // a problem for the next message
    this.auto = false; // an agent answers by himself
    this.server = createServer((request, response) => void this.serve(request, response).catch((error) => {
      this.breaches.push(`the fake failed: ${error.stack}`);
      response.destroy();
    }));
    this.ws = new WebSocketServer({ noServer: true, maxPayload: kMaxFrame, handleProtocols: (offered) => [...offered][0] });
    this.links = new Set();
    this.server.on('upgrade', (request, socket, head) => this.upgrade(request, socket, head));
  }

  async listen(port = 0) {
    this.origin = await listening(this.server, port);
    return this.origin;
  }
  async close() {
    for (const link of this.links) link.end();
    this.server.closeAllConnections();
    await new Promise((done) => this.server.close(done));
  }

  // --- the world's doings

  get visitor() {
    return [...this.visitors.values()].at(-1);
  }
  said(text) {
    return [...this.visitors.values()].flatMap((visitor) => visitor.log).filter((message) => message.dir === 'in' && message.text === text).length;
  }
  heard(kind) {
    return this.frames.filter((frame) => frame.t === kind);
  }
  reply(text, more = {}, visitor = this.visitor) {
    return this.store(visitor, { dir: 'out', type: 'text', text, state: 'sent', agent: { name: visitor.conversation?.agent?.name ?? 'Ana Duarte' }, ...more });
  }
  assign(name = 'Ana Duarte', visitor = this.visitor) {
    Object.assign(visitor.conversation, { state: 'active', agent: { name }, queue: undefined });
    this.event(visitor, { kind: 'assigned', conversation: visitor.conversation.id, agent: { name } });
  }
  queue(position, waitS, visitor = this.visitor) {
    visitor.conversation.queue = { position, ...(waitS === undefined ? {} : { wait_s: waitS }) };
    this.tell(visitor, { t: 'event', kind: 'queue', ...visitor.conversation.queue });
  }
  typing(visitor = this.visitor) {
    this.tell(visitor, { t: 'event', kind: 'typing', agent: visitor.conversation?.agent });
  }
  receipt(message, state, visitor = this.visitor) {
    message.state = state;
    this.event(visitor, { kind: 'receipt', message: message.id, state, at: new Date().toISOString() });
  }
  end(why = 'resolved', visitor = this.visitor) {
    const { id } = visitor.conversation;
    visitor.conversation = undefined;
    this.event(visitor, { kind: 'closed', conversation: id, why });
  }
  alert(alert) {
    const whole = { id: `alert_${randomUUID()}`, severity: 'severe', headline: 'Flood', text: 'Go to higher ground.', expires: new Date(Date.now() + 3600e3).toISOString(), ...alert };
    for (const visitor of this.visitors.values()) this.event(visitor, { kind: 'alert', alert: whole });
    return whole;
  }
  drop(code = 1001) {
    for (const link of this.links) link.end(code);
  }
  bye(code, retryAfter) {
    for (const link of this.links) {
      link.say({ t: 'bye', code, ...(retryAfter === undefined ? {} : { retry_after: retryAfter }) });
      link.end(code);
    }
  }

  event(visitor, body) {
    const event = { t: 'event', id: String(visitor.events.length + 1), ...body };
    visitor.events.push(event);
    if (this.swallow > 0) this.swallow -= 1;
    else this.tell(visitor, event);
  }
  tell(visitor, frame) {
    for (const link of this.links) if (link.visitor === visitor && link.listens) link.say(frame);
  }
  store(visitor, message) {
    if (!visitor.conversation) {
      visitor.conversation = { id: `conv_${randomUUID()}`, state: 'queued', first: visitor.log.length };
      visitor.toProve = undefined;
    }
    const n = visitor.log.length - visitor.conversation.first + 1;
    const whole = { id: `msg_${visitor.conversation.id.slice(5)}.${n}`, n, at: new Date().toISOString(), ...message };
    visitor.log.push(whole);
    this.event(visitor, { kind: 'message', message: whole });
    return whole;
  }

  // --- frames, whatever they came over. `answer` is called once at most.

  greet(hello, link) {
    if (hello.inbox !== this.inbox.id) return { t: 'bye', code: 4003 };
    let visitor = [...this.visitors.values()].find((each) => hello.token !== undefined && each.tokens.has(hello.token));
    if (!visitor) {
      visitor = { id: `vis_${randomUUID()}`, tokens: new Set(), events: [], log: [], answers: new Map() };
      if (this.inbox.bits > 0) visitor.toProve = { salt: randomUUID(), bits: this.inbox.bits };
      this.visitors.set(visitor.id, visitor);
    }
    visitor.hello = hello;
    const token = `tok_${randomUUID()}`;
    visitor.tokens.add(token);
    if (link) link.visitor = visitor;
    const last = hello.last_id === undefined ? undefined : Number(hello.last_id);
    const reset = last === undefined || last > visitor.events.length;
    const { conversation } = visitor;
    const form = this.inbox.form && !visitor.form ? { form: { fields: this.inbox.form } } : {};
    const welcome = {
      t: 'welcome', token, visitor: visitor.id, last_id: String(visitor.events.length), reset,
      ...(conversation ? { conversation: { id: conversation.id, state: conversation.state, agent: conversation.agent }, queue: conversation.queue } : {}),
      messages: reset && conversation ? visitor.log.slice(conversation.first) : [], open: this.inbox.open, opens_at: this.inbox.opens_at, ...form,
      ...(visitor.toProve && !conversation ? { challenge: visitor.toProve } : {}),
      languages: this.inbox.languages, text_max: this.inbox.text_max, media_max: this.inbox.media_max, continue: this.inbox.continue,
    };
    return { ...welcome, replayFrom: reset ? visitor.events.length : last };
  }

  check(text, first) {
    const size = Buffer.byteLength(text);
    const frame = JSON.parse(text);
    if (size > (first ? kMaxHello : kMaxFrame)) this.breaches.push(`${frame.t} of ${size} octets`);
    if (first !== (frame.t === 'hello')) this.breaches.push(`${frame.t} ${first ? 'first' : 'later'}`);
    if (!kFields[frame.t]) this.breaches.push(`no frame ${frame.t}`);
    for (const name of Object.keys(frame)) if (name !== 't' && !kFields[frame.t]?.includes(name)) this.breaches.push(`${frame.t}.${name}`);
    this.frames.push(frame);
    return frame;
  }

  frame(visitor, frame, answer) {
    if (frame.t === 'ping') return answer({ t: 'pong' });
    if (frame.t === 'typing') {
      if (Date.now() - this.typed.get(answer) < 2900) this.breaches.push('typing too often');
      this.typed.set(answer, Date.now());
      return undefined;
    }
    if (frame.t === 'read') {
      if (!visitor.log.some((message) => message.id === frame.message)) this.breaches.push(`read of ${frame.message}`);
      visitor.read = frame.message;
      return undefined;
    }
    const before = visitor.answers.get(frame.client_id);
    if (before) return answer(before);
    const keep = (body) => {
      const whole = { ...body, client_id: frame.client_id };
      // "Not yet" is no answer for good.
      if (body.problem?.code !== 'challenge') visitor.answers.set(frame.client_id, whole);
      if (!this.holdAcks) answer(whole);
    };
    const no = (...args) => keep({ t: 'nack', problem: problem(...args) });
    switch (frame.t) {
      case 'message': {
        if (visitor.toProve && !visitor.conversation) return no(429, 'challenge', 'Prove that you are no machine.', { challenge: visitor.toProve });
        if ([...(frame.text ?? '')].length > this.inbox.text_max) return no(413, 'too_long', 'The message is too long.');
        if (this.refuseNext) {
          keep({ t: 'nack', problem: this.refuseNext });
          this.refuseNext = undefined;
          return undefined;
        }
        const file = frame.media && this.media.get(frame.media.id);
        if (frame.media && !file) return no(404, 'no_media', 'There is no such file.');
        const fresh = !visitor.conversation;
        const media = file ? { media: { id: frame.media.id, name: frame.media.name ?? file.name, type: file.type, size: file.octets.length, url: `/media/${frame.media.id}` } } : {};
        const message = this.store(visitor, { dir: 'in', type: file ? 'file' : 'text', text: frame.text ?? '', ...media, state: 'stored', client_id: frame.client_id });
        keep({ t: 'ack', id: message.id });
        if (fresh) this.queue(3, 240, visitor);
        if (visitor.code !== undefined && frame.text === visitor.code.text) {
          const { channel, number } = visitor.code;
          this.event(visitor, { kind: 'moved', conversation: visitor.conversation.id, channel, address: number.replace(/\d(?=\d{2})/g, '•') });
          visitor.conversation = undefined;
        }
        if (this.auto) this.live(visitor, message);
        return undefined;
      }
      case 'form':
        if (this.inbox.form?.some(({ name, required }) => required && !frame.fields?.[name])) return no(422, 'form', 'A field is missing.');
        visitor.form = frame.fields;
        return keep({ t: 'ack' });
      case 'identify':
        if (frame.jwt !== 'good.jwt.here') return no(401, 'bad_identity', 'The signature does not fit.');
        visitor.identity = frame.jwt;
        return keep({ t: 'ack' });
      case 'solve': {
        const { salt, bits } = visitor.toProve ?? {};
        const hash = createHash('sha256').update(`${salt}:${frame.nonce}`).digest();
        if (visitor.toProve && hash.readUInt32BE(0) >>> (32 - bits) !== 0) return no(403, 'challenge', 'That is not it.', { challenge: visitor.toProve });
        visitor.toProve = undefined;
        return keep({ t: 'ack' });
      }
      case 'continue':
        if (!/^\+\d{8,15}$/.test(frame.number.replace(/[\s().-]/g, ''))) return no(422, 'bad_number', 'This number cannot be reached.');
        visitor.code = { text: '424242', channel: frame.channel, number: frame.number };
        return keep({ t: 'ack' });
      case 'end':
        if (!visitor.conversation) return no(409, 'no_conversation', 'There is nothing to end.');
        keep({ t: 'ack' });
        return this.end('citizen', visitor);
      default:
        return no(400, 'unknown_frame', `No frame is called ${frame.t}.`);
    }
  }

  live(visitor, message) {
    const steps = [
      () => visitor.conversation?.agent || this.assign('Ana Duarte', visitor), () => this.receipt(message, 'read', visitor), () => this.typing(visitor),
      () => this.reply('Thank you for writing. I am looking into it.', {}, visitor),
    ];
    steps.forEach((step, at) => setTimeout(() => visitor.conversation && step(), 800 * (at + 1)));
  }

  // --- the socket

  upgrade(request, socket, head) {
    const fine = !this.away && !this.blockSocket && request.url === '/ws/chat' && request.headers['sec-websocket-protocol'] === 'belfry.chat.v1';
    if (!fine || request.headers.origin !== this.origin) {
      socket.end('HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\nConnection: close\r\n\r\n');
      return;
    }
    this.ws.handleUpgrade(request, socket, head, (client) => {
      const link = {
        road: 'socket', visitor: undefined, listens: false,
        say: (frame) => client.readyState === 1 && client.send(JSON.stringify(frame)), end: (code) => (code ? client.close(code) : client.terminate()),
      };
      this.links.add(link);
      client.on('close', () => this.links.delete(link));
      client.on('message', (data) => {
        if (this.muteSocket) return;
        const frame = this.check(data.toString(), !link.visitor);
        if (frame.t !== 'hello') {
          this.frame(link.visitor, frame, link.say);
          return;
        }
        const { replayFrom, ...welcome } = this.greet(frame, link);
        link.say(welcome);
        if (welcome.t === 'bye') return link.end(welcome.code);
        link.listens = true;
        for (const event of link.visitor.events.slice(replayFrom)) link.say(event);
        return undefined;
      });
    });
  }

  // --- HTTP

  async serve(request, response) {
    const url = new URL(request.url, this.origin);
    const chunks = [];
    for await (const chunk of request) chunks.push(chunk);
    const body = Buffer.concat(chunks);
    const answer = (status, value, headers = {}) => {
      const type = status >= 400 ? 'application/problem+json' : 'application/json';
      response.writeHead(status, { 'Content-Type': type, 'Cache-Control': 'no-store', ...headers });
      response.end(value === undefined ? '' : JSON.stringify(value));
    };
    if (url.pathname === '/widget.js' || url.pathname.startsWith('/widget/')) return this.page(url, response);
    if (this.away) return answer(503, problem(503, 'store_away', 'The store is away; try again in a moment.'));
    const file = this.media.get(/^\/media\/(\w+)$/.exec(url.pathname)?.[1]);
    if (file) {
      response.writeHead(200, { 'Content-Type': file.type, 'Content-Disposition': 'attachment', 'X-Content-Type-Options': 'nosniff', 'Content-Security-Policy': 'sandbox' });
      return response.end(file.octets);
    }
    const [, inbox, what] = /^\/chat\/([^/]+)\/(frames|events|media|transcript)$/.exec(url.pathname) ?? [];
    if (inbox !== this.inbox.id) return answer(404, problem(404, 'not_found', 'There is nothing here.'));
    const token = /^Bearer (.+)$/.exec(request.headers.authorization ?? '')?.[1];
    const visitor = [...this.visitors.values()].find((each) => each.tokens.has(token));
    if (what === 'frames') {
      const frame = this.check(body.toString(), JSON.parse(body).t === 'hello');
      if (frame.t === 'hello') {
        const { replayFrom, ...welcome } = this.greet(frame);
        return welcome.t === 'bye' ? answer(403, problem(403, 'origin', 'Not here.')) : answer(200, welcome);
      }
      if (!visitor) return answer(401, problem(401, 'token_expired', 'Say hello again.'));
      let answered = false;
      this.frame(visitor, frame, (each) => {
        answered = true;
        if (each.t === 'nack') answer(each.problem.status, each.problem);
        else answer(200, each);
      });
      if (!answered && frame.client_id === undefined) answer(204);
      return undefined;
    }
    if (!visitor) return answer(401, problem(401, 'token_expired', 'Say hello again.'));
    if (what === 'events') {
      response.writeHead(200, { 'Content-Type': 'text/event-stream; charset=utf-8', 'Cache-Control': 'no-store, no-transform' });
      const say = (frame) => response.write(`event: belfry\n${frame.id === undefined ? '' : `id: ${frame.id}\n`}data: ${JSON.stringify(frame)}\n\n`);
      const link = { road: 'stream', visitor, listens: true, say, end: () => response.destroy() };
      response.write(': here\n\n');
      for (const event of visitor.events.slice(Number(request.headers['last-event-id'] ?? 0))) say(event);
      this.links.add(link);
      response.on('close', () => this.links.delete(link));
      return undefined;
    }
    if (what === 'transcript') {
      response.writeHead(200, { 'Content-Type': 'text/plain; charset=utf-8', 'Content-Disposition': 'attachment; filename="conversation.txt"' });
      return response.end(visitor.log.map((message) => `${message.at} ${message.dir}: ${message.text}`).join('\n'));
    }
    const name = decodeURIComponent(request.headers['x-file-name'] ?? '');
    this.uploads.push(name);
    if (body.length > this.inbox.media_max) return answer(413, problem(413, 'too_big', 'The file is too big.'));
    if (/\.(svg|html?)$/.test(name)) return answer(415, problem(415, 'type', 'Files of this type are not taken.'));
    const id = randomUUID().replaceAll('-', '');
    this.media.set(id, { name, type: request.headers['content-type'], octets: body });
    return answer(201, { id, url: `/media/${id}`, type: request.headers['content-type'], size: body.length });
  }

  async page(url, response) {
    const path = url.pathname === '/widget/' ? '/widget/index.html' : url.pathname;
    const file = resolve(join(pages, path));
    try {
      if (!file.startsWith(pages)) throw new Error('outside');
      const body = await readFile(file);
      const ancestors = ["'self'", ...this.inbox.origins].join(' ');
      response.writeHead(200, {
        'Content-Type': types[extname(file)] ?? 'application/octet-stream', 'Content-Security-Policy': `${policy}; frame-ancestors ${ancestors}`,
        'X-Content-Type-Options': 'nosniff', 'Cache-Control': 'no-cache',
      });
      response.end(body);
    } catch {
      response.writeHead(404);
      response.end();
    }
  }
}

// An agency's site, of another origin and with manners of its own.
export class HostSite {
  constructor(chat, { head = '', body = '<main><h1>Town hall</h1><p><a href="#news">News</a></p></main>', attributes = '', csp, lang = 'en' } = {}) {
    const policyLine = csp ?? `default-src 'none'; script-src ${chat.origin}; frame-src ${chat.origin}; style-src 'self'; img-src 'self'; require-trusted-types-for 'script'`;
    this.server = createServer((request, response) => {
      if (request.url === '/site.css') {
        response.writeHead(200, { 'Content-Type': 'text/css' });
        return response.end(this.css ?? '');
      }
      response.writeHead(200, { 'Content-Type': 'text/html; charset=utf-8', 'Content-Security-Policy': policyLine });
      return response.end(`<!doctype html><html lang="${lang}"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1"><title>Town</title>
        <link rel="stylesheet" href="/site.css">${head}<script async src="${chat.origin}/widget.js" data-inbox="portal" ${attributes}></script></head><body>${body}</body></html>`);
    });
  }
  async listen() {
    this.origin = await listening(this.server, 0);
    return this.origin;
  }
  async close() {
    this.server.closeAllConnections();
    await new Promise((done) => this.server.close(done));
  }
}

export { picture };

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const chat = new FakeChat();
  chat.auto = true;
  await chat.listen(Number(process.argv[2] ?? 0));
  const site = new HostSite(chat);
  chat.inbox.origins.push(await site.listen());
  console.log(`site=${site.origin}/`);
  console.log(`widget=${chat.origin}/widget/?inbox=portal`);
}
