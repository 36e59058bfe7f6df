// The desk behind the glass: signals that the views read, and the verbs that their buttons call.
//
// It joins the pure parts (state, outbox) with the world (link, api, storage), all of which are handed in.
import { batch, computed, signal } from '@preact/signals';
import type { Problem } from '../shared/problem.ts';
import { type Answer, type Session, kNoAgent } from '../shared/api.ts';
import type { DeskApi } from './api.ts';
import { agentName } from './house.ts';
import { byDeadline, isWaiting, tabs, type Tab } from './lists.ts';
import { Shelf } from './shelf.ts';
import { defaults, kUndoMs, type Settings } from './settings.ts';
import { type LinkStatus, Link, type LinkWorld } from '../shared/link.ts';
import * as box from './outbox.ts';
import {
  type Availability, type Command, type ConversationInfo, type Extra, type Message, type ServerFrame, kMaxFrameBytes, readFrame,
} from './protocol.ts';
import * as st from './state.ts';
import { type StorageLike, clear, load, nothingKept, save } from './storage.ts';
import { unread } from './thread.ts';

export interface DeskWorld extends Omit<LinkWorld, 'ticket'> {
  api: DeskApi;
  storage: StorageLike;
  uuid(): string;
  seen(): boolean; // a person can see the page now
  settings?: Settings;
  news?(what: News): void; // something came that an agent who looks elsewhere wants to know
}
export interface News {
  kind: 'offer' | 'message';
  conversation: string;
  name: string;
}
// A line for the agent: `key` names a sentence of the page, `problem` is what the gateway said.
export interface Notice {
  tone: 'calm' | 'wrong';
  key: 'taken' | 'takenBy' | 'missed' | 'withdrawn' | 'resolved' | 'refused' | 'full' | 'tooLong' | 'history' | 'parkedIt' | 'transferred' | 'asked'
    | 'merged' | 'reopened' | 'closedIt' | 'requeued' | 'assignedIt' | 'switched' | 'settled';
  problem?: Problem;
  name?: string;
}
// What stands over the desk: the palette, the keys, the settings, or a form that asks for what an action needs.
export type Dialog = { is: 'palette' | 'help' | 'settings' } | { is: 'form'; form: string };
export interface Attached {
  name: string;
  size: number;
  mime: string;
  part: number; // 0 to 1 of it is there
  id: string; // '' until all of it is
  problem?: Problem;
  stop(): void;
}
export type Place = 'list' | 'thread' | 'context';

const kPage = 200;
const kPages = 25;
const kTail = 50;
const kTypingEveryMs = 3000;
const kRetryMs = 5000;
const kGapsBeforeReset = 2;
const kAtOnce = 6; // so many things are fetched at a time
const kJumpMs = 15_000; // the page's clock stood still for so long: it was asleep
const kSilentMs = 37_000; // and a socket that says nothing for so long has missed its pong
const kListMs = 15_000;

export class Desk {
  readonly session = signal<'unknown' | 'out' | Session>('unknown');
  readonly state = signal<st.State>(st.emptyState());
  readonly outbox = signal<box.Outbox>([]);
  readonly link = signal<LinkStatus>({ is: 'off' });
  readonly welcomed = signal(false); // the gateway has told this page what is going on, at least once
  readonly selected = signal('');
  readonly place = signal<Place>('list'); // which pane a narrow screen shows
  readonly drafts = signal<Readonly<Record<string, string>>>({});
  readonly notice = signal<Notice | undefined>(undefined);
  readonly settings = signal<Settings>(defaults());
  readonly stale = signal(false); // nobody can say whether what is shown is still so
  readonly heardMs = signal(0); // when the gateway was last known to be there
  readonly tab = signal<Tab>('mine');
  readonly listed = signal<readonly string[] | 'unknown' | 'hidden'>('unknown'); // what GET /conversations told
  readonly dialog = signal<Dialog | undefined>(undefined);
  readonly noteMode = signal(false);
  readonly extras = signal<Readonly<Record<string, Extra>>>({});
  readonly attached = signal<Readonly<Record<string, Attached>>>({});
  readonly pauseReason = signal('');
  readonly settled = signal<Readonly<Record<string, true>>>({});
  readonly shelf: Shelf;

