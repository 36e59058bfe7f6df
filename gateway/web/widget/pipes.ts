// The two roads to the gateway: a WebSocket, or where that is blocked, events by a streamed GET and our frames by POST. Both carry
// the same frames; a pipe that has ended is not used again.
import { type ClientFrame, kProtocol } from './protocol.ts';
import { eventReader } from './sse.ts';

export interface Pipe {
  send(frame: ClientFrame): void;
  close(): void;
}
export interface PipeUser {
  opened(): void;
  heard(text: string): void;
  closed(code: number, retryAfterS?: number): void;
}
export type Dial = (user: PipeUser) => Pipe;

export const dialSocket = (url: string, Socket: typeof WebSocket): Dial => (user) => {
  const socket = new Socket(url, kProtocol);
  socket.onopen = () => user.opened();
  socket.onmessage = ({ data }) => typeof data === 'string' && user.heard(data);
  socket.onclose = ({ code }) => user.closed(code);
  return {
    send: (frame) => socket.send(JSON.stringify(frame)),
    close: () => {
      socket.onopen = socket.onmessage = socket.onclose = null;
      socket.close(1000);
    },
  };
};

const kPatienceMs = 20_000;
// What an HTTP status would have been as a close code.
const kClose: Record<number, number> = { 401: 4001, 403: 4003, 404: 4003, 429: 4008 };

export const dialStream = (base: string, fetcher: typeof fetch): Dial => (user) => {
  const stop = new AbortController();
  let token = '';
  let turn: Promise<void> = Promise.resolve();
  const end = (code: number, retryAfterS?: number): void => {
    if (stop.signal.aborted) return;
    stop.abort();
    user.closed(code, retryAfterS);
  };

  const listen = async (since: string): Promise<void> => {
    const headers = { Authorization: `Bearer ${token}`, 'Last-Event-ID': since, Accept: 'text/event-stream' };
    const response = await fetcher(`${base}/events`, { headers, cache: 'no-store', signal: stop.signal });
    if (!response.ok || !response.body) return end(kClose[response.status] ?? 1013, Number(response.headers.get('retry-after')));
    const reader = response.body.getReader();
    const decoder = new TextDecoder();
    const read = eventReader('belfry', (data) => stop.signal.aborted || user.heard(data));
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return end(1006);
      read(decoder.decode(value, { stream: true }));
    }
  };

  const post = async (frame: ClientFrame): Promise<void> => {
    const hello = frame.t === 'hello';
    const headers: Record<string, string> = { 'Content-Type': 'application/json' };
    if (!hello) headers.Authorization = `Bearer ${token}`;
    // A call that hangs is a road that is lost.
    const timer = setTimeout(() => end(1006), kPatienceMs);
    try {
      const response = await fetcher(`${base}/frames`, { method: 'POST', headers, body: JSON.stringify(frame), cache: 'no-store', signal: stop.signal });
      const text = await response.text();
      if (response.ok) {
        if (text === '') return;
        if (!hello) return user.heard(text);
        const welcome = JSON.parse(text) as { token: string; last_id: string; reset?: boolean };
        token = welcome.token;
        user.heard(text);
        listen(frame.last_id === undefined || welcome.reset ? welcome.last_id : frame.last_id).catch(() => end(1006));
        return;
      }
      let problem: { code?: string } | undefined;
      try {
        problem = JSON.parse(text) as { code?: string };
      } catch {
        // A proxy's own words.
      }
      const { status } = response;
      const tired = status === 429 || status >= 500;
      const outside = tired || (status === 401 && frame.t !== 'identify');
      if (hello || !('client_id' in frame) || (outside && problem?.code !== 'challenge')) {
        if (hello || outside) end(kClose[status] ?? 1013, Number(response.headers.get('retry-after')));
      } else user.heard(JSON.stringify({ t: 'nack', client_id: frame.client_id, problem: problem ?? { status } }));
    } finally {
      clearTimeout(timer);
    }
  };

  queueMicrotask(() => stop.signal.aborted || user.opened());
  return {
    // One after the other: what he says must not overtake itself.
    send: (frame) => {
      turn = turn.then(() => (stop.signal.aborted ? undefined : post(frame))).catch(() => end(1006));
    },
    close: () => stop.abort(),
  };
};
