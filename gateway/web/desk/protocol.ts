// belfry.desk.v1 as this page speaks it: the frames, and one decoder from text to frame.
//
// The decoder is the page's only door for what the gateway says. It keeps what it understands, gives missing fields a value,
// and answers undefined to a frame it cannot use, so that everything behind it works with whole values.
import { isDecimal } from '../shared/decimal.ts';
import { type Problem, readProblem } from '../shared/problem.ts';

export const kSubprotocol = 'belfry.desk.v1';
export const kMaxFrameBytes = 64 * 1024;

// draining: nothing new, and offline when the last conversation is done.
export type Availability = 'ready' | 'paused' | 'draining' | 'offline';
// What the gateway may say besides: the agent let an offer pass, and gets no more until he says he is ready.
export type Presence = Availability | 'not_responding';
export type Direction = 'in' | 'out' | 'note';

export interface Person {
  id: string;
  name: string;
}
export interface MediaRef {
  id: string;
  mime: string;
  name: string;
  size: number;
  ready: boolean;
}
export interface Message {
  id: string;
  n: number;
  dir: Direction;
  type: string;
  text: string;
  media?: MediaRef;
  at: string;
  state: string;
  provider_id?: string;
  of?: string; // provider_id of the message that this reaction, edit or revoke changes
  detail?: unknown;
  reason?: string;
  client_id?: string;
  agent?: string; // who wrote it, of ours and of notes
}
// How a conversation stands to what its queue promises; a clock that does not run is not there.
export interface Due {
  which: 'first_reply' | 'next_reply' | 'resolve';
  state: 'due' | 'predicted' | 'breached';
  due: string;
}
export interface Offer {
  conversation: string;
  gen: number;
  queue: string;
  channel: string;
  contact: Person;
  preview: string;
  expires_at: string;
}
export interface ConversationInfo {
  conversation: string;
  gen: number;
  state: string;
  owner?: string;
  queue?: string;
  channel?: string;
  contact?: Person;
  window_until?: string;
  last_n?: number; // how many messages its log has
  account?: string;
  preview?: string;
  why?: string;
  invited?: string; // the agent who is asked to take it over
  into?: string; // of a merged one: where it goes on
  previous?: string;
  answers?: string; // the message of ours, without a conversation, that it may answer
  attributes?: Record<string, string>;
  first_at?: string;
  last_at?: string;
  dues?: Due[]; // [] is that no clock runs; absent is that nobody said
  archived?: boolean;
}
export interface QueueNews {
  id: string;
  name: string;
  waiting: number;
  ready: number;
  oldest_at: string;
  open: boolean;
}
export interface PresenceNews {
  agent: string;
  availability: Presence;
  connected: boolean;
  load: number; // conversations
  capacity: number;
}
export interface ReceiptNews {
  conversation: string;
  message: string;
  state: string;
  reason: string;
  at: string;
}

export interface Welcome {
  t: 'welcome';
  agent: Person;
  roles: string[];
  availability: Presence;
  last_id: string;
  reset: boolean;
  conversations: ConversationInfo[];
  offers: Offer[];
}
export type EventBody =
  | { kind: 'offer'; offer: Offer }
  | { kind: 'rescinded'; conversation: string; gen: number; why: string }
  | { kind: 'assigned'; conversation: string; gen: number; view?: ConversationInfo }
  | { kind: 'message'; conversation: string; message: Message; window_until: string }
  | { kind: 'receipt'; receipt: ReceiptNews }
  | { kind: 'conversation'; info: ConversationInfo }
  | { kind: 'typing'; conversation: string }
  | { kind: 'queue'; queue: QueueNews }
  | { kind: 'presence'; presence: PresenceNews }
  | { kind: 'other' }; // a kind we do not know still moves the event id
export interface EventFrame {
  t: 'event';
  id?: string;
  body: EventBody;
}
export interface Ack {
  t: 'ack';
  client_id: string;
  id: string;
}
export interface Nack {
  t: 'nack';
  client_id: string;
  problem: Problem;
}
export type ServerFrame = Welcome | EventFrame | Ack | Nack | { t: 'pong' };