  readonly mine = computed(() => {
    const wrapupMs = this.wrapupMs();
    return byDeadline(Object.values(this.state.value.conversations).filter((each) => each.mine && !st.isOver(each)), wrapupMs);
  });
  readonly others = computed(() => {
    const listed = this.listed.value;
    const all = this.state.value.conversations;
    return Array.isArray(listed) ? (listed as string[]).map((id) => all[id]).filter((each): each is st.Conversation => each !== undefined) : [];
  });
  readonly waiting = computed(() => byDeadline(this.others.value.filter((each) => isWaiting(each) && !each.mine && !this.state.value.offers.some((offer) => offer.conversation === each.id)), this.wrapupMs()));
  readonly everything = computed(() => {
    const all = new Map([...this.others.value, ...this.mine.value].map((each) => [each.id, each]));
    return byDeadline([...all.values()].filter((each) => each.state !== 'sends'), this.wrapupMs());
  });
  readonly shown = computed(() => ({ mine: this.mine, waiting: this.waiting, all: this.everything })[this.tab.value].value);
  readonly supervises = computed(() => this.state.value.roles.some((role) => role === 'supervisor' || role === 'admin'));
  readonly current = computed(() => this.state.value.conversations[this.selected.value]);
  readonly unreadTotal = computed(() => this.mine.value.reduce((sum, each) => sum + (unread(each) > 0 ? 1 : 0), 0));
  // Offers and conversations that wait for an answer to a button.
  readonly asked = computed(() => {
    const busy = new Set<string>();
    for (const { command } of this.outbox.value) {
      if ('conversation' in command && !box.isWords(command) && command.t !== 'read') busy.add(command.conversation);
    }
    return busy;
  });

  private readonly socket: Link;
  private readonly fetching = new Set<string>();
  private readonly failedMs = new Map<string, number>();
  private seenBefore: Record<string, number> = {};
  private wrapsBefore: Record<string, number> = {};
  private lastTypingMs = 0;
  private gaps = 0;
  private tickedMs = 0;
  private listedMs = -Infinity;

  constructor(private readonly world: DeskWorld) {
    this.settings.value = world.settings ?? { ...defaults(), undo: false };
    this.shelf = new Shelf(world.api, () => this.state.peek());
    this.socket = new Link({ ...world, ticket: () => world.api.ticket() }, {
      opened: () => this.hello(),
      heard: (text) => this.heard(text),
      changed: (status) => {
        if (status.is !== 'open') this.stale.value = this.welcomed.peek();
        this.link.value = status;
      },
      signedOut: () => this.leave(),
    });
  }

  // The gateway's time, for deadlines that it set.
  nowMs(): number {
    return this.world.nowMs() + this.skewMs();
  }

  skewMs(): number {
    return this.world.api.clock.skew_ms;
  }

  // --- coming and going

  async begin(): Promise<void> {
    const answer = await this.world.api.session();
    if (answer.ok) this.enter(answer.data);
    else if (answer.problem.status === 401 || answer.problem.status === 403 || answer.problem.code === kNoAgent) this.session.value = 'out';
    else this.world.after(2000, () => void this.begin()); // the gateway is away: a login would fail as well
  }

  async login(login: string, password: string): Promise<Answer<Session>> {
    const answer = await this.world.api.login(login, password);
    if (answer.ok) this.enter(answer.data);
    return answer;
  }

  async logout(): Promise<void> {
    const answer = await this.world.api.logout();
    if (!answer.ok && answer.problem.status !== 401) {
      // The session still lives over there: to look signed out would be a lie.
      this.notice.value = { tone: 'wrong', key: 'refused', problem: answer.problem };
      return;
    }
    clear(this.world.storage);
    this.leave();
  }

  // Shown again, or the network is back: what is on the screen may be old until the gateway has answered.
  kick(): void {
    this.socket.kick();
    this.look();
    void this.refreshList();
  }

