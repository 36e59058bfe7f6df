// What the desk knows, and how a frame changes it: values in, values out, no DOM, no clock, no socket.
//
// The log of a conversation is the truth and its messages never change; their states only move forward by rank. Events carry
// ids that grow by one per agent, so a repeated one is dropped and a missing one is a gap: the caller reconnects and is replayed to.
import { compareDecimal, isNext } from '../shared/decimal.ts';
import type { Problem } from '../shared/problem.ts';
import type {
  Command, ConversationInfo, Due, EventFrame, Message, Offer, Person, Presence, PresenceNews, QueueNews, ReceiptNews, Welcome,
} from './protocol.ts';
import { numberOf } from './protocol.ts';

export interface Conversation {
  id: string;
  gen: number;
  state: string;
  mine: boolean;
  queue: string;
  channel: string;
  contact: Person;
  window_until: string;
  known: boolean; // its channel and contact were told, not guessed
  messages: readonly Message[]; // in log order
  loaded: boolean; // the end of its log was fetched, or it began under our eyes
  oldest: number; // history is here from this n on; 1 is all of it
  hole_after: number; // messages after this n must be fetched (again); -1 is none
  last_n: number; // the newest n anyone told us of
  seen_n: number; // the agent has looked at everything up to here
  typing_until: number; // milliseconds; 0 is not typing
  owner: string;
  account: string;
  invited: string;
  into: string;
  previous: string;
  answers: string;
  attributes: Readonly<Record<string, string>>;
  preview: string; // as the gateway said it, for what is not loaded
  first_at: string;
  last_at: string;
  dues: readonly Due[];
  stale: boolean; // its details have changed since they were told
  wrap_ms: number; // when its wrap-up began, by the gateway's clock; 0 is unknown
  archived: boolean;
}

export interface State {
  agent: Person;
  roles: readonly string[];
  availability: Presence;
  last_id?: string; // of the newest event that is part of this state
  conversations: Readonly<Record<string, Conversation>>;
  offers: readonly Offer[];
  early: Readonly<Record<string, ReceiptNews>>; // receipts that outran their message
  queues: Readonly<Record<string, QueueNews>>; // what a supervisor watches
  presence: Readonly<Record<string, PresenceNews>>;
}

export interface Step {
  state: State;
  gap?: true; // an event is missing: reconnect with last_id
  rescinded?: { offer: Offer; why: string };
  arrived?: { conversation: string; message: Message };
}

const kNone = -1;
const kTypingMs = 6000;
const kNamelessMax = 100;
const kDayMs = 24 * 3600 * 1000;
const kEarlyMax = 500;
const kOthersMax = 100; // conversations that are no longer ours and still in memory

export const emptyState = (): State => ({
  agent: { id: '', name: '' },
  roles: [],
  availability: 'offline',
  conversations: {},
  offers: [],
  early: {},
  queues: {},
  presence: {},
});

const ranks: Readonly<Record<string, number>> = {
  stored: 0, queued: 1, claimed: 2, sent: 3, uncertain: 4, expired: 5, failed: 6, delivered: 7, read: 8, played: 8,
};
export const rankOf = (state: string): number => ranks[state] ?? -1;

// Only forward: whatever order the news comes in, the result is the same.
function advance(message: Message, state: string, reason: string | undefined): Message {
  if (rankOf(state) <= rankOf(message.state)) return message;
  const next: Message = { ...message, state };
  delete next.reason;
  if (reason) next.reason = reason;
  return next;
}

function stub(id: string): Conversation {
  return {
    id, gen: 0, state: '', mine: false, queue: '', channel: '', contact: { id: '', name: '' }, window_until: '', known: false,
    messages: [], loaded: false, oldest: 1, hole_after: kNone, last_n: 0, seen_n: 0, typing_until: 0,
    owner: '', account: '', invited: '', into: '', previous: '', answers: '', attributes: {}, preview: '', first_at: '', last_at: '',
    dues: [], stale: false, wrap_ms: 0, archived: false,
  };
}

