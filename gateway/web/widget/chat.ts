// The conversation behind the page: joins the line, the state, the outbox and what is kept. It knows nothing of how it looks; every
// turn of the world (clock, chance, roads, storage) is handed in.
import type { Problem } from '../shared/problem.ts';
import type { Keep } from './keep.ts';
import { Line, type LineWorld } from './line.ts';
import { add, become, due, type Entry, find, frameOf, isKept, type Outbox, reopened, without } from './outbox.ts';
import { type Alert, type Challenge, type Command, type Message, readFrame, type ServerFrame, type Welcome } from './protocol.ts';
import { applyAck, applyEvent, applyWelcome, emptyState, inForce, lastOut, type State, unread } from './state.ts';

export type Mode = 'shut' | 'banner' | 'open';
export interface Attachment {
  key: string;
  name: string;
  size: number;
  progress: number; // 0 to 1
  id?: string; // it is with the gateway
  file?: File;
  problem?: Problem;
}
export type Uploaded = { ok: true; id: string } | { ok: false; problem: Problem };
export interface ChatWorld extends LineWorld {
  inbox: string;
  keep: Keep;
  language(): string;
  page(): string; // address of the page he is on
  uuid(): string;
  visible(): boolean; // the page is in front of his eyes
  upload(file: File, token: string, progress: (part: number) => void): Promise<Uploaded>;
  transcript(token: string): Promise<boolean>;
  solve(challenge: Challenge, wanted: () => boolean): Promise<string | undefined>;
  changed(): void;
}
interface Who {
  token: string;
  visitor: string;
}
interface Draft {
  text: string;
  files: { id: string; name: string; size: number }[];
}
export interface GoOn {
  channel: string;
  number: string;
  stage: 'asking' | 'sending' | 'sent';
  problem?: Problem;
}
export type NoticeKey = 'identityRefused' | 'endRefused' | 'transcriptFailed' | 'outboxFull';
export interface Notice {
  key: NoticeKey;
  problem?: Problem;
}

const kTypingEveryMs = 3000;
const kAckMs = 20_000;
const kAlertsKept = 100;
const kLookAgainMs = 600_000;

export class Chat {
  state: State = emptyState();
  outbox: Outbox;
  draft = '';
  files: readonly Attachment[] = [];
  mode: Mode = 'shut';
  seen = ''; // the last message of the agency that he has seen
  notice: Notice | undefined;
  goOn: GoOn | undefined;
  formSkipped = false;
  working = false; // at a proof of work
  saving = false; // the transcript
  readonly line: Line;
  #who: Partial<Who>;
  #saidToken: string | undefined;
  #dismissed: readonly string[];
  #readSaid = '';
  #typedAt = -Infinity;
  #keys = 0;

  readonly #world: ChatWorld;