  // Once a second. A page that slept does not know what it missed: until a pong has come, it says so.
  tick(): void {
    const now = this.world.nowMs();
    const gap = this.tickedMs === 0 ? 0 : now - this.tickedMs;
    this.tickedMs = now;
    if (!this.welcomed.peek()) return;
    const silent = this.link.peek().is === 'open' && now - this.heardMs.peek() > kSilentMs;
    if (gap > kJumpMs || gap < -kJumpMs || silent) {
      if (!this.stale.peek()) this.socket.kick();
      this.stale.value = true;
    }
    if (now - this.listedMs > kListMs && this.tab.peek() !== 'mine' && this.world.seen()) void this.refreshList();
  }
  takeOver(): void {
    this.socket.start();
  }

  private enter(session: Session): void {
    const kept = load(this.world.storage, session.agent.id);
    batch(() => {
      this.state.value = { ...st.emptyState(), agent: session.agent, roles: session.roles };
      this.outbox.value = kept.outbox;
      this.drafts.value = kept.drafts;
      this.selected.value = kept.selected;
      this.session.value = session;
    });
    this.seenBefore = kept.seen;
    this.wrapsBefore = kept.wraps;
    this.gaps = 0;
    for (const entry of kept.outbox) if (entry.status === 'held') this.world.after(Math.max(0, (entry.held_until_ms ?? 0) - this.world.nowMs()), () => this.release());
    this.socket.start();
  }

  private leave(): void {
    this.socket.stop();
    batch(() => {
      this.session.value = 'out';
      this.welcomed.value = false;
      this.state.value = st.emptyState();
      this.outbox.value = [];
      this.drafts.value = {};
      this.selected.value = '';
      this.place.value = 'list';
      this.notice.value = undefined;
      this.dialog.value = undefined;
      this.stale.value = false;
      this.tab.value = 'mine';
      this.listed.value = 'unknown';
      this.extras.value = {};
      this.settled.value = {};
      for (const each of Object.values(this.attached.peek())) each.stop();
      this.attached.value = {};
      this.shelf.clear();
    });
  }

  keep(): void {
    const session = this.session.peek();
    if (typeof session === 'string') return;
    const state = this.state.peek();
    save(this.world.storage, {
      ...nothingKept(session.agent.id),
      outbox: this.outbox.peek(),
      selected: this.selected.peek(),
      drafts: { ...this.drafts.peek() },
      seen: Object.fromEntries(Object.values(state.conversations).filter((each) => each.mine).map((each) => [each.id, each.seen_n])),
      wraps: Object.fromEntries(Object.values(state.conversations).filter((each) => each.wrap_ms > 0).map((each) => [each.id, each.wrap_ms])),
    });
  }

  // --- what comes in

  private hello(): void {
    const last = this.state.peek().last_id;
    this.socket.send(JSON.stringify(last === undefined ? { t: 'hello' } : { t: 'hello', last_id: last }));
  }

  private heard(text: string): void {
    const frame = readFrame(text);
    if (!this.stale.peek()) this.heardMs.value = this.world.nowMs();
    if (frame) batch(() => this.take(frame));
  }