// The same message again may know more than we do (a provider's id, a later state); it never knows less.
function merged(old: Message, fresh: Message): Message {
  const both: Message = { ...old, ...fresh, state: old.state };
  if (old.reason) both.reason = old.reason;
  return advance(both, fresh.state, fresh.reason);
}

export function insert(messages: readonly Message[], message: Message): readonly Message[] {
  let at = messages.length;
  while (at > 0 && messages[at - 1]!.n > message.n) at -= 1;
  const before = messages[at - 1];
  if (before && before.n === message.n) {
    const next = merged(before, message);
    return messages.map((each, index) => (index === at - 1 ? next : each));
  }
  return [...messages.slice(0, at), message, ...messages.slice(at)];
}

const put = (state: State, conversation: Conversation): State => ({
  ...state,
  conversations: { ...state.conversations, [conversation.id]: conversation },
});

function withMessage(state: State, id: string, message: Message): State {
  const old = state.conversations[id] ?? stub(id);
  const early = state.early[message.id];
  const whole = early ? advance(message, early.state, early.reason) : message;
  const newest = old.messages[old.messages.length - 1]?.n ?? 0;
  const next: Conversation = { ...old, messages: insert(old.messages, whole), last_n: Math.max(old.last_n, message.n) };
  if (message.n > old.last_n && old.mine && message.dir !== 'note') next.stale = true; // its clocks run otherwise now
  if (!old.loaded && message.n === 1) next.loaded = true;
  if (old.loaded && message.n > newest + 1) next.hole_after = earlier(next.hole_after, newest);
  if (old.loaded && lacksOriginal(old, message)) next.hole_after = earlier(next.hole_after, firstNameless(old));
  if (message.dir === 'in') {
    next.typing_until = 0;
    next.window_until = laterWindow(old, message);
  }
  const done = put(state, next);
  if (!early) return done;
  const rest = { ...state.early };
  delete rest[message.id];
  return { ...done, early: rest };
}

const earlier = (a: number, b: number): number => (a === kNone ? b : b === kNone ? a : Math.min(a, b));

// A reaction names its message by the provider's id, which our own messages get only after they were sent: no event tells it, so
// the log is read again from the first message that has none.
const lacksOriginal = (conversation: Conversation, message: Message): boolean =>
  isChange(message) && message.of !== undefined && !conversation.messages.some((each) => each.provider_id === message.of);
function firstNameless(conversation: Conversation): number {
  const first = conversation.messages.slice(-kNamelessMax).find((each) => each.dir === 'out' && each.provider_id === undefined);
  return first ? first.n - 1 : kNone;
}

function withWindow(state: State, id: string, until: string): State {
  const conversation = state.conversations[id];
  if (!conversation || !(Date.parse(until) > (Date.parse(conversation.window_until) || 0))) return state;
  return put(state, { ...conversation, window_until: until });
}

// WhatsApp's window is 24 hours from what the citizen last wrote; reactions, edits and revokes are not assumed to extend it.
function laterWindow(conversation: Conversation, message: Message): string {
  if (!isWhatsApp(conversation.channel) || isChange(message)) return conversation.window_until;
  const until = Date.parse(message.at) + kDayMs - 60_000;
  if (!Number.isFinite(until) || until <= (Date.parse(conversation.window_until) || 0)) return conversation.window_until;
  return new Date(until).toISOString();
}

export const isWhatsApp = (channel: string): boolean => channel === 'whatsapp' || channel === 'wa';
export const isChange = (message: Message): boolean =>
  message.type === 'reaction' || message.type === 'edit' || message.type === 'revoke';
export const isOver = (conversation: Conversation): boolean => conversation.state === 'closed' || conversation.state === 'sends';
// Only an active conversation takes replies.
export const takesReplies = (conversation: Conversation): boolean => conversation.mine && (conversation.state === 'active' || conversation.state === '');

