// belfry.chat.v1 as this page speaks it: the frames, and one decoder from text to frame.
//
// The decoder is the page's only door for what the gateway says. It keeps what it understands, gives missing fields a value,
// and answers undefined to a frame it cannot use, so that everything behind it works with whole values.
import { isDecimal } from '../shared/decimal.ts';
import { type Problem, readProblem } from '../shared/problem.ts';

export const kProtocol = 'belfry.chat.v1';
export const kMaxFrameBytes = 16 * 1024;

export interface Media {
  id: string;
  name: string;
  type: string;
  size: number;
  url: string;
}
export interface Message {
  id: string;
  dir: 'in' | 'out'; // in: the citizen's own
  text: string;
  media?: Media;
  at: string;
  state: string;
  client_id: string;
  agent: string;
}
export interface Queue {
  position: number;
  wait_s: number; // 0: not known
}
export interface Field {
  name: string;
  required: boolean;
}
export interface Challenge {
  salt: string;
  bits: number;
}
export interface Alert {
  id: string;
  severity: string;
  headline: string;
  text: string;
  url: string;
  expires: string;
}
export interface Welcome {
  t: 'welcome';
  token: string;
  visitor: string;
  last_id: string;
  reset: boolean;
  conversation?: { id: string; state: string; agent: string };
  messages: Message[];
  open: boolean;
  opens_at: string;
  queue?: Queue;
  form: Field[];
  challenge?: Challenge;
  languages: string[];
  text_max: number;
  media_max: number;
  channels: string[];
  alerts: Alert[];
}
export type EventBody =
  | { kind: 'message'; message: Message }
  | { kind: 'receipt'; message: string; state: string }
  | { kind: 'assigned' | 'typing'; agent: string }
  | { kind: 'closed'; why: string }
  | { kind: 'moved'; channel: string; address: string }
  | { kind: 'alert'; alert: Alert }
  | { kind: 'queue'; queue: Queue }
  | { kind: 'other' }; // a kind we do not know still moves the event id
export interface EventFrame {
  t: 'event';
  id?: string;
  body: EventBody;
}
export type ServerFrame =
  | Welcome
  | EventFrame
  | { t: 'ack'; client_id: string; id: string; token: string }
  | { t: 'nack'; client_id: string; problem: Problem; challenge?: Challenge }
  | { t: 'bye'; code: number; retry_after?: number }
  | { t: 'pong' };

// What a frame of ours says that is answered by ack or nack; the outbox adds client_id.
export type Command =
  | { t: 'message'; text?: string; media?: { id: string; name?: string } }
  | { t: 'form'; fields: Record<string, string> }
  | { t: 'identify'; jwt: string }
  | { t: 'solve'; nonce: string }
  | { t: 'continue'; channel: string; number: string }
  | { t: 'end' };
export type ClientFrame =
  | (Command & { client_id: string })
  | { t: 'hello'; inbox: string; token?: string; last_id?: string; language?: string; page?: string }
  | { t: 'typing' | 'ping' }
  | { t: 'read'; message: string };

type Json = Record<string, unknown>;
const object = (value: unknown): Json | undefined => (typeof value === 'object' && value !== null ? value as Json : undefined);
const text = (value: unknown): string => (typeof value === 'string' ? value : '');
const count = (value: unknown, otherwise = 0): number => (typeof value === 'number' && value > 0 ? Math.floor(value) : otherwise);
const texts = (value: unknown): string[] => (Array.isArray(value) ? value.filter((each): each is string => typeof each === 'string') : []);
const all = <T>(value: unknown, read: (each: Json) => T | undefined): T[] =>
  (Array.isArray(value) ? value : []).flatMap((each) => {
    const whole = object(each);
    const one = whole && read(whole);
    return one === undefined ? [] : [one];
  });
const nameOf = (value: unknown): string => text(object(value)?.name);

function readMedia(value: unknown): Media | undefined {
  const media = object(value);
  return media && { id: text(media.id), name: text(media.name), type: text(media.type), size: count(media.size), url: text(media.url) };
}