  private take(frame: ServerFrame): void {
    switch (frame.t) {
      case 'welcome':
        this.socket.settled();
        this.state.value = st.applyWelcome(this.state.peek(), frame);
        for (const [id, n] of Object.entries(this.seenBefore)) this.state.value = st.applySeen(this.state.peek(), id, n);
        this.seenBefore = {};
        for (const [id, ms] of Object.entries(this.wrapsBefore)) this.state.value = st.wrapped(this.state.peek(), id, ms);
        this.wrapsBefore = {};
        this.failedMs.clear();
        this.welcomed.value = true;
        this.alive();
        if (this.supervises.peek()) this.socket.send(JSON.stringify({ t: 'watch', on: true, client_id: this.world.uuid() }));
        void this.shelf.look().then(() => {
          const me = this.shelf.house.peek().agents.find((each) => each.id === this.state.peek().agent.id);
          if (me && this.state.peek().availability === 'paused' && this.pauseReason.peek() === '') this.pauseReason.value = me.reason;
          this.fill();
        });
        if (this.tab.peek() !== 'mine') void this.refreshList(true);
        this.outbox.value = box.reopened(this.outbox.peek(), this.world.nowMs());
        this.flush();
        break;
      case 'event': {
        const step = st.applyEvent(this.state.peek(), frame, this.nowMs());
        if (step.gap) {
          this.mend();
          return;
        }
        if (frame.id !== undefined) this.gaps = 0;
        this.state.value = step.state;
        if (step.rescinded && !this.asked.peek().has(step.rescinded.offer.conversation)) {
          const missed = step.rescinded.why === 'timeout';
          this.notice.value = { tone: missed ? 'wrong' : 'calm', key: missed ? 'missed' : 'withdrawn', name: step.rescinded.offer.contact.name };
        }
        this.tellNews(step, frame.body.kind === 'offer' ? frame.body.offer : undefined);
        const said = step.arrived?.message.client_id;
        if (said) this.outbox.value = box.without(this.outbox.peek(), said);
        if (frame.body.kind === 'assigned' && !this.selected.peek()) this.selected.value = frame.body.conversation;
        break;
      }
      case 'ack': {
        const entry = box.find(this.outbox.peek(), frame.client_id);
        if (!entry) return;
        const at = new Date(this.nowMs()).toISOString();
        this.state.value = st.applyAck(this.state.peek(), entry.command, frame.id, entry.client_id, at);
        this.outbox.value = box.without(this.outbox.peek(), frame.client_id);
        this.done(entry.command);
        this.flush();
        break;
      }
      case 'nack':
        this.refused(frame.client_id, frame.problem);
        break;
      case 'pong':
        this.alive();
        return;
    }
    this.fill();
    this.look();
  }

  private alive(): void {
    this.heardMs.value = this.world.nowMs();
    this.stale.value = false;
  }

  private tellNews(step: st.Step, offer: { conversation: string; contact: { name: string } } | undefined): void {
    if (offer && step.state.offers.some((each) => each.conversation === offer.conversation)) {
      this.world.news?.({ kind: 'offer', conversation: offer.conversation, name: offer.contact.name });
    }
    if (step.arrived?.message.dir === 'in') {
      const conversation = step.state.conversations[step.arrived.conversation];
      if (conversation?.mine) this.world.news?.({ kind: 'message', conversation: conversation.id, name: conversation.contact.name });
    }
  }

  private done(command: Command): void {
    const key = ({
      resolve: 'resolved', park: 'parkedIt', merge: 'merged', reopen: 'reopened', close: 'closedIt', requeue: 'requeued', assign: 'assignedIt', switch: 'switched', priority: 'settled',
    } as const)[command.t as 'resolve'];
    if (key) this.notice.value = { tone: 'calm', key };
    if (command.t === 'transfer') this.notice.value = { tone: 'calm', key: command.warm ? 'asked' : 'transferred' };
    if (command.t === 'take') this.select(command.conversation);
    if (command.t !== 'reply' && command.t !== 'note' && command.t !== 'availability' && 'conversation' in command) {
      const conversation = this.state.peek().conversations[command.conversation];
      if (conversation) this.change((state) => ({ ...state, conversations: { ...state.conversations, [conversation.id]: { ...conversation, stale: true } } }));
      void this.refreshList();
    }
  }

  // An event is missing. The replay mends it; if even that has a hole, we ask for a fresh start.
  private mend(): void {
    this.gaps += 1;
    if (this.gaps > kGapsBeforeReset) {
      const { last_id: _, ...rest } = this.state.peek();
      this.state.value = rest;
      this.gaps = 0;
    }
    this.socket.again();
  }

  private refused(clientId: string, problem: Problem): void {
    const entry = box.find(this.outbox.peek(), clientId);
    if (!entry) {
      // A frame that could not even be read is refused without a name.
      if (clientId === '') this.notice.value = { tone: 'wrong', key: 'refused', problem };
      return;
    }
    const { command } = entry;
    this.outbox.value = box.refused(this.outbox.peek(), clientId, problem);
    if ('conversation' in command && problem.now) this.state.value = st.applyNow(this.state.peek(), command.conversation, problem);
    if (command.t === 'accept' && problem.now) {
      this.state.value = st.withoutOffer(this.state.peek(), command.conversation);
      if (this.selected.peek() === command.conversation && !this.current.peek()) this.select('');
      const { owner } = problem.now;
      if (owner) {
        if (owner !== this.state.peek().agent.id) this.notice.value = { tone: 'wrong', key: 'takenBy', name: agentName(this.shelf.house.peek(), owner) };
      } else this.notice.value = { tone: 'wrong', key: 'taken', problem };
    } else if (!box.isWords(command) && command.t !== 'read') {
      this.notice.value = { tone: 'wrong', key: 'refused', problem };
    }
  }

