// One socket to the gateway that comes back by itself. It knows tickets, heartbeats and backoff, and nothing of what is said.
//
// Every turn of the world (socket, clock, chance) is handed in, so the tests run it without a browser.
import { backoffMs } from './backoff.ts';

export interface SocketLike {
  send(text: string): void;
  close(code?: number, reason?: string): void;
  onopen: (() => void) | null;
  onmessage: ((event: { data: unknown }) => void) | null;
  onclose: ((event: { code: number; reason: string }) => void) | null;
}
export type TicketAnswer = { ticket: string } | { refused: true } | { later: true };

export interface LinkWorld {
  protocol: string; // the subprotocol that is spoken
  ticket(): Promise<TicketAnswer>;
  open(protocols: string[]): SocketLike;
  random(): number;
  after(ms: number, action: () => void): () => void; // answers how to cancel it
  nowMs(): number;
}
export interface LinkUser {
  opened(): void; // say hello
  heard(text: string): void;
  changed(status: LinkStatus): void;
  signedOut(): void; // the session is over: show the login
}
export type LinkStatus =
  | { is: 'off' | 'connecting' | 'open' | 'replaced' }
  | { is: 'waiting'; until_ms: number };

const kQuietMs = 25_000; // ask for a pong after so long without a word
const kPatienceMs = 10_000; // and give up after so long without an answer
const kOpenMs = 15_000;
export const kReplaced = 4009;
export const kSignedOut = 4401; // what this socket was opened with is worth nothing now

export class Link {
  status: LinkStatus = { is: 'off' };
  private socket: SocketLike | undefined;
  private round = 0; // an answer that belongs to an older round is ignored
  private attempt = 0;
  private cancelTimer: () => void = () => {};

  constructor(private readonly world: LinkWorld, private readonly user: LinkUser) {}

  start(): void {
    if (this.status.is === 'off' || this.status.is === 'replaced') this.connect();
  }

  stop(): void {
    this.drop();
    this.become({ is: 'off' });
  }

  // The network is back or the page is seen again: do not sit out the wait; and if a socket is open, see whether it lives.
  kick(): void {
    if (this.status.is === 'waiting') this.connect();
    else if (this.status.is === 'open') this.probe();
  }

  // The caller found an event missing: the replay after its last_id comes with a new connection.
  again(): void {
    if (this.status.is === 'off') return;
    this.drop();
    this.wait();
  }

  // The first whole answer of the gateway ends the row of failures; an open socket alone does not.
  settled(): void {
    this.attempt = 0;
  }

  send(text: string): boolean {
    if (this.status.is !== 'open' || !this.socket) return false;
    this.socket.send(text);
    return true;
  }

  private become(status: LinkStatus): void {
    this.status = status;
    this.user.changed(status);
  }

  private timer(ms: number, action: () => void): void {
    this.cancelTimer();
    this.cancelTimer = this.world.after(ms, action);
  }

  private drop(): void {
    this.round += 1;
    this.cancelTimer();
    const socket = this.socket;
    this.socket = undefined;
    if (!socket) return;
    socket.onopen = socket.onmessage = socket.onclose = null;
    try {
      socket.close(1000);
    } catch {
      // A socket that is still connecting may refuse to be closed politely; it is ours no more either way.
    }
  }

  private wait(): void {
    const ms = backoffMs(this.attempt, () => this.world.random());
    this.attempt += 1;
    this.become({ is: 'waiting', until_ms: this.world.nowMs() + ms });
    this.timer(ms, () => this.connect());
  }

  private connect(): void {
    this.drop();
    const round = this.round;
    this.become({ is: 'connecting' });
    const late = (): void => {
      if (round !== this.round) return;
      this.drop();
      this.wait();
    };
    this.timer(kOpenMs, late);
    this.world.ticket().then((answer) => {
      if (round !== this.round) return;
      if ('refused' in answer) {
        this.stop();
        this.user.signedOut();
      } else if ('later' in answer) {
        late();
      } else {
        this.dial(answer.ticket);
      }
    }, late);
  }

  private dial(ticket: string): void {
    const socket = this.world.open([this.world.protocol, `ticket.${ticket}`]);
    this.socket = socket;
    socket.onopen = () => {
      this.become({ is: 'open' });
      this.listen();
      this.user.opened();
    };
    socket.onmessage = (event) => {
      this.listen();
      if (typeof event.data === 'string') this.user.heard(event.data);
    };
    socket.onclose = (event) => {
      this.drop();
      if (event.code === kReplaced) this.become({ is: 'replaced' });
      else if (event.code === kSignedOut) {
        this.stop();
        this.user.signedOut();
      } else this.wait();
    };
  }

  private listen(): void {
    this.timer(kQuietMs, () => this.probe());
  }

  private probe(): void {
    if (!this.send('{"t":"ping"}')) return;
    this.timer(kPatienceMs, () => {
      this.drop();
      this.wait();
    });
  }
}