function withReceipt(state: State, receipt: ReceiptNews): State {
  const conversation = state.conversations[receipt.conversation];
  const index = conversation ? conversation.messages.findIndex((message) => message.id === receipt.message) : -1;
  if (!conversation || index < 0) {
    const known = state.early[receipt.message];
    if (known && rankOf(known.state) >= rankOf(receipt.state)) return state;
    const early = { ...state.early, [receipt.message]: receipt };
    const keys = Object.keys(early);
    if (keys.length > kEarlyMax) delete early[keys[0]!];
    return { ...state, early };
  }
  const old = conversation.messages[index]!;
  const next = advance(old, receipt.state, receipt.reason);
  if (next === old) return state;
  return put(state, { ...conversation, messages: conversation.messages.map((each, at) => (at === index ? next : each)) });
}

const held = ['active', 'parked', 'wrapup'];

// A conversation's news, unless ours is newer: gen grows with every change of its state.
function withInfo(state: State, info: ConversationInfo): State {
  const old = state.conversations[info.conversation] ?? stub(info.conversation);
  const next: Conversation = { ...old };
  if (info.channel) next.channel = info.channel;
  if (info.contact && (info.contact.id || info.contact.name)) next.contact = info.contact;
  if (info.channel && info.contact) next.known = true;
  if (info.last_n) next.last_n = Math.max(old.last_n, info.last_n);
  if (info.window_until && Date.parse(info.window_until) > (Date.parse(old.window_until) || 0)) next.window_until = info.window_until;
  // An event about a conversation that is archived meanwhile has lost its gen, but closed is closed.
  if (info.gen === 0 && info.state === 'closed') Object.assign(next, { state: 'closed', mine: false });
  else if (info.gen >= old.gen) {
    next.gen = info.gen;
    if (info.state) next.state = info.state;
    if (info.queue) next.queue = info.queue;
    if (info.gen > old.gen) Object.assign(next, { invited: '', stale: true });
    if (info.invited !== undefined) next.invited = info.invited;
    if (next.state !== 'wrapup') next.wrap_ms = 0;
    if (info.owner !== undefined) next.owner = info.owner;
    else if (!held.includes(next.state)) next.owner = '';
    for (const key of ['account', 'preview', 'into', 'previous', 'answers', 'attributes', 'first_at', 'last_at', 'dues'] as const) {
      if (info[key] !== undefined) Object.assign(next, { [key]: info[key] });
    }
    if (info.archived) next.archived = true;
    if (info.owner !== undefined) next.mine = info.owner === state.agent.id && info.owner !== '';
    else if (info.state && !held.includes(info.state)) next.mine = false;
  }
  const done = put(state, next);
  const gen = done.conversations[info.conversation]!.gen;
  const offers = done.offers.filter((offer) => offer.conversation !== info.conversation || offer.gen >= gen);
  return offers.length === done.offers.length ? done : { ...done, offers };
}

// What we knew of our own conversations but the gateway did not list is not ours any more. Its log stays readable for a while.
function released(state: State, listed: ReadonlySet<string>): State {
  const conversations: Record<string, Conversation> = {};
  const others = Object.values(state.conversations).filter((each) => !listed.has(each.id));
  for (const each of others.slice(-kOthersMax)) conversations[each.id] = each.mine ? { ...each, mine: false } : each;
  for (const id of listed) if (state.conversations[id]) conversations[id] = state.conversations[id];
  return { ...state, conversations };
}

function welcomed(before: State, welcome: Welcome): State {
  // A last_id behind ours is a gateway restored from older data: its numbers mean something else now.
  const behind = before.last_id !== undefined && compareDecimal(welcome.last_id, before.last_id) < 0;
  const reset = welcome.reset || behind || before.last_id === undefined;
  const owner = welcome.agent.id;
  let state: State = {
    ...before,
    agent: welcome.agent,
    roles: welcome.roles,
    availability: welcome.availability,
    last_id: reset ? welcome.last_id : before.last_id!,
    offers: welcome.offers,
  };
  state = released(state, new Set(welcome.conversations.map((each) => each.conversation)));
  if (reset) {
    // Events were lost: what was loaded may lack messages and receipts, so it is fetched again over what is here.
    const stale = Object.values(state.conversations).map((each): [string, Conversation] => [
      each.id,
      { ...each, gen: behind ? 0 : each.gen, loaded: false, hole_after: kNone },
    ]);
    state = { ...state, early: {}, conversations: Object.fromEntries(stale) };
  }
  for (const info of welcome.conversations) {
    state = withInfo(state, { ...info, owner: info.owner || owner, state: info.state || 'active' });
  }
  return state;
}

