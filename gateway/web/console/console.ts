// The console's state, apart from how it looks: who is signed in, which page is shown, what is asked, what was said.
import { signal } from '@preact/signals';
import type { Answer, Api, Session } from '../shared/api.ts';
import type { Form } from '../shared/fields.ts';
import type { Problem } from '../shared/problem.ts';
import { type Account, type Agent, emptyHouse, type House, type Queue, readAccount, readAgent, readQueue, readSkill, type Skill } from './house.ts';
import { list, object, text } from '../shared/read.ts';

export interface Place {
  page: string;
  rest: string; // queue_hall, conv_12, or a query
}
export interface Said {
  words: string;
  wrong: boolean;
}

const kPages = 50;
const kPerPage = 200;
export const kFirst = 'wall';

// #/wall/queue_hall
export function readPlace(hash: string): Place {
  const [page = '', ...rest] = hash.replace(/^#\/?/, '').split('/');
  let plain = rest.join('/');
  try {
    plain = decodeURIComponent(plain);
  } catch {
    // As it stands.
  }
  return { page: page || kFirst, rest: plain };
}
export const linkTo = (page: string, rest = ''): string => `#/${page}${rest === '' ? '' : `/${rest}`}`;

export class Console {
  readonly session = signal<Session | 'unknown' | 'out'>('unknown');
  readonly place = signal<Place>({ page: kFirst, rest: '' });
  readonly form = signal<Form | undefined>(undefined);
  readonly said = signal<Said | undefined>(undefined);
  readonly house = signal<House>(emptyHouse);

  constructor(readonly api: Api, readonly nowMs: () => number) {}

  // The gateway's time.
  now(): number {
    return this.nowMs() + this.api.clock.skew_ms;
  }
  may(...roles: string[]): boolean {
    const session = this.session.value;
    return typeof session !== 'string' && session.roles.some((role) => role === 'admin' || roles.includes(role));
  }

  async begin(): Promise<void> {
    this.enter(await this.api.session());
  }
  async login(login: string, password: string): Promise<Answer<Session>> {
    const answer = await this.api.login(login, password);
    if (answer.ok) this.enter(answer);
    return answer;
  }
  async logout(): Promise<void> {
    await this.api.logout();
    this.leave();
  }
  private enter(answer: Answer<Session>): void {
    this.session.value = answer.ok ? answer.data : 'out';
    if (answer.ok) void this.look();
  }
  private leave(): void {
    this.session.value = 'out';
    this.form.value = undefined;
    this.house.value = emptyHouse;
  }

  // Every call goes through here: a session that is over leads to the door, and after it back to where one was.
  async ask(method: string, path: string, body?: object): Promise<Answer<unknown>> {
    const answer = await this.api.call(method, `/api/v1${path}`, body);
    if (!answer.ok && answer.problem.status === 401 && typeof this.session.peek() !== 'string') this.leave();
    return answer;
  }
  // A change: nothing, or why not.
  async change(method: string, path: string, body?: object): Promise<Problem | undefined> {
    const answer = await this.ask(method, path, body);
    return answer.ok ? undefined : answer.problem;
  }
  async all<T>(path: string, read: (value: unknown) => T): Promise<Answer<T[]>> {
    const whole: T[] = [];
    let after = '';
    for (let at = 0; at < kPages; at += 1) {
      const query = new URLSearchParams({ limit: String(kPerPage), ...(after === '' ? {} : { after }) });
      const answer = await this.ask('GET', `${path}${path.includes('?') ? '&' : '?'}${query}`);
      if (!answer.ok) return answer;
      whole.push(...list(object(answer.data).items).map(read));
      after = text(object(answer.data).next);
      if (after === '') break;
    }
    return { ok: true, data: whole };
  }

  // Agents, queues, skills and accounts, for names and choices. What could not be read stays as it was.
  async look(): Promise<void> {
    const [agents, queues, skills, accounts] = await Promise.all([
      this.all<Agent>('/agents', readAgent), this.all<Queue>('/queues', readQueue), this.all<Skill>('/skills', readSkill),
      this.all<Account>('/accounts', readAccount),
    ]);
    const was = this.house.peek();
    this.house.value = {
      agents: agents.ok ? agents.data : was.agents, queues: queues.ok ? queues.data : was.queues,
      skills: skills.ok ? skills.data : was.skills, accounts: accounts.ok ? accounts.data : was.accounts,
    };
  }

  say(words: string, wrong = false): void {
    this.said.value = { words, wrong };
  }
}
