// What the desk has looked up and the socket does not tell: the house, citizens, what came before a conversation.
import { signal } from '@preact/signals';
import type { Problem } from '../shared/problem.ts';
import type { DeskApi } from './api.ts';
import type { Citizen } from './citizen.ts';
import { emptyHouse, type House } from './house.ts';
import type { ConversationInfo, Due, Message } from './protocol.ts';
import type { State } from './state.ts';

const kMostCitizens = 50;

export class Shelf {
  readonly house = signal<House>(emptyHouse());
  readonly citizens = signal<Readonly<Record<string, Citizen | Problem>>>({});
  readonly earlier = signal<Readonly<Record<string, readonly string[]>>>({}); // conversation -> those shown above it, the nearest first
  readonly recalled = signal<Readonly<Record<string, Message>>>({}); // message id -> what we had sent there before
  private readonly busy = new Set<string>();
  private cannedKnown = true; // until the gateway says that it knows of none

  constructor(private readonly api: DeskApi, private readonly state: () => State) {}

  clear(): void {
    this.house.value = emptyHouse();
    this.citizens.value = {};
    this.earlier.value = {};
    this.recalled.value = {};
    this.busy.clear();
  }

  promises(queue: string): boolean {
    return this.house.peek().queues.some((each) => each.id === queue && each.promises);
  }

  // Reads the house anew; what cannot be read stays as it was.
  async look(): Promise<void> {
    if (this.busy.has('house')) return;
    this.busy.add('house');
    const [agents, queues, accounts, canned] = await Promise.all([
      this.api.agents(), this.api.queues(), this.api.accounts(), this.cannedKnown ? this.api.canned() : undefined,
    ]);
    this.busy.delete('house');
    const old = this.house.peek();
    if (canned && !canned.ok && canned.problem.status === 404) this.cannedKnown = false;
    this.house.value = {
      agents: agents.ok ? agents.data : old.agents,
      queues: queues.ok ? queues.data : old.queues,
      accounts: accounts.ok ? accounts.data : old.accounts,
      canned: canned?.ok ? canned.data : old.canned,
    };
  }

  // The clocks of those who wait, which a list of conversations does not tell.
  async waitingDues(): Promise<Map<string, Due[]>> {
    const found = new Map<string, Due[]>();
    await Promise.all(this.house.peek().queues.filter((queue) => queue.promises).map(async ({ id }) => {
      const answer = await this.api.waiting(id);
      if (answer.ok) for (const each of answer.data) found.set(each.conversation, each.dues);
    }));
    return found;
  }

  citizenOf(contact: string): Citizen | undefined {
    const found = this.citizens.value[contact];
    return found && 'addresses' in found ? found : undefined;
  }

  async meet(contact: string, unfold = '', again = false): Promise<Problem | undefined> {
    if (contact === '' || this.busy.has(contact) || (!again && unfold === '' && this.citizens.peek()[contact])) return undefined;
    this.busy.add(contact);
    const answer = await this.api.contact(contact, unfold);
    this.busy.delete(contact);
    if (!answer.ok && unfold !== '') return answer.problem;
    const all = Object.entries(this.citizens.peek()).filter(([id]) => id !== contact).slice(-kMostCitizens);
    this.citizens.value = { ...Object.fromEntries(all), [contact]: answer.ok ? answer.data : answer.problem };
    return answer.ok ? undefined : answer.problem;
  }

  // The conversation that came before the oldest one shown.
  before(id: string): ConversationInfo | undefined {
    const conversation = this.state().conversations[id];
    const citizen = this.citizenOf(conversation?.contact.id ?? '');
    if (!conversation || !citizen) return undefined;
    const shown = this.earlier.value[id] ?? [];
    const began = (each: { first_at?: string }): number => Date.parse(each.first_at ?? '') || 0;
    const oldest = shown.length > 0 ? citizen.conversations.find((each) => each.conversation === shown[shown.length - 1]) : undefined;
    const limit = oldest ? began(oldest) : began(citizen.conversations.find((each) => each.conversation === id) ?? conversation) || Infinity;
    const older = citizen.conversations.filter((each) => each.conversation !== id && !shown.includes(each.conversation) && began(each) <= limit);
    return older.sort((a, b) => began(b) - began(a))[0];
  }
  addEarlier(id: string, before: string): void {
    this.earlier.value = { ...this.earlier.peek(), [id]: [...(this.earlier.peek()[id] ?? []), before] };
  }

  async recall(message: string): Promise<void> {
    if (message === '' || this.recalled.peek()[message] || this.busy.has(message)) return;
    this.busy.add(message); // for good: what cannot be read now will not be later
    const answer = await this.api.message(message);
    if (answer.ok) this.recalled.value = { ...this.recalled.peek(), [message]: answer.data };
  }
}
