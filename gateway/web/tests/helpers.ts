// Short ways to say what the gateway says.
import type { SocketLike } from '../shared/link.ts';
import { readFrame, readMessage, type EventFrame, type Message, type ServerFrame, type Welcome } from '../desk/protocol.ts';
import { applyEvent, applyWelcome, emptyState, type State, type Step } from '../desk/state.ts';

export const frame = (value: unknown): ServerFrame => {
  const read = readFrame(JSON.stringify(value));
  if (!read) throw new Error(`unreadable: ${JSON.stringify(value)}`);
  return read;
};
export const welcome = (more: object = {}): Welcome => frame({
  t: 'welcome', agent: { id: 'agent_1', name: 'Ana' }, roles: ['agent'], availability: 'ready', last_id: '10', reset: true,
  conversations: [], offers: [], ...more,
}) as Welcome;
export const event = (id: number | undefined, more: object): EventFrame =>
  frame({ t: 'event', ...(id === undefined ? {} : { id: String(id) }), ...more }) as EventFrame;
export const wire = (n: number, more: object = {}): Record<string, unknown> => ({
  id: `msg_c.${n}`, n, dir: 'in', type: 'text', text: `words ${n}`, at: `2026-01-01T00:00:${String(n).padStart(2, '0')}Z`,
  state: 'stored', provider_id: `wamid.${n}`, ...more,
});
export const message = (n: number, more: object = {}): Message => readMessage(wire(n, more))!;
export const open = (more: object = {}): object => ({
  conversation: 'conv_c', gen: 3, state: 'active', owner: 'agent_1', channel: 'whatsapp', queue: 'queue_a',
  contact: { id: 'contact_1', name: 'João' }, ...more,
});
// A state in which conv_c is ours and its log, so far empty, is all here.
export const ours = (more: object = {}): State => {
  const state = applyWelcome(emptyState(), welcome({ conversations: [open(more)] }));
  const conversation = { ...state.conversations.conv_c!, loaded: true };
  return { ...state, conversations: { conv_c: conversation } };
};
export const run = (state: State, ...events: EventFrame[]): Step =>
  events.reduce<Step>((step, each) => applyEvent(step.state, each, 0), { state });

export class FakeSocket implements SocketLike {
  onopen: (() => void) | null = null;
  onmessage: ((event: { data: unknown }) => void) | null = null;
  onclose: ((event: { code: number; reason: string }) => void) | null = null;
  said: string[] = [];
  closed = false;
  constructor(readonly protocols: string[]) {}
  send(text: string): void { this.said.push(text); }
  close(): void { this.closed = true; }
}
