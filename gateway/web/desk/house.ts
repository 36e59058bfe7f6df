// Who and what else is in the house: colleagues, queues, accounts, canned replies. Read over REST, and again when somebody looks.
import { number, object, text, texts } from '../shared/read.ts';
import type { Canned } from './canned.ts';

export interface Colleague {
  id: string;
  name: string;
  queues: readonly string[];
  skills: readonly string[];
  availability: string;
  reason: string;
  connected: boolean;
  load: number;
  capacity: number;
  bot: boolean;
}
export interface Queue {
  id: string;
  name: string;
  wrapup_s: number;
  open: boolean;
  promises: boolean; // there is an SLA
}
export interface Account {
  id: string;
  channel: string;
}
export interface House {
  agents: readonly Colleague[];
  queues: readonly Queue[];
  accounts: readonly Account[];
  canned: readonly Canned[];
}
export const emptyHouse = (): House => ({ agents: [], queues: [], accounts: [], canned: [] });

export const readColleague = (value: unknown): Colleague => {
  const each = object(value);
  return {
    id: text(each.id), name: text(each.name) || text(each.id), queues: texts(each.queues), skills: texts(each.skills),
    availability: text(each.availability), reason: text(each.reason), connected: each.connected === true,
    load: number(each.load), capacity: number(each.capacity), bot: each.bot === true,
  };
};
export const readQueue = (value: unknown): Queue => {
  const each = object(value);
  const sla = object(each.sla);
  return {
    id: text(each.id), name: text(each.name) || text(each.id), wrapup_s: number(each.wrapup_s), open: each.open !== false,
    promises: ['first_reply_s', 'next_reply_s', 'resolve_s'].some((key) => number(sla[key]) > 0),
  };
};
export const readAccount = (value: unknown): Account => ({ id: text(object(value).id), channel: text(object(value).channel) });

export const agentName = (house: House, id: string): string => house.agents.find((each) => each.id === id)?.name ?? id.replace(/^agent_/, '');
export const queueTitle = (house: House, id: string): string => house.queues.find((each) => each.id === id)?.name ?? id.replace(/^queue_/, '');