  // --- what goes out

  private command(command: Command): boolean {
    const clientId = this.world.uuid();
    const now = this.world.nowMs();
    // What is done with a conversation ends the time to take back what was said in it.
    if ('conversation' in command && !box.isWords(command) && command.t !== 'read') {
      this.outbox.value = box.released(this.outbox.peek(), now, command.conversation);
    }
    const held = command.t === 'reply' && this.settings.peek().undo ? now + kUndoMs : 0;
    const next = box.add(this.outbox.peek(), command, clientId, now, held);
    if (held > 0) this.world.after(kUndoMs, () => this.release());
    if (!next) {
      this.notice.value = { tone: 'wrong', key: 'full' };
      return false;
    }
    const entry = box.find(next, clientId)!;
    if (new TextEncoder().encode(box.frameOf(entry)).length > kMaxFrameBytes) {
      this.notice.value = { tone: 'wrong', key: 'tooLong' };
      return false;
    }
    this.outbox.value = next;
    if (this.welcomed.peek()) this.flush();
    return true;
  }

  private flush(): void {
    for (const entry of box.due(this.outbox.peek())) {
      if (!this.socket.send(box.frameOf(entry))) return;
      this.outbox.value = box.said(this.outbox.peek(), entry.client_id);
    }
  }

  // Words whose five seconds are over go out.
  private release(): void {
    this.outbox.value = box.released(this.outbox.peek(), this.world.nowMs());
    if (this.welcomed.peek()) this.flush();
  }
  // The last held reply is a draft again.
  undo(clientId?: string): boolean {
    const held = [...this.outbox.peek()].reverse().find((entry) => entry.status === 'held' && (clientId === undefined || entry.client_id === clientId));
    if (!held || held.command.t !== 'reply') return false;
    const { conversation, text, media, buttons, list } = held.command;
    batch(() => {
      this.outbox.value = box.without(this.outbox.peek(), held.client_id);
      const draft = this.drafts.peek()[conversation] ?? '';
      this.draft(conversation, draft === '' ? text : `${text}\n${draft}`);
      if (buttons || list) this.extra(conversation, { ...(buttons ? { buttons } : {}), ...(list ? { list } : {}) });
      if (media) this.attach(conversation, { name: media.filename ?? '', size: 0, mime: media.mime ?? '', part: 1, id: media.id, stop: () => {} });
      this.noteMode.value = false;
    });
    return true;
  }
  set(change: Partial<Settings>): void {
    this.settings.value = { ...this.settings.peek(), ...change };
    if (change.undo === false) {
      this.outbox.value = box.released(this.outbox.peek(), Infinity);
      this.flush();
    }
  }

