// What outlives a reload: who he is, what is not yet sent, his draft. All of it stays in the storage of the gateway's own origin
// (which browsers keep apart for each site that embeds it), and where there is no storage, in this page alone.
//
// last_id is not here on purpose: it says how far this page's state goes, and a reloaded page has no state to add events to.
import { type Entry, revive, type Outbox } from './outbox.ts';

export interface StorageLike {
  readonly length: number;
  key(index: number): string | null;
  getItem(key: string): string | null;
  setItem(key: string, value: string): void;
  removeItem(key: string): void;
}

export class Keep {
  readonly #own = new Map<string, string>();
  readonly #prefix: string;

  readonly #storage: StorageLike | undefined;

  constructor(storage: StorageLike | undefined, inbox: string) {
    this.#storage = storage;
    this.#prefix = `belfry.${inbox}.`;
  }

  get(name: string): unknown {
    let text = this.#own.get(name);
    try {
      text = this.#storage?.getItem(this.#prefix + name) ?? text;
      return text === undefined ? undefined : JSON.parse(text);
    } catch {
      return undefined;
    }
  }

  set(name: string, value: unknown): void {
    if (value === undefined) this.#own.delete(name);
    else this.#own.set(name, JSON.stringify(value));
    try {
      if (value === undefined) this.#storage?.removeItem(this.#prefix + name);
      else this.#storage?.setItem(this.#prefix + name, JSON.stringify(value));
    } catch {
      // Full or refused: this page still has it.
    }
  }

  // Each entry has a key of its own, so that two tabs do not write over each other.
  put(entry: Entry): void {
    this.set(`out.${entry.client_id}`, entry);
  }
  drop(clientId: string): void {
    this.set(`out.${clientId}`, undefined);
  }
  outbox(): Outbox {
    const found: Entry[] = [];
    for (const name of this.#names()) {
      const entry = name.startsWith('out.') ? revive(this.get(name)) : undefined;
      if (entry) found.push(entry);
    }
    return found.sort((a, b) => a.at_ms - b.at_ms);
  }

  // A person has left: what was his must not be sent or shown to the next.
  clear(): void {
    for (const name of this.#names()) if (name !== 'alerts' && name !== 'language') this.set(name, undefined);
  }

  // The name behind a key of the storage, if it is one of ours.
  nameOf(key: string | null): string | undefined {
    return key?.startsWith(this.#prefix) ? key.slice(this.#prefix.length) : undefined;
  }

  #names(): string[] {
    const names = new Set(this.#own.keys());
    try {
      for (let at = 0; at < (this.#storage?.length ?? 0); at += 1) {
        const name = this.nameOf(this.#storage!.key(at));
        if (name !== undefined) names.add(name);
      }
    } catch {
      // As above.
    }
    return [...names];
  }
}