export function readMessage(value: unknown): Message | undefined {
  const from = object(value);
  if (!from || text(from.id) === '') return undefined;
  const message: Message = {
    id: text(from.id), dir: from.dir === 'out' ? 'out' : 'in', text: text(from.text), at: text(from.at), state: text(from.state),
    client_id: text(from.client_id), agent: nameOf(from.agent),
  };
  const media = readMedia(from.media);
  return media ? { ...message, media } : message;
}

const readQueue = (value: unknown): Queue | undefined => {
  const queue = object(value);
  return queue && count(queue.position) > 0 ? { position: count(queue.position), wait_s: count(queue.wait_s) } : undefined;
};

export function readChallenge(value: unknown): Challenge | undefined {
  const challenge = object(value);
  return challenge && typeof challenge.salt === 'string' ? { salt: challenge.salt, bits: count(challenge.bits) } : undefined;
}

function readAlert(alert: Json): Alert | undefined {
  if (text(alert.id) === '') return undefined;
  return {
    id: text(alert.id), severity: text(alert.severity).toLowerCase(), headline: text(alert.headline), text: text(alert.text),
    url: text(alert.url), expires: text(alert.expires),
  };
}

function readBody(frame: Json): EventBody | undefined {
  switch (frame.kind) {
    case 'message': {
      const message = readMessage(frame.message);
      return message && { kind: 'message', message };
    }
    case 'receipt':
      return { kind: 'receipt', message: text(frame.message), state: text(frame.state) };
    case 'assigned':
    case 'typing':
      return { kind: frame.kind, agent: nameOf(frame.agent) };
    case 'closed':
      return { kind: 'closed', why: text(frame.why) };
    case 'moved':
      return { kind: 'moved', channel: text(frame.channel), address: text(frame.address) };
    case 'alert': {
      const alert = readAlert(object(frame.alert) ?? {});
      return alert && { kind: 'alert', alert };
    }
    case 'queue': {
      const queue = readQueue(frame);
      return queue && { kind: 'queue', queue };
    }
    default:
      return undefined;
  }
}

function readWelcome(frame: Json): Welcome {
  const welcome: Welcome = {
    t: 'welcome',
    token: text(frame.token),
    visitor: text(frame.visitor),
    last_id: isDecimal(frame.last_id) ? frame.last_id : '0',
    reset: frame.reset === true,
    messages: all(frame.messages, readMessage),
    open: frame.open !== false,
    opens_at: text(frame.opens_at),
    form: all(object(frame.form)?.fields, (field) => (text(field.name) ? { name: text(field.name), required: field.required === true } : undefined)),
    languages: texts(frame.languages),
    text_max: count(frame.text_max, 4000),
    media_max: count(frame.media_max),
    channels: texts(frame.continue),
    alerts: all(frame.alerts, readAlert),
  };
  const conversation = object(frame.conversation);
  if (conversation) welcome.conversation = { id: text(conversation.id), state: text(conversation.state), agent: nameOf(conversation.agent) };
  const queue = readQueue(frame.queue);
  if (queue) welcome.queue = queue;
  const challenge = readChallenge(frame.challenge);
  if (challenge) welcome.challenge = challenge;
  return welcome;
}

export function readFrame(data: string): ServerFrame | undefined {
  let frame: Json | undefined;
  try {
    frame = object(JSON.parse(data));
  } catch {
    // Not JSON: no frame.
  }
  switch (frame?.t) {
    case 'welcome':
      return readWelcome(frame);
    case 'event': {
      const body = readBody(frame) ?? { kind: 'other' };
      return isDecimal(frame.id) ? { t: 'event', id: frame.id, body } : { t: 'event', body };
    }
    case 'ack':
      return { t: 'ack', client_id: text(frame.client_id), id: text(frame.id), token: text(frame.token) };
    case 'nack': {
      const challenge = readChallenge(object(frame.problem)?.challenge);
      return { t: 'nack', client_id: text(frame.client_id), problem: readProblem(frame.problem), ...(challenge ? { challenge } : {}) };
    }
    case 'bye': {
      const wait = count(frame.retry_after);
      return { t: 'bye', code: count(frame.code), ...(wait > 0 ? { retry_after: wait } : {}) };
    }
    case 'pong':
      return { t: 'pong' };
    default:
      return undefined;
  }
}
