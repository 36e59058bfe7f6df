// One line to the gateway that comes back by itself, over whichever road works: the socket first, the stream when the socket
// failed twice before it opened or was mute for 10 s. It knows heartbeats, backoff and close codes, and nothing of what is said.
import { backoffMs } from '../shared/backoff.ts';
import type { Dial, Pipe } from './pipes.ts';
import type { ClientFrame } from './protocol.ts';

export type Road = 'socket' | 'stream';
export interface LineWorld {
  dial: Record<Road, Dial>;
  road: Road; // the one that worked last in this session
  random(): number;
  after(ms: number, action: () => void): () => void; // answers how to cancel it
  nowMs(): number;
}
export interface LineUser {
  hello(): ClientFrame;
  heard(text: string): void;
  changed(): void;
  expired(): void; // the token is worth nothing: forget it
  outdated(): void; // what we have cannot be resumed: forget last_id
}
export type LineStatus = { is: 'off' | 'connecting' | 'open' } | { is: 'waiting'; until_ms: number } | { is: 'stopped'; code: number };

export const kTokenExpired = 4001;
export const kOriginRefused = 4003;
const kRateLimit = 4008;
export const kTooManyTabs = 4009;
const kResumeImpossible = 4010;
const kNoClose = 1006; // the road broke: nobody said why
const kPatienceMs = 10_000; // for a road to open, to speak first, and to answer a ping
const kQuietMs = 25_000;
const kTries = 2; // of a road that has not yet worked
const kTriesProven = 5;

export class Line {
  status: LineStatus = { is: 'off' };
  road: Road;
  #pipe: Pipe | undefined;
  #round = 0; // what belongs to an older round is ignored
  #attempt = 0;
  #failures = 0;
  #proven = false;
  #cancelTimer: () => void = () => {};

  readonly #world: LineWorld;
  readonly #user: LineUser;

  constructor(world: LineWorld, user: LineUser) {
    this.#world = world;
    this.#user = user;
    this.road = world.road;
  }

  start(): void {
    if (this.status.is === 'off' || this.status.is === 'stopped') this.#connect();
  }

  // The network is back or the page is seen again: do not sit out the wait; and if the line is open, see whether it lives.
  kick(): void {
    if (this.status.is === 'waiting') this.#connect();
    else if (this.status.is === 'open') this.#probe();
  }

  // Hang up and call again: somebody else is to be greeted, or an event is missing.
  again(): void {
    if (this.status.is !== 'off') this.#connect();
  }

  // The welcome ends the row of failures; an open road alone does not.
  settled(): void {
    this.#attempt = this.#failures = 0;
    this.#proven = true;
    this.#become({ is: 'open' });
  }

  send(frame: ClientFrame): boolean {
    if (this.status.is !== 'open' || !this.#pipe) return false;
    this.#pipe.send(frame);
    return true;
  }

  // The gateway hangs up, or says that it will.
  ended(code: number, retryAfterS = 0): void {
    this.#drop();
    if (code === kTokenExpired) this.#user.expired();
    if (code === kResumeImpossible) this.#user.outdated();
    if (code === kOriginRefused || code === kTooManyTabs) return this.#become({ is: 'stopped', code });
    const floorS = code === kRateLimit ? Math.max(10, retryAfterS) : retryAfterS;
    // After a restart ten thousand pages come back: half of what we were told to wait is added by chance.
    this.#wait(floorS * 1000 * (1 + this.#world.random() / 2));
  }

  #become(status: LineStatus): void {
    this.status = status;
    this.#user.changed();
  }

  #timer(ms: number, action: () => void): void {
    this.#cancelTimer();
    this.#cancelTimer = this.#world.after(ms, action);
  }

  #drop(): void {
    this.#round += 1;
    this.#cancelTimer();
    this.#pipe?.close();
    this.#pipe = undefined;
  }

  #wait(floorMs: number): void {
    const ms = Math.max(floorMs, backoffMs(this.#attempt, () => this.#world.random()));
    this.#attempt += 1;
    this.#become({ is: 'waiting', until_ms: this.#world.nowMs() + ms });
    this.#timer(ms, () => this.#connect());
  }

  // The road did not carry a single frame.
  #failed(mute: boolean): void {
    this.#failures += 1;
    if (mute || this.#failures >= (this.#proven ? kTriesProven : kTries)) {
      this.road = this.road === 'socket' ? 'stream' : 'socket';
      this.#failures = 0;
      this.#proven = false;
    }
  }

  #connect(): void {
    this.#drop();
    const round = this.#round;
    let open = false;
    let spoke = false;
    const lost = (code: number, mute: boolean, retryAfterS?: number): void => {
      if (round !== this.#round) return;
      if (!spoke && code === kNoClose) this.#failed(mute);
      this.ended(code, retryAfterS);
    };
    this.#become({ is: 'connecting' });
    this.#timer(kPatienceMs, () => lost(kNoClose, false));
    try {
      this.#pipe = this.#world.dial[this.road]({
        opened: () => {
          if (round !== this.#round || open) return;
          open = true;
          this.#timer(kPatienceMs, () => lost(kNoClose, true));
          this.#pipe?.send(this.#user.hello());
        },
        heard: (text) => {
          if (round !== this.#round) return;
          spoke = true;
          this.#timer(kQuietMs, () => this.#probe());
          this.#user.heard(text);
        },
        closed: (code, retryAfterS) => lost(code, false, retryAfterS || undefined),
      });
    } catch {
      // A browser may refuse to open a socket at all.
      lost(kNoClose, false);
    }
  }

  #probe(): void {
    if (!this.send({ t: 'ping' })) return;
    const round = this.#round;
    // Over HTTP a ping may be answered by nothing: there its failure closes the stream, and its silence says nothing.
    if (this.road === 'stream') this.#timer(kQuietMs, () => this.#probe());
    else this.#timer(kPatienceMs, () => round === this.#round && this.ended(kNoClose));
  }
}