  availability(value: Availability, reason = ''): void {
    this.pauseReason.value = value === 'paused' ? reason : '';
    this.command(reason === '' ? { t: 'availability', value } : { t: 'availability', value, reason });
  }
  accept(conversation: string): void {
    const offer = this.state.peek().offers.find((each) => each.conversation === conversation);
    if (!offer || this.asked.peek().has(conversation)) return;
    if (this.command({ t: 'accept', conversation, gen: offer.gen })) this.select(conversation);
  }
  decline(conversation: string): void {
    const offer = this.state.peek().offers.find((each) => each.conversation === conversation);
    if (offer && !this.asked.peek().has(conversation)) this.command({ t: 'decline', conversation, gen: offer.gen });
  }
  resolve(id: string, code = ''): boolean {
    const conversation = this.state.peek().conversations[id];
    if (!conversation?.mine || this.asked.peek().has(id)) return false;
    return this.command({ t: 'resolve', conversation: id, gen: conversation.gen, ...(code === '' ? {} : { code }) });
  }
  resolveAndNext(id: string): void {
    const ids = this.mine.peek().map((each) => each.id);
    const after = [...ids.slice(ids.indexOf(id) + 1), ...ids.slice(0, Math.max(0, ids.indexOf(id)))];
    const next = after.find((each) => this.state.peek().conversations[each]?.state === 'active');
    if (this.resolve(id) && next) this.select(next);
  }
  // All else that is done with a conversation, in the generation that is on the screen.
  act(command: Command): boolean {
    if (!('conversation' in command) || this.asked.peek().has(command.conversation)) return false;
    const gen = this.state.peek().conversations[command.conversation]?.gen ?? 0;
    return this.command({ ...command, ...(gen > 0 && command.t !== 'note' && command.t !== 'read' ? { gen } : {}) } as Command);
  }
  // An uncertain message is left as it is: it is not asked about again.
  settle(message: string): void {
    this.settled.value = { ...this.settled.peek(), [message]: true };
  }
  say(id: string, text: string, note: boolean, extra: Extra = {}): boolean {
    const conversation = this.state.peek().conversations[id];
    if (!conversation || (text.trim() === '' && Object.keys(extra).length === 0)) return false;
    this.lastTypingMs = 0;
    return this.command(note ? { t: 'note', conversation: id, text } : { t: 'reply', conversation: id, gen: conversation.gen, text, ...extra });
  }
  // A refused message again: as a new one, since the gateway has answered the old client_id for good.
  retry(clientId: string): void {
    const entry = box.find(this.outbox.peek(), clientId);
    if (!entry || !box.isWords(entry.command)) return;
    const { command } = entry;
    this.outbox.value = box.without(this.outbox.peek(), clientId);
    const { t: _t, conversation, text, ...rest } = command;
    const { gen: _gen, ...extra } = rest as { gen?: number } & Extra;
    this.say(conversation, text, command.t === 'note', extra);
  }
  // A message that failed at the provider, as a new one.
  sayAgain(conversation: string, message: Message): boolean {
    return message.text !== '' && this.say(conversation, message.text, false);
  }
  discard(clientId: string): void {
    this.outbox.value = box.without(this.outbox.peek(), clientId);
  }
  typing(id: string): void {
    const now = this.world.nowMs();
    if (!this.settings.peek().typing || now - this.lastTypingMs < kTypingEveryMs) return;
    if (this.socket.send(JSON.stringify({ t: 'typing', conversation: id }))) this.lastTypingMs = now;
  }

  select(id: string): void {
    batch(() => {
      if (this.selected.peek() !== id) this.noteMode.value = false;
      this.selected.value = id;
      this.place.value = id === '' ? 'list' : 'thread';
    });
    this.look();
    this.fill();
  }
  draft(id: string, text: string): void {
    const drafts = { ...this.drafts.peek() };
    if (text === '') delete drafts[id];
    else drafts[id] = text;
    this.drafts.value = drafts;
  }
  extra(id: string, extra: Extra | undefined): void {
    const extras = { ...this.extras.peek() };
    if (extra) extras[id] = extra;
    else delete extras[id];
    this.extras.value = extras;
  }
  attach(id: string, attached: Attached | undefined): void {
    const all = { ...this.attached.peek() };
    if (attached) all[id] = attached;
    else delete all[id];
    this.attached.value = all;
  }
  upload(id: string, file: Blob & { name?: string }): void {
    this.attached.peek()[id]?.stop();
    const about = { name: file.name ?? '', size: file.size, mime: file.type };
    const change = (more: Partial<Attached>): void => {
      const now = this.attached.peek()[id];
      if (now?.stop === stop) this.attach(id, { ...now, ...more });
    };
    const going = this.world.api.upload(file, (part) => change({ part }));
    const stop = (): void => going.stop();
    this.attach(id, { ...about, part: 0, id: '', stop });
    void going.done.then((answer) => change(answer.ok ? { part: 1, id: answer.data.id, mime: answer.data.mime || about.mime } : { problem: answer.problem }));
  }