// What a client frame that changes something says; the outbox adds client_id.
export type Target = { agent: string } | { queue: string };
// What a reply or a message of ours is besides its text.
export interface Extra {
  media?: { id: string; kind: string; mime?: string; filename?: string };
  template?: { name: string; language: string; parameters?: string[] };
  buttons?: { buttons: { id: string; title: string }[] };
  list?: { button: string; sections: { title?: string; rows: { id: string; title: string; description?: string }[] }[] };
}
export type Command =
  | { t: 'availability'; value: Availability; reason?: string }
  | { t: 'accept' | 'decline' | 'resolve'; conversation: string; gen: number; reason?: string; code?: string }
  | { t: 'park'; conversation: string; gen: number; until: string }
  | { t: 'transfer'; conversation: string; gen: number; to: Target; warm?: boolean }
  | { t: 'take'; conversation: string; gen?: number }
  | { t: 'assign' | 'requeue' | 'reopen'; conversation: string; gen?: number; to?: Target }
  | { t: 'close'; conversation: string; gen?: number; code?: string }
  | { t: 'priority'; conversation: string; gen?: number; minutes?: number; life_safety?: boolean }
  | { t: 'merge'; conversation: string; gen?: number; into: string }
  | { t: 'switch'; conversation: string; gen: number; account: string; address: string }
  | { t: 'watch'; on: boolean }
  | ({ t: 'reply'; conversation: string; gen: number; text: string } & Extra)
  | { t: 'note'; conversation: string; text: string }
  | { t: 'read'; conversation: string; message: string };

type Json = Record<string, unknown>;
const isObject = (value: unknown): value is Json => typeof value === 'object' && value !== null && !Array.isArray(value);
const text = (value: unknown): string => (typeof value === 'string' ? value : '');
const whole = (value: unknown): number => (typeof value === 'number' && Number.isSafeInteger(value) ? value : 0);
const list = (value: unknown): unknown[] => (Array.isArray(value) ? value : []);
const kept = <T>(value: T | undefined): value is T => value !== undefined;

// A queue as its makers named it: what people read.
export const queueName = (id: string): string => id.replace(/^queue_/, '');

// `owner` and `contact` may come as an id or as an object with one.
const idOf = (value: unknown): string => (isObject(value) ? text(value.id) : text(value));
const person = (value: unknown): Person => {
  if (!isObject(value)) return { id: text(value), name: '' };
  return { id: text(value.id), name: text(value.name) };
};
const availabilityOf = (value: unknown): Presence => {
  return value === 'ready' || value === 'paused' || value === 'draining' || value === 'not_responding' ? value : 'offline';
};

function readMedia(value: unknown): MediaRef | undefined {
  if (typeof value === 'string' && value !== '') return { id: value, mime: '', name: '', size: 0, ready: true };
  if (!isObject(value)) return undefined;
  const id = text(value.id);
  const state = text(value.state);
  return {
    id,
    mime: text(value.mime),
    name: text(value.name) || text(value.filename),
    size: whole(value.size),
    ready: id !== '' && (state === '' || state === 'ready' || state === 'stored'),
  };
}

// The public id is msg_<conversation>.<n>, so an ack alone tells where the message stands in the log.
export const numberOf = (messageId: string): number => {
  const found = /\.([0-9]{1,15})$/.exec(messageId);
  return found ? Number(found[1]) : 0;
};

export function readMessage(value: unknown): Message | undefined {
  if (!isObject(value)) return undefined;
  const id = text(value.id);
  const n = whole(value.n) || numberOf(id);
  if (id === '' || n <= 0) return undefined;
  const dir: Direction = value.dir === 'out' || value.dir === 'note' ? value.dir : 'in';
  const message: Message = {
    id,
    n,
    dir,
    type: text(value.type) || 'text',
    text: text(value.text),
    at: text(value.at),
    state: text(value.state) || (dir === 'out' ? 'queued' : 'stored'),
  };
  const media = readMedia(value.media);
  if (media) message.media = media;
  if (text(value.provider_id)) message.provider_id = text(value.provider_id);
  if (text(value.of)) message.of = text(value.of);
  if (text(value.reason)) message.reason = text(value.reason);
  if (text(value.client_id)) message.client_id = text(value.client_id);
  if (text(value.agent)) message.agent = text(value.agent);
  if (value.detail !== undefined && value.detail !== null && value.detail !== '') message.detail = value.detail;
  return message;
}

function readOffer(value: unknown): Offer | undefined {
  if (!isObject(value)) return undefined;
  const conversation = text(value.conversation) || idOf(value.id);
  if (conversation === '') return undefined;
  return {
    conversation,
    gen: whole(value.gen),
    queue: idOf(value.queue),
    channel: text(value.channel),
    contact: person(value.contact),
    preview: text(value.preview),
    expires_at: text(value.expires_at),
  };
}

