// What the desk asks over REST besides its session: conversations and their messages, citizens, the house, files.
import { type Answer, Api } from '../shared/api.ts';
import { readProblem } from '../shared/problem.ts';
import { type Canned, readCanned } from './canned.ts';
import { type Citizen, readCitizen } from './citizen.ts';
import { type Account, type Colleague, type Queue, readAccount, readColleague, readQueue } from './house.ts';
import { type ConversationInfo, type Due, type Message, readConversation, readDues, readMessage } from './protocol.ts';

export interface Page<T = Message> {
  items: T[];
  next: string; // '' is the end
}
export interface SmsPreview {
  encoding: string;
  segments: number;
  room: number; // units that a segment holds
  last: number; // units in the last one
  because_of: string[]; // characters that a cheaper encoding does not have
  cost: string;
}
export interface Upload {
  id: string;
  mime: string;
  size: number;
}
export interface Uploading {
  done: Promise<Answer<Upload>>;
  stop(): void;
}
// How a file goes up: fetch cannot tell how far it got, so the browser's older way is handed in.
export type Uploader = (path: string, headers: Record<string, string>, file: Blob, progress: (part: number) => void) => { done: Promise<{ status: number; text: string }>; stop(): void };

const kPages = 50;
const kPerPage = 200;
const text = (value: unknown): string => (typeof value === 'string' ? value : '');
const whole = (value: unknown): number => (typeof value === 'number' && Number.isFinite(value) ? value : 0);
const kept = <T>(value: T | undefined): value is T => value !== undefined;
const seg = encodeURIComponent;

export class DeskApi extends Api {
  constructor(fetcher: typeof fetch, nowMs?: () => number, private readonly uploader?: Uploader) {
    super(fetcher, nowMs);
  }

  async conversation(id: string): Promise<Answer<ConversationInfo>> {
    const answer = await this.call('GET', `/api/v1/conversations/${seg(id)}`);
    if (!answer.ok) return answer;
    const info = readConversation({ conversation: id, ...(answer.data as object) });
    return info ? { ok: true, data: info } : { ok: false, problem: {} };
  }

  messages(id: string, after: string, limit: number): Promise<Answer<Page>> {
    return this.page(`/api/v1/conversations/${seg(id)}/messages`, after, limit, readMessage);
  }
  async message(id: string): Promise<Answer<Message>> {
    const answer = await this.call('GET', `/api/v1/messages/${seg(id)}`);
    const message = answer.ok ? readMessage(answer.data) : undefined;
    return message ? { ok: true, data: message } : answer.ok ? { ok: false, problem: {} } : answer;
  }
  conversations(): Promise<Answer<ConversationInfo[]>> {
    return this.all('/api/v1/conversations', readConversation);
  }
  waiting(queue: string): Promise<Answer<{ conversation: string; dues: Due[] }[]>> {
    return this.all(`/api/v1/queues/${seg(queue)}/waiting`, (value) => {
      const each = value as { conversation?: unknown; sla?: unknown } | null;
      return text(each?.conversation) === '' ? undefined : { conversation: text(each?.conversation), dues: readDues(each?.sla) ?? [] };
    });
  }
  agents(): Promise<Answer<Colleague[]>> {
    return this.all('/api/v1/agents', readColleague);
  }
  queues(): Promise<Answer<Queue[]>> {
    return this.all('/api/v1/queues', readQueue);
  }
  accounts(): Promise<Answer<Account[]>> {
    return this.all('/api/v1/accounts', readAccount);
  }
  canned(): Promise<Answer<Canned[]>> {
    return this.all('/api/v1/canned', readCanned);
  }

  async contact(id: string, unfold = ''): Promise<Answer<Citizen>> {
    const path = `/api/v1/contacts/${seg(id)}`;
    return this.citizen(unfold === '' ? await this.call('GET', path) : await this.call('POST', `${path}/unfold`, { reason: unfold }));
  }
  // merge, part, numbers and verify answer with a citizen without his conversations: who asked reads him again.
  change(id: string, verb: 'merge' | 'part' | 'numbers' | 'verify', body: object): Promise<Answer<unknown>> {
    return this.call('POST', `/api/v1/contacts/${seg(id)}/${verb}`, body);
  }
  attributes(id: string, attributes: Record<string, string>): Promise<Answer<unknown>> {
    return this.call('PUT', `/api/v1/conversations/${seg(id)}/attributes`, { attributes });
  }

  async smsPreview(account: string, words: string): Promise<Answer<SmsPreview>> {
    const answer = await this.call('POST', '/api/v1/sms/preview', account === '' ? { text: words } : { text: words, account });
    if (!answer.ok) return answer;
    const [first] = items(answer.data) as Record<string, unknown>[];
    if (!first) return { ok: false, problem: {} };
    const units = Array.isArray(first.units) ? first.units.map(whole) : [];
    const cost = text(first.cost);
    return {
      ok: true,
      data: {
        encoding: text(first.encoding), segments: whole(first.segments), room: whole(first.room), last: units[units.length - 1] ?? 0,
        because_of: Array.isArray(first.because_of) ? first.because_of.map(text) : [],
        cost: cost === '' ? '' : `${cost} ${text(first.currency)}`.trim(),
      },
    };
  }

  upload(file: Blob & { name?: string }, progress: (part: number) => void): Uploading {
    const path = `/api/v1/media?filename=${seg((file.name ?? '').slice(0, 200))}`;
    const headers = { Accept: 'application/json', 'X-Belfry-CSRF': '1', 'Content-Type': file.type || 'application/octet-stream' };
    if (!this.uploader) return { done: Promise.resolve({ ok: false, problem: {} }), stop: () => {} };
    const going = this.uploader(path, headers, file, progress);
    const done = going.done.then(({ status, text: body }): Answer<Upload> => {
      let data: unknown = null;
      try {
        data = JSON.parse(body);
      } catch {
        // An answer that is no JSON is told by its status.
      }
      const { id, mime, size } = (data ?? {}) as Record<string, unknown>;
      if (status >= 200 && status < 300 && text(id) !== '') return { ok: true, data: { id: text(id), mime: text(mime), size: whole(size) } };
      return { ok: false, problem: { ...readProblem(data), status } };
    });
    return { done, stop: going.stop };
  }

  private citizen(answer: Answer<unknown>): Answer<Citizen> {
    if (!answer.ok) return answer;
    const citizen = readCitizen(answer.data);
    return citizen ? { ok: true, data: citizen } : { ok: false, problem: {} };
  }
  private async page<T>(path: string, after: string, limit: number, read: (value: unknown) => T | undefined): Promise<Answer<Page<T>>> {
    const query = new URLSearchParams({ limit: String(limit), ...(after === '' ? {} : { after }) });
    const answer = await this.call('GET', `${path}?${query}`);
    if (!answer.ok) return answer;
    const { next } = (answer.data ?? {}) as { next?: unknown };
    return { ok: true, data: { items: items(answer.data).map(read).filter(kept), next: typeof next === 'number' ? String(next) : text(next) } };
  }
  private async all<T>(path: string, read: (value: unknown) => T | undefined): Promise<Answer<T[]>> {
    const whole: T[] = [];
    let after = '';
    for (let at = 0; at < kPages; at += 1) {
      const answer = await this.page(path, after, kPerPage, read);
      if (!answer.ok) return answer;
      whole.push(...answer.data.items);
      after = answer.data.next;
      if (after === '') break;
    }
    return { ok: true, data: whole };
  }
}

const items = (data: unknown): unknown[] => {
  const found = (data as { items?: unknown } | null)?.items;
  return Array.isArray(found) ? found : [];
};