  // What is said of a conversation, all of it.
  async describe(id: string, attributes: Record<string, string>): Promise<Problem | undefined> {
    const answer = await this.world.api.attributes(id, attributes);
    if (!answer.ok) return answer.problem;
    this.change((state) => {
      const old = state.conversations[id];
      return old ? { ...state, conversations: { ...state.conversations, [id]: { ...old, attributes, stale: true } } } : state;
    });
    this.fill();
    return undefined;
  }
  // What is changed about whom we talk with; an agent may, who has an open conversation with him.
  async contact(conversation: st.Conversation, verb: 'merge' | 'part' | 'numbers' | 'verify', body: object, contact = conversation.contact.id): Promise<Problem | undefined> {
    const answer = await this.world.api.change(contact, verb, { ...body, conversation: conversation.id });
    if (!answer.ok) return answer.problem;
    await this.shelf.meet(conversation.contact.id, '', true);
    return undefined;
  }
  smsPreview(account: string, text: string): ReturnType<DeskApi['smsPreview']> {
    return this.world.api.smsPreview(account, text);
  }

  show(tab: Tab): void {
    this.tab.value = tab;
    if (tab !== 'mine') void this.refreshList();
  }
  nextTab(): void {
    const open = this.listed.peek() === 'hidden' ? tabs.slice(0, 1) : tabs;
    this.show(open[(open.indexOf(this.tab.peek()) + 1) % open.length]!);
  }
  // The next or previous conversation of the list.
  move(step: 1 | -1): void {
    const ids = this.shown.peek().map((each) => each.id);
    if (ids.length === 0) return;
    const at = ids.indexOf(this.selected.peek());
    this.select(ids[at < 0 ? 0 : (at + step + ids.length) % ids.length]!);
  }

  // What the agent looks at is read: the mark goes, and the citizen's channel is told.
  look(): void {
    const conversation = this.current.peek();
    if (!conversation || !this.world.seen()) return;
    const newest = conversation.messages[conversation.messages.length - 1];
    if (!newest || newest.n <= conversation.seen_n) return;
    const unseen = [...conversation.messages].reverse().find((each) => each.dir === 'in' && each.n > conversation.seen_n);
    const wasUnread = unread(conversation) > 0;
    this.state.value = st.applySeen(this.state.peek(), conversation.id, newest.n);
    if (unseen && wasUnread && conversation.mine) this.command({ t: 'read', conversation: conversation.id, message: unseen.id });
  }

  // --- what is fetched

  // Fetches what the state says is missing: first of what is looked at, then of the rest, a few at a time.
  private fill(): void {
    const all = this.state.peek().conversations;
    const selected = this.selected.peek();
    for (const id of [selected, ...(this.shelf.earlier.peek()[selected] ?? [])]) {
      const each = all[id];
      if (each) this.need(each, true);
    }
    for (const each of Object.values(all)) {
      if (this.fetching.size >= kAtOnce) return;
      if (each.mine) this.need(each, false);
    }
  }

  private need(each: st.Conversation, looked: boolean): void {
    const promised = each.stale && (looked || this.shelf.promises(each.queue));
    if (!each.known || promised) void this.once(`details ${each.id}`, () => this.details(each.id));
    if (!each.loaded) void this.once(`log ${each.id}`, () => this.log(each.id, Math.max(0, each.last_n - kTail)));
    else if (each.hole_after >= 0) void this.once(`log ${each.id}`, () => this.log(each.id, each.hole_after));
  }

  // What came before, of the same citizen, stands above: in the log of the conversation that is looked at.
  // One of the citizen's other conversations, by itself.
  open(info: ConversationInfo): void {
    this.change((state) => (state.conversations[info.conversation] ? state : st.applyDetails(state, info)));
    this.select(info.conversation);
  }
  // An offer that was clicked too late: who has it now?
  async goneOffer(id: string): Promise<void> {
    if (this.state.peek().conversations[id]?.mine) return this.select(id);
    const answer = await this.world.api.conversation(id);
    const owner = answer.ok ? answer.data.owner ?? '' : '';
    if (owner === '') this.notice.value = { tone: 'calm', key: 'withdrawn' };
    else this.notice.value = { tone: 'wrong', key: 'takenBy', name: agentName(this.shelf.house.peek(), owner) };
  }
  showEarlier(id: string): void {
    const next = this.shelf.before(id);
    if (!next) return;
    this.change((state) => (state.conversations[next.conversation] ? state : st.applyDetails(state, next)));
    this.shelf.addEarlier(id, next.conversation);
    this.fill();
  }