function withEvent(state: State, frame: EventFrame, nowMs: number): Step {
  const body = frame.body;
  switch (body.kind) {
    case 'offer': {
      const known = state.conversations[body.offer.conversation];
      if (known && known.gen > body.offer.gen) return { state };
      const others = state.offers.filter((offer) => offer.conversation !== body.offer.conversation);
      return { state: { ...state, offers: [...others, body.offer] } };
    }
    case 'rescinded': {
      const offer = state.offers.find((each) => each.conversation === body.conversation);
      const held = state.conversations[body.conversation];
      // It may also be one that we hold: then it went back to its queue.
      const done = held?.mine ? withInfo(state, { conversation: body.conversation, gen: body.gen, state: 'queued', owner: '' }) : state;
      if (!offer || (body.gen !== 0 && offer.gen > body.gen)) return { state: done };
      const availability = body.why === 'timeout' ? 'not_responding' : done.availability;
      return { state: { ...withoutOffer(done, body.conversation), availability }, rescinded: { offer, why: body.why } };
    }
    case 'assigned': {
      const offer = state.offers.find((each) => each.conversation === body.conversation);
      const told = offer ? { queue: offer.queue, channel: offer.channel, contact: offer.contact } : {};
      const now = { conversation: body.conversation, gen: body.gen, state: 'active', owner: state.agent.id };
      const info: ConversationInfo = { ...told, ...body.view, ...now };
      return { state: withInfo(withoutOffer(state, body.conversation), info) };
    }
    case 'message':
      return {
        state: withWindow(withMessage(state, body.conversation, body.message), body.conversation, body.window_until),
        arrived: { conversation: body.conversation, message: body.message },
      };
    case 'receipt':
      return { state: withReceipt(state, body.receipt) };
    case 'conversation': {
      const before = state.conversations[body.info.conversation]?.state;
      const done = withInfo(state, body.info);
      return { state: before === 'wrapup' ? done : wrapped(done, body.info.conversation, nowMs) };
    }
    case 'queue':
      return { state: { ...state, queues: { ...state.queues, [body.queue.id]: body.queue } } };
    case 'presence':
      return { state: { ...state, presence: { ...state.presence, [body.presence.agent]: body.presence } } };
    case 'typing': {
      const conversation = state.conversations[body.conversation];
      return { state: conversation ? put(state, { ...conversation, typing_until: nowMs + kTypingMs }) : state };
    }
    default:
      return { state };
  }
}

// The wrap-up begins when we hear of it: its countdown runs from there.
export function wrapped(state: State, id: string, nowMs: number): State {
  const conversation = state.conversations[id];
  return conversation?.state === 'wrapup' && conversation.wrap_ms === 0 ? put(state, { ...conversation, wrap_ms: nowMs }) : state;
}

export const withoutOffer = (state: State, conversation: string): State => ({
  ...state,
  offers: state.offers.filter((offer) => offer.conversation !== conversation),
});

export function applyWelcome(state: State, welcome: Welcome): State {
  return welcomed(state, welcome);
}

export function applyEvent(state: State, frame: EventFrame, nowMs: number): Step {
  if (frame.id === undefined) return withEvent(state, frame, nowMs);
  const last = state.last_id ?? '0';
  if (compareDecimal(frame.id, last) <= 0) return { state };
  if (!isNext(last, frame.id)) return { state, gap: true };
  const step = withEvent(state, frame, nowMs);
  return { ...step, state: { ...step.state, last_id: frame.id } };
}

