// The desk behind the glass: signals that the views read, and the verbs that their buttons call.
//
// It joins the pure parts (state, outbox) with the world (link, api, storage), all of which are handed in.
import { batch, computed, signal } from '@preact/signals';
import type { Problem } from '../shared/problem.ts';
import { type Answer, type Session, kNoAgent } from '../shared/api.ts';
import type { DeskApi } from './api.ts';
import { type LinkStatus, Link, type LinkWorld } from '../shared/link.ts';
import * as box from './outbox.ts';
import { type Availability, type Command, type Message, type ServerFrame, kMaxFrameBytes, readFrame } from './protocol.ts';
import * as st from './state.ts';
import { type StorageLike, clear, load, nothingKept, save } from './storage.ts';
import { byWaiting, unread } from './thread.ts';

export interface DeskWorld extends Omit<LinkWorld, 'ticket'> {
  api: DeskApi;
  storage: StorageLike;
  uuid(): string;
  seen(): boolean; // a person can see the page now
}
// A line for the agent: `key` names a sentence of the page, `problem` is what the gateway said.
export interface Notice {
  tone: 'calm' | 'wrong';
  key: 'taken' | 'missed' | 'withdrawn' | 'resolved' | 'refused' | 'full' | 'tooLong' | 'history';
  problem?: Problem;
  name?: string;
}
export type Place = 'list' | 'thread' | 'context';

const kPage = 200;
const kPages = 25;
const kTail = 50;
const kTypingEveryMs = 3000;
const kRetryMs = 5000;
const kGapsBeforeReset = 2;

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
  readonly sendsTyping = signal(true);

  readonly mine = computed(() =>
    byWaiting(Object.values(this.state.value.conversations).filter((each) => each.mine && !st.isOver(each))));
  readonly current = computed(() => this.state.value.conversations[this.selected.value]);
  readonly unreadTotal = computed(() => this.mine.value.reduce((sum, each) => sum + (unread(each) > 0 ? 1 : 0), 0));
  // Offers and conversations that wait for an answer to a button.
  readonly asked = computed(() => {
    const busy = new Set<string>();
    for (const { command } of this.outbox.value) {
      if (command.t === 'accept' || command.t === 'decline' || command.t === 'resolve') busy.add(command.conversation);
    }
    return busy;
  });

  private readonly socket: Link;
  private readonly fetching = new Set<string>();
  private readonly failedMs = new Map<string, number>();
  private seenBefore: Record<string, number> = {};
  private lastTypingMs = 0;
  private gaps = 0;

  constructor(private readonly world: DeskWorld) {
    this.socket = new Link({ ...world, ticket: () => world.api.ticket() }, {
      opened: () => this.hello(),
      heard: (text) => this.heard(text),
      changed: (status) => { this.link.value = status; },
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

  kick(): void {
    this.socket.kick();
    this.look();
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
    this.gaps = 0;
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
    });
  }

  // --- what comes in

  private hello(): void {
    const last = this.state.peek().last_id;
    this.socket.send(JSON.stringify(last === undefined ? { t: 'hello' } : { t: 'hello', last_id: last }));
  }

  private heard(text: string): void {
    const frame = readFrame(text);
    if (frame) batch(() => this.take(frame));
  }

  private take(frame: ServerFrame): void {
    switch (frame.t) {
      case 'welcome':
        this.socket.settled();
        this.state.value = st.applyWelcome(this.state.peek(), frame);
        for (const [id, n] of Object.entries(this.seenBefore)) this.state.value = st.applySeen(this.state.peek(), id, n);
        this.seenBefore = {};
        this.failedMs.clear();
        this.welcomed.value = true;
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
        if (entry.command.t === 'resolve') this.notice.value = { tone: 'calm', key: 'resolved' };
        break;
      }
      case 'nack':
        this.refused(frame.client_id, frame.problem);
        break;
      case 'pong':
        return;
    }
    this.fill();
    this.look();
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
      if (problem.now.owner !== this.state.peek().agent.id) this.notice.value = { tone: 'wrong', key: 'taken', problem };
    } else if (!box.isWords(command) && command.t !== 'read') {
      this.notice.value = { tone: 'wrong', key: 'refused', problem };
    }
  }

  // --- what goes out

  private command(command: Command): boolean {
    const clientId = this.world.uuid();
    const next = box.add(this.outbox.peek(), command, clientId, this.world.nowMs());
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

  availability(value: Availability): void {
    this.command({ t: 'availability', value });
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
  resolve(id: string): void {
    const conversation = this.state.peek().conversations[id];
    if (conversation?.mine && !this.asked.peek().has(id)) this.command({ t: 'resolve', conversation: id, gen: conversation.gen });
  }
  say(id: string, text: string, note: boolean): boolean {
    const conversation = this.state.peek().conversations[id];
    if (!conversation || text.trim() === '') return false;
    this.lastTypingMs = 0;
    return this.command(note ? { t: 'note', conversation: id, text } : { t: 'reply', conversation: id, gen: conversation.gen, text });
  }
  // A refused message again: as a new one, since the gateway has answered the old client_id for good.
  retry(clientId: string): void {
    const entry = box.find(this.outbox.peek(), clientId);
    if (!entry || !box.isWords(entry.command)) return;
    const { command } = entry;
    this.outbox.value = box.without(this.outbox.peek(), clientId);
    this.say(command.conversation, command.text, command.t === 'note');
  }
  discard(clientId: string): void {
    this.outbox.value = box.without(this.outbox.peek(), clientId);
  }
  typing(id: string): void {
    const now = this.world.nowMs();
    if (!this.sendsTyping.peek() || now - this.lastTypingMs < kTypingEveryMs) return;
    if (this.socket.send(JSON.stringify({ t: 'typing', conversation: id }))) this.lastTypingMs = now;
  }

  select(id: string): void {
    batch(() => {
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
  // The next or previous conversation of the list.
  move(step: 1 | -1): void {
    const ids = this.mine.peek().map((each) => each.id);
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

  // Fetches what the state says is missing: the end of a log, a hole in it, or whom a conversation is with.
  private fill(): void {
    for (const each of Object.values(this.state.peek().conversations)) {
      if (!each.mine && each.id !== this.selected.peek()) continue;
      if (!each.known) void this.once(`details ${each.id}`, () => this.details(each.id));
      if (!each.loaded) void this.once(`log ${each.id}`, () => this.log(each.id, Math.max(0, each.last_n - kTail)));
      else if (each.hole_after >= 0) void this.once(`log ${each.id}`, () => this.log(each.id, each.hole_after));
    }
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
    return old ? { ...state, conversations: { ...state.conversations, [id]: { ...old, known: true } } } : state;
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
    const after = Math.max(0, oldest - 1 - kTail);
    const answer = await this.world.api.messages(id, String(after), oldest - 1 - after);
    this.fetching.delete(key);
    if (answer.ok) this.change((state) => st.applyOlder(state, id, after, answer.data.items));
    else this.notice.value = { tone: 'wrong', key: 'history', problem: answer.problem };
  }

  private change(how: (state: st.State) => st.State): void {
    this.state.value = how(this.state.peek());
  }
}