  // Those of all whom this agent may see. Refused is hidden; an error leaves what is there.
  async refreshList(now = false): Promise<void> {
    if (!this.welcomed.peek() || this.tab.peek() === 'mine' || this.listed.peek() === 'hidden' || this.fetching.has('list')) return;
    if (!now && this.world.nowMs() - this.listedMs < 1000) return;
    this.fetching.add('list');
    this.listedMs = this.world.nowMs();
    const answer = await this.world.api.conversations();
    const dues = answer.ok ? await this.shelf.waitingDues() : new Map<string, never[]>();
    this.fetching.delete('list');
    if (this.session.peek() === 'out') return;
    if (answer.ok) batch(() => {
      this.change((state) => answer.data.reduce((done, info) => st.applyListed(done, { ...info, ...(dues.has(info.conversation) ? { dues: dues.get(info.conversation)! } : {}) }), state));
      this.listed.value = answer.data.map((each) => each.conversation);
    });
    else if (answer.problem.status === 403) {
      this.listed.value = 'hidden';
      this.tab.value = 'mine';
    }
  }

  private wrapupMs(): (queue: string) => number {
    const { queues } = this.shelf.house.value;
    return (queue) => (queues.find((each) => each.id === queue)?.wrapup_s ?? 0) * 1000;
  }

  private async once(key: string, work: () => Promise<boolean>): Promise<void> {
    if (this.fetching.has(key) || this.world.nowMs() - (this.failedMs.get(key) ?? -kRetryMs) < kRetryMs) return;
    this.fetching.add(key);
    const agent = this.state.peek().agent.id;
    const fine = await work();
    this.fetching.delete(key);
    if (this.state.peek().agent.id !== agent) return;
    if (fine) {
      this.failedMs.delete(key);
      this.fill();
      this.look();
    } else {
      this.failedMs.set(key, this.world.nowMs());
      this.world.after(kRetryMs, () => this.fill());
    }
  }

  private async details(id: string): Promise<boolean> {
    const answer = await this.world.api.conversation(id);
    if (answer.ok) this.change((state) => st.applyDetails(state, answer.data));
    else if ([403, 404].includes(answer.problem.status ?? 0)) this.change((state) => this.gone(state, id));
    return answer.ok || [403, 404].includes(answer.problem.status ?? 0);
  }

  // Not ours to see: keep what the socket told us, and do not ask again.
  private gone(state: st.State, id: string): st.State {
    const old = state.conversations[id];
    return old ? { ...state, conversations: { ...state.conversations, [id]: { ...old, known: true, stale: false } } } : state;
  }

  private async log(id: string, after: number): Promise<boolean> {
    const items: Message[] = [];
    let cursor = String(after);
    for (let page = 0; page < kPages; page += 1) {
      const answer = await this.world.api.messages(id, cursor, kPage);
      if (!answer.ok) {
        if (![403, 404].includes(answer.problem.status ?? 0)) return false;
        cursor = '';
        break;
      }
      items.push(...answer.data.items);
      cursor = answer.data.next;
      if (cursor === '' || answer.data.items.length === 0) break;
    }
    const more = cursor !== '' && items.length >= kPage;
    this.change((state) => (state.conversations[id] ? st.applyHistory(state, id, after, items, more) : state));
    return true;
  }

  async older(id: string): Promise<void> {
    const oldest = this.state.peek().conversations[id]?.oldest ?? 1;
    const key = `older ${id}`;
    if (oldest <= 1 || this.fetching.has(key)) return;
    this.fetching.add(key);
    const after = Math.max(0, oldest - 1 - kPage);
    const answer = await this.world.api.messages(id, String(after), oldest - 1 - after);
    this.fetching.delete(key);
    if (answer.ok) this.change((state) => st.applyOlder(state, id, after, answer.data.items));
    else this.notice.value = { tone: 'wrong', key: 'history', problem: answer.problem };
  }

  private change(how: (state: st.State) => st.State): void {
    this.state.value = how(this.state.peek());
  }
}
