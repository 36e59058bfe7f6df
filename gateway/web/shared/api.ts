// The REST API as a signed-in page calls it. An answer is data or a Problem, never an exception; the cookie travels by itself.
import { type Problem, readProblem } from './problem.ts';
import type { TicketAnswer } from './link.ts';

export type Answer<T> = { ok: true; data: T } | { ok: false; problem: Problem };
export interface Session {
  agent: { id: string; name: string };
  roles: string[];
}

const kPatienceMs = 20_000;
const kOffline = 0; // the status of a call that got no answer at all
const kSameClockMs = 2000; // below this the difference is only the road and the rounding
const kToken = /^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/; // what may stand in a subprotocol's name (RFC 9110)

export const kNoAgent = 'no_agent'; // signed in, but as somebody who has no desk

export interface Clock {
  skew_ms: number; // the gateway's clock minus ours, by the Date field of its answers
}

export class Api {
  readonly clock: Clock = { skew_ms: 0 };

  constructor(private readonly fetcher: typeof fetch, private readonly nowMs: () => number = Date.now) {}

  async session(): Promise<Answer<Session>> {
    return readSession(await this.call('GET', '/api/v1/session'));
  }
  async login(login: string, password: string): Promise<Answer<Session>> {
    return readSession(await this.call('POST', '/api/v1/session', { login, password }));
  }
  async logout(): Promise<Answer<unknown>> {
    return this.call('DELETE', '/api/v1/session');
  }

  async ticket(): Promise<TicketAnswer> {
    const answer = await this.call('POST', '/api/v1/tickets', { for: 'desk' });
    if (!answer.ok) return answer.problem.status === 401 ? { refused: true } : { later: true };
    const ticket = (answer.data as { ticket?: unknown } | null)?.ticket;
    return typeof ticket === 'string' && kToken.test(ticket) ? { ticket } : { later: true };
  }

  async call(method: string, path: string, body?: object): Promise<Answer<unknown>> {
    const headers: Record<string, string> = { Accept: 'application/json' };
    if (method !== 'GET') headers['X-Belfry-CSRF'] = '1';
    if (body) headers['Content-Type'] = 'application/json';
    const stop = new AbortController();
    const timer = setTimeout(() => stop.abort(), kPatienceMs);
    try {
      const options: RequestInit = { method, headers, credentials: 'same-origin', cache: 'no-store', signal: stop.signal };
      if (body) options.body = JSON.stringify(body);
      const response = await this.fetcher(path, options);
      const date = Date.parse(response.headers.get('date') ?? '');
      // Date has whole seconds: half a second is the best guess for what it left out.
      const skew = date + 500 - this.nowMs();
      if (Number.isFinite(skew)) this.clock.skew_ms = Math.abs(skew) < kSameClockMs ? 0 : skew;
      const text = await response.text();
      let data: unknown = null;
      try {
        data = text === '' ? null : JSON.parse(text);
      } catch {
        return { ok: false, problem: readProblem(null, response.ok ? kOffline : response.status) };
      }
      if (response.ok) return { ok: true, data };
      return { ok: false, problem: { ...readProblem(data), status: response.status } };
    } catch {
      return { ok: false, problem: { status: kOffline } };
    } finally {
      clearTimeout(timer);
    }
  }
}

function readSession(answer: Answer<unknown>): Answer<Session> {
  if (!answer.ok) return answer;
  const body = answer.data as { agent?: { id?: unknown; name?: unknown }; roles?: unknown } | null;
  if (typeof body?.agent?.id !== 'string') return { ok: false, problem: { code: kNoAgent } };
  const name = typeof body.agent.name === 'string' ? body.agent.name : '';
  const roles = Array.isArray(body.roles) ? body.roles.filter((role): role is string => typeof role === 'string') : [];
  return { ok: true, data: { agent: { id: body.agent.id, name }, roles } };
}