  constructor(world: ChatWorld) {
    this.#world = world;
    const { keep } = world;
    this.outbox = keep.outbox();
    this.#who = (keep.get('who') ?? {}) as Partial<Who>;
    this.seen = String(keep.get('seen') ?? '');
    this.#dismissed = (keep.get('alerts') ?? []) as string[];
    const draft = keep.get('draft') as Partial<Draft> | undefined;
    this.draft = String(draft?.text ?? '');
    this.files = (draft?.files ?? []).map((file) => ({ ...file, key: this.#key(), progress: 1 }));
    this.line = new Line(world, {
      hello: () => this.#hello(),
      heard: (text) => {
        const frame = readFrame(text);
        if (frame) this.#heard(frame);
      },
      changed: () => this.#changed(),
      expired: () => this.#forgetWho(),
      outdated: () => { this.state = { ...this.state, last_id: '' }; },
    });
  }

  // --- what he does

  get canSend(): boolean {
    const whole = this.files.every((file) => file.id !== undefined);
    return whole && this.excess <= 0 && (this.draft.trim() !== '' || this.files.length > 0);
  }
  // Characters over the limit; below zero, what is left.
  get excess(): number {
    return [...this.draft].length - this.state.text_max;
  }

  say(): boolean {
    if (!this.canSend) return false;
    const text = this.draft.trim();
    const media = this.files.map((file) => ({ id: file.id!, name: file.name }));
    const commands: Command[] = media.length === 0 ? [{ t: 'message', text }]
      : media.map((each, at) => (at === 0 && text !== '' ? { t: 'message', text, media: each } : { t: 'message', media: each }));
    for (const command of commands) {
      if (!this.#give(command)) return this.#tell('outboxFull');
    }
    this.draft = '';
    this.files = [];
    this.notice = undefined;
    this.#keepDraft();
    this.#flush();
    return true;
  }

  typed(text: string): void {
    this.draft = text;
    this.#keepDraft();
    void this.#work(true);
    if (text !== '' && this.#world.nowMs() - this.#typedAt >= kTypingEveryMs && this.line.send({ t: 'typing' })) this.#typedAt = this.#world.nowMs();
    this.#changed();
  }

  // A refused message again: to the gateway it is a new one, or it would get the same answer.
  retry(clientId: string): void {
    const entry = find(this.outbox, clientId);
    if (!entry) return;
    this.#drop(clientId);
    this.#give(entry.command);
    this.#flush();
  }
  discard(clientId: string): void {
    this.#drop(clientId);
    this.#changed();
  }

  attach(files: readonly File[]): void {
    for (const file of files) {
      const one: Attachment = { key: this.#key(), name: file.name, size: file.size, progress: 0, file };
      this.files = [...this.files, one];
      if (file.size <= this.state.media_max) this.upload(one.key);
    }
    this.#changed();
  }
  upload(key: string): void {
    const file = this.files.find((each) => each.key === key)?.file;
    if (!file) return;
    const update = (more: Partial<Attachment>, less?: 'problem'): void => {
      this.files = this.files.map((each) => {
        if (each.key !== key) return each;
        const next = { ...each, ...more };
        if (less) delete next[less];
        return next;
      });
      this.#changed();
    };
    update({ progress: 0 }, 'problem');
    const failed = (): Uploaded => ({ ok: false, problem: {} });
    void this.#world.upload(file, this.#who.token ?? '', (progress) => update({ progress })).catch(failed).then((answer) => {
      update(answer.ok ? { progress: 1, id: answer.id } : { problem: answer.problem });
      this.#keepDraft();
    });
  }
  detach(key: string): void {
    this.files = this.files.filter((each) => each.key !== key);
    this.#keepDraft();
    this.#changed();
  }

  fill(fields: Record<string, string>): void {
    this.#give({ t: 'form', fields });
    this.#flush();
  }
  skipForm(): void {
    this.formSkipped = true;
    this.#changed();
  }
  get formEntry(): Entry | undefined {
    return this.outbox.find((each) => each.command.t === 'form');
  }

  end(): void {
    this.#give({ t: 'end' });
    this.#flush();
  }
  askGoOn(channel: string | undefined): void {
    this.goOn = channel === undefined ? undefined : { channel, number: '', stage: 'asking' };
    this.#changed();
  }
  goOnBy(number: string): void {
    if (!this.goOn) return;
    this.goOn = { channel: this.goOn.channel, number, stage: 'sending' };
    this.#give({ t: 'continue', channel: this.goOn.channel, number });
    this.#flush();
  }

  async transcript(): Promise<void> {
    if (this.saving) return;
    this.saving = true;
    this.#changed();
    const fine = await this.#world.transcript(this.#who.token ?? '').catch(() => false);
    this.saving = false;
    if (!fine) this.#tell('transcriptFailed');
    this.#changed();
  }

  identify(jwt: string): void {
    this.#give({ t: 'identify', jwt });
    this.#flush();
  }
  // He leaves: the next person at this screen is somebody else.
  logout(): void {
    this.#world.keep.clear();
    this.leave();
  }
  // As logout, told by another tab that has already cleared what was kept.
  leave(): void {
    this.state = { ...emptyState(), alerts: this.state.alerts };
    this.outbox = [];
    this.files = [];
    this.draft = this.seen = this.#readSaid = '';
    this.#who = {};
    this.notice = this.goOn = undefined;
    this.formSkipped = false;
    this.line.again();
    this.#changed();
  }
  // Another tab has had the answer to this entry, or discarded it.
  forget(clientId: string): void {
    this.outbox = without(this.outbox, clientId);
    this.#changed();
  }

  // He has read alerts in another tab.
  reread(): void {
    this.#dismissed = (this.#world.keep.get('alerts') ?? []) as string[];
    this.#changed();
  }

  dismissNotice(): void {
    this.notice = undefined;
    this.#changed();
  }
  dismissAlert(id: string): void {
    this.#dismissed = [...this.#dismissed, id].slice(-kAlertsKept);
    this.#world.keep.set('alerts', this.#dismissed);
    this.#changed();
  }
  get alerts(): readonly Alert[] {
    return this.state.alerts.filter((each) => !this.#dismissed.includes(each.id) && inForce(each, this.#world.nowMs()));
  }
  get unread(): number {
    return unread(this.state, this.seen);
  }
  get typing(): boolean {
    return this.state.typing_until > this.#world.nowMs();
  }

  // The newest words are in front of his eyes.
  looked(): void {
    const last = lastOut(this.state);
    if (last === '' || this.mode !== 'open' || !this.#world.visible()) return;
    if (last !== this.#readSaid && this.line.send({ t: 'read', message: last })) this.#readSaid = last;
    if (last === this.seen) return;
    this.seen = last;
    this.#world.keep.set('seen', last);
    this.#changed();
  }

  // --- what the gateway says

  #hello(): { t: 'hello'; inbox: string; token?: string; last_id?: string; language?: string; page?: string } {
    // Another tab may have had a newer token since.
    this.#who = (this.#world.keep.get('who') ?? this.#who) as Partial<Who>;
    this.#saidToken = this.#who.token;
    const { last_id } = this.state;
    const page = this.#world.page();
    return {
      t: 'hello', inbox: this.#world.inbox, language: this.#world.language(), ...(this.#saidToken ? { token: this.#saidToken } : {}),
      ...(last_id !== '' && this.#saidToken ? { last_id } : {}), ...(page !== '' ? { page } : {}),
    };
  }

  #heard(frame: ServerFrame): void {
    switch (frame.t) {
      case 'welcome':
        return this.#welcomed(frame);
      case 'event': {
        this.state = applyEvent(this.state, frame, this.#world.nowMs());
        const { body } = frame;
        if (body.kind === 'message' && body.message.client_id !== '') this.#drop(body.message.client_id);
        if (body.kind === 'typing') this.#world.after(this.state.typing_until - this.#world.nowMs(), () => this.#changed());
        if (body.kind === 'alert') this.#watchAlerts();
        if (body.kind === 'moved') this.goOn = undefined;
        return this.#changed();
      }
      case 'ack': {
        const entry = find(this.outbox, frame.client_id);
        this.#drop(frame.client_id);
        if (frame.token !== '' && this.#who.visitor) {
          this.#who = { ...this.#who, token: frame.token };
          this.#world.keep.set('who', this.#who);
        }
        if (entry) this.#acked(entry, frame.id);
        return this.#changed();
      }
      case 'nack': {
        const entry = find(this.outbox, frame.client_id);
        if (entry) this.#refused(entry, frame.problem, frame.challenge);
        return this.#changed();
      }
      case 'bye':
        return this.line.ended(frame.code, frame.retry_after);
      default:
        return undefined;
    }
  }

  #welcomed(welcome: Welcome): void {
    const kept = this.#world.keep.get('who') as Partial<Who> | undefined;
    // Two tabs began at once: the one that was greeted first is who he is, and the other joins it.
    if (!this.#saidToken && kept?.token && kept.visitor !== welcome.visitor) return this.line.again();
    this.#who = { token: welcome.token, visitor: welcome.visitor };
    this.#world.keep.set('who', this.#who);
    this.state = applyWelcome(this.state, welcome);
    for (const message of welcome.messages) if (message.client_id !== '') this.#drop(message.client_id);
    this.outbox = reopened(this.outbox, this.#world.nowMs());
    this.line.settled();
    this.#watchAlerts();
    this.#flush();
  }

  #acked({ command, at_ms, client_id }: Entry, id: string): void {
    if (command.t === 'message') {
      const message: Message = {
        id: id || client_id, dir: 'in', text: command.text ?? '', at: new Date(at_ms).toISOString(), state: 'stored', client_id, agent: '',
      };
      const { media } = command;
      this.state = applyAck(this.state, media ? { ...message, media: { id: media.id, name: media.name ?? '', type: '', size: 0, url: '' } } : message);
    } else if (command.t === 'form') this.state = { ...this.state, form: [] };
    else if (command.t === 'solve') this.#solved();
    else if (command.t === 'continue' && this.goOn) this.goOn = { ...this.goOn, stage: 'sent' };
  }

  #refused(entry: Entry, problem: Problem, challenge: Challenge | undefined): void {
    const { client_id, command } = entry;
    if (challenge) this.state = { ...this.state, challenge };
    if (command.t === 'solve') {
      this.#drop(client_id);
      if (challenge) void this.#work(true);
      else this.#solved();
    } else if (challenge && command.t === 'message') {
      this.#change(client_id, 'waiting');
      void this.#work(true);
    } else if (isKept(entry)) this.#change(client_id, 'refused', problem);
    else {
      this.#drop(client_id);
      if (command.t === 'identify') this.#tell('identityRefused', problem);
      else if (command.t === 'end') this.#tell('endRefused', problem);
      else if (this.goOn) this.goOn = { ...this.goOn, stage: 'asking', problem };
    }
  }

  #solved(): void {
    const { challenge: _, ...state } = this.state;
    this.state = state;
    this.#flush();
  }

  // The proof is worked out when he begins to write, so that it is ready when he sends.
  async #work(begun: boolean): Promise<void> {
    const { challenge } = this.state;
    if (!challenge || this.working || !(begun || this.outbox.some((each) => each.command.t === 'message' && each.status === 'waiting'))) return;
    if (this.outbox.some((each) => each.command.t === 'solve')) return;
    this.working = true;
    this.#changed();
    const nonce = await this.#world.solve(challenge, () => this.state.challenge?.salt === challenge.salt).catch(() => undefined);
    this.working = false;
    if (nonce !== undefined) this.#give({ t: 'solve', nonce });
    this.#flush();
  }

  // --- the outbox

  #give(command: Command): boolean {
    const clientId = this.#world.uuid();
    const next = add(this.outbox, command, clientId, this.#world.nowMs());
    if (!next) return false;
    for (const gone of this.outbox) if (!find(next, gone.client_id)) this.#world.keep.drop(gone.client_id);
    this.outbox = next;
    this.#keepEntry(clientId);
    return true;
  }
  #change(clientId: string, status: Entry['status'], problem?: Problem): void {
    this.outbox = become(this.outbox, clientId, status, problem);
    this.#keepEntry(clientId);
  }
  #keepEntry(clientId: string): void {
    const entry = find(this.outbox, clientId);
    if (entry && isKept(entry)) this.#world.keep.put(entry);
  }
  #drop(clientId: string): void {
    this.outbox = without(this.outbox, clientId);
    this.#world.keep.drop(clientId);
  }

  #flush(): void {
    for (const entry of due(this.outbox, this.state.challenge !== undefined)) {
      if (!this.line.send(frameOf(entry))) break;
      this.outbox = become(this.outbox, entry.client_id, 'sent');
      // A line on which no answer comes is no line, however well it answers pings.
      this.#world.after(kAckMs, () => {
        if (find(this.outbox, entry.client_id)?.status === 'sent') this.line.again();
      });
    }
    void this.#work(false);
    this.#changed();
  }

  // --- small things

  #forgetWho(): void {
    this.#who = {};
    // Not removed: to the other tabs that would be a logout.
    this.#world.keep.set('who', {});
    this.state = { ...this.state, last_id: '' };
  }
  #keepDraft(): void {
    const files = this.files.flatMap(({ id, name, size }) => (id === undefined ? [] : [{ id, name, size }]));
    const draft: Draft = { text: this.draft, files };
    this.#world.keep.set('draft', this.draft === '' && files.length === 0 ? undefined : draft);
  }
  #tell(key: NoticeKey, problem?: Problem): false {
    this.notice = problem ? { key, problem } : { key };
    this.#changed();
    return false;
  }
  #watchAlerts(): void {
    const now = this.#world.nowMs();
    const next = Math.min(...this.alerts.map((each) => Date.parse(each.expires) - now).filter((ms) => ms > 0));
    if (Number.isFinite(next)) this.#world.after(Math.min(next + 1, kLookAgainMs), () => { this.#watchAlerts(); this.#changed(); });
  }
  #key(): string {
    this.#keys += 1;
    return `file${this.#keys}`;
  }
  #changed(): void {
    this.#world.changed();
  }
}