const typeOf = (command: Extract<Command, { t: 'reply' | 'note' }>): string => {
  if (command.t === 'note') return 'text';
  if (command.media) return command.media.kind;
  return command.template ? 'template' : command.buttons ? 'buttons' : command.list ? 'list' : 'text';
};

// The gateway kept a command: what that means here, until its event says the same.
export function applyAck(state: State, command: Command, id: string, clientId: string, at: string): State {
  switch (command.t) {
    case 'availability':
      return { ...state, availability: command.value };
    case 'accept':
    case 'decline':
      return withoutOffer(state, command.conversation);
    case 'reply':
    case 'note': {
      const n = numberOf(id);
      if (n === 0) return state;
      const note = command.t === 'note';
      const known = state.conversations[command.conversation]?.messages.some((each) => each.n === n);
      if (known) return state;
      return withMessage(state, command.conversation, {
        id, n, dir: note ? 'note' : 'out', type: typeOf(command), text: command.text, at, state: note ? 'stored' : 'queued', client_id: clientId,
      });
    }
    default:
      return state;
  }
}

// A stale gen answers with what is true now.
export function applyNow(state: State, conversation: string, problem: Problem): State {
  const now = problem.now;
  if (!now) return state;
  const info: ConversationInfo = { conversation, gen: now.gen, state: now.state ?? '', owner: now.owner ?? '' };
  const known = state.conversations[conversation];
  const offers = state.offers.filter((offer) => offer.conversation !== conversation || offer.gen >= now.gen);
  return known ? withInfo({ ...state, offers }, info) : { ...state, offers };
}

// History fetched from `after` to the end of the log (or, `more` being true, as far as the caller was willing to go).
export function applyHistory(state: State, id: string, after: number, items: readonly Message[], more = false): State {
  let done = state;
  for (const item of items) done = withMessage(done, id, item);
  const old = done.conversations[id] ?? stub(id);
  const next: Conversation = { ...old, loaded: true, hole_after: more ? (items[items.length - 1]?.n ?? kNone) : kNone };
  if (!state.conversations[id]?.loaded) {
    // Between what was here before and what came may lie a hole: what is older is fetched again when asked for.
    next.oldest = after + 1;
    next.messages = next.messages.filter((each) => each.n > after);
  }
  return put(done, next);
}

export function applyOlder(state: State, id: string, after: number, items: readonly Message[]): State {
  const old = state.conversations[id];
  if (!old) return state;
  // In one piece, for a log may have thousands: what is older stands before all that is here.
  const older = items.filter((item) => item.n < old.oldest && (old.messages[0] === undefined || item.n < old.messages[0].n)).sort((a, b) => a.n - b.n);
  const messages = [...older, ...old.messages];
  return put(state, { ...old, messages, oldest: after + 1 });
}

export function applyDetails(state: State, info: ConversationInfo): State {
  const done = withInfo(state, info);
  return put(done, { ...done.conversations[info.conversation]!, known: true, stale: false });
}

// As a list told it: what we hold ourselves the socket tells better.
export function applyListed(state: State, info: ConversationInfo): State {
  const old = state.conversations[info.conversation];
  if (old?.mine) return info.dues ? put(state, { ...old, dues: info.dues }) : state;
  const done = withInfo(state, { ...info, owner: info.owner ?? '' });
  const next = done.conversations[info.conversation]!;
  // A row of a list that we look at has news, or a log that grew.
  const grown = old?.loaded === true && next.last_n > (old.messages[old.messages.length - 1]?.n ?? 0);
  return put(done, { ...next, known: true, hole_after: grown ? (old.messages[old.messages.length - 1]?.n ?? 0) : next.hole_after });
}

export function applySeen(state: State, id: string, n: number): State {
  const conversation = state.conversations[id];
  return conversation && conversation.seen_n < n ? put(state, { ...conversation, seen_n: n }) : state;
}

export function forget(state: State, id: string): State {
  const conversations = { ...state.conversations };
  delete conversations[id];
  return { ...state, conversations };
}
