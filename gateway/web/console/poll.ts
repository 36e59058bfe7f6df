// Asks again and again while somebody looks, and tells when it was last answered: what is old is shown as old.
import { signal } from '@preact/signals';
import type { Answer } from '../shared/api.ts';
import { backoffMs } from '../shared/backoff.ts';
import type { Problem } from '../shared/problem.ts';

export interface PollWorld {
  nowMs(): number;
  random(): number;
  after(ms: number, action: () => void): () => void;
  seen(): boolean; // the page is before somebody's eyes
}

export class Poll<T> {
  readonly data = signal<T | undefined>(undefined);
  readonly heardMs = signal(0);
  readonly problem = signal<Problem | undefined>(undefined);
  private on = false;
  private round = 0; // an answer of an older round is ignored
  private failed = 0;
  private cancel: () => void = () => {};

  constructor(private readonly world: PollWorld, private readonly everyMs: number, private readonly read: () => Promise<Answer<T>>) {}

  start(): void {
    this.on = true;
    this.failed = 0;
    void this.turn();
  }
  stop(): void {
    this.on = false;
    this.round += 1;
    this.cancel();
  }
  // Seen again, or something was changed here: do not wait for the next turn.
  kick(): void {
    if (this.on) void this.turn();
  }

  private async turn(): Promise<void> {
    this.cancel();
    const round = ++this.round;
    if (!this.world.seen()) return; // kick() comes with the eyes
    const answer = await this.read();
    if (round !== this.round || !this.on) return;
    if (answer.ok) {
      this.failed = 0;
      this.data.value = answer.data;
      this.heardMs.value = this.world.nowMs();
      this.problem.value = undefined;
    } else {
      this.failed += 1;
      this.problem.value = answer.problem;
    }
    const wait = this.failed === 0 ? this.everyMs : Math.max(this.everyMs, backoffMs(this.failed - 1, () => this.world.random()));
    this.cancel = this.world.after(wait, () => void this.turn());
  }
}