export function readConversation(value: unknown): ConversationInfo | undefined {
  if (!isObject(value)) return undefined;
  // In an event `id` is the event's own, so `conversation` comes first; the API's object has only `id`.
  const conversation = text(value.conversation) || text(value.id);
  if (conversation === '') return undefined;
  const info: ConversationInfo = { conversation, gen: whole(value.gen), state: text(value.state) };
  if ('owner' in value) info.owner = idOf(value.owner);
  if (value.queue) info.queue = idOf(value.queue);
  if (text(value.channel)) info.channel = text(value.channel);
  if (value.contact) info.contact = person(value.contact);
  if (text(value.window_until)) info.window_until = text(value.window_until);
  if (whole(value.messages) > 0) info.last_n = whole(value.messages);
  for (const key of ['account', 'preview', 'why', 'into', 'previous', 'answers', 'first_at', 'last_at'] as const) {
    if (text(value[key])) info[key] = text(value[key]);
  }
  if ('invited' in value) info.invited = idOf(value.invited);
  if (isObject(value.attributes)) info.attributes = texts(value.attributes);
  if (value.archived === true) info.archived = true;
  const dues = readDues(value.sla);
  if (dues) info.dues = dues;
  return info;
}

const texts = (value: Json): Record<string, string> =>
  Object.fromEntries(Object.entries(value).filter((entry): entry is [string, string] => typeof entry[1] === 'string'));

export function readDues(value: unknown): Due[] | undefined {
  if (!isObject(value)) return undefined;
  const dues: Due[] = [];
  for (const which of ['first_reply', 'next_reply', 'resolve'] as const) {
    const clock = value[which];
    if (!isObject(clock) || text(clock.due) === '') continue;
    const state = text(clock.state);
    if (state === 'due' || state === 'predicted' || state === 'breached') dues.push({ which, state, due: text(clock.due) });
  }
  return dues;
}

function readBody(frame: Json): EventBody | undefined {
  const conversation = text(frame.conversation);
  switch (frame.kind) {
    case 'offer': {
      // The event's own id must not be taken for the conversation's.
      const offer = readOffer({ ...frame, id: undefined });
      return offer && { kind: 'offer', offer };
    }
    case 'rescinded':
      return conversation === '' ? undefined : { kind: 'rescinded', conversation, gen: whole(frame.gen), why: text(frame.why) };
    case 'assigned': {
      if (conversation === '') return undefined;
      const view = isObject(frame.view) ? readConversation({ ...frame.view, conversation }) : undefined;
      return { kind: 'assigned', conversation, gen: whole(frame.gen), ...(view ? { view } : {}) };
    }
    case 'message': {
      const message = readMessage(frame.message);
      if (conversation === '' || !message) return undefined;
      return { kind: 'message', conversation, message, window_until: text(frame.window_until) };
    }
    case 'receipt': {
      const message = text(frame.message);
      if (conversation === '' || message === '') return undefined;
      const receipt = { conversation, message, state: text(frame.state), reason: text(frame.reason), at: text(frame.at) };
      return { kind: 'receipt', receipt };
    }
    case 'conversation': {
      const info = readConversation({ ...frame, id: undefined });
      return info && { kind: 'conversation', info };
    }
    case 'typing':
      return conversation === '' ? undefined : { kind: 'typing', conversation };
    case 'queue': {
      const queue = { id: text(frame.queue), name: text(frame.name), waiting: whole(frame.waiting), ready: whole(frame.members_ready) };
      return queue.id === '' ? undefined : { kind: 'queue', queue: { ...queue, oldest_at: text(frame.oldest_at), open: frame.open !== false } };
    }
    case 'presence': {
      const presence = { agent: text(frame.agent), availability: availabilityOf(frame.availability), connected: frame.connected === true };
      // Its weights are tenths of a conversation.
      return { kind: 'presence', presence: { ...presence, load: whole(frame.load) / 10, capacity: whole(frame.capacity) / 10 } };
    }
    default:
      return undefined;
  }
}

export function readFrame(data: string): ServerFrame | undefined {
  let frame: unknown;
  try {
    frame = JSON.parse(data);
  } catch {
    return undefined;
  }
  if (!isObject(frame)) return undefined;
  switch (frame.t) {
    case 'welcome':
      return {
        t: 'welcome',
        agent: person(frame.agent),
        roles: list(frame.roles).map(text),
        availability: availabilityOf(frame.availability),
        last_id: isDecimal(frame.last_id) ? frame.last_id : '0',
        reset: frame.reset === true,
        conversations: list(frame.conversations).map(readConversation).filter(kept),
        offers: list(frame.offers).map(readOffer).filter(kept),
      };
    case 'event': {
      const event: EventFrame = { t: 'event', body: readBody(frame) ?? { kind: 'other' } };
      if (isDecimal(frame.id)) event.id = frame.id;
      return event;
    }
    case 'ack':
      return { t: 'ack', client_id: text(frame.client_id), id: text(frame.id) };
    case 'nack': {
      const problem = readProblem(frame.problem);
      const beside = readProblem({ now: frame.now }).now;
      if (!problem.now && beside) problem.now = beside;
      return { t: 'nack', client_id: text(frame.client_id), problem };
    }
    case 'pong':
      return { t: 'pong' };
    default:
      return undefined;
  }
}
