// Who and what is in the house, as the console's forms need it whole.
import { list, maybe, number, object, text, texts } from '../shared/read.ts';

export interface Agent {
  id: string;
  name: string;
  login: string;
  roles: readonly string[];
  queues: readonly string[];
  skills: readonly string[]; // water:3
  capacity: number;
  load: number;
  availability: string;
  reason: string;
  connected: boolean;
  bot: boolean;
}
export interface Step {
  after_s: number;
  lower_levels: number;
  drop: readonly string[];
  add: string;
}
export interface Queue {
  id: string;
  name: string;
  mode: string;
  offer_timeout_s: number;
  wrapup_s: number;
  priority: number;
  skills: readonly string[];
  sticky_s: number;
  steps: readonly Step[];
  hours: string;
  zone: string;
  open: boolean;
  open_why: string;
  open_note: string;
  next_change: string;
  sla: Readonly<Record<string, number>>;
  weights: Readonly<Record<string, number>>;
}
export interface Skill {
  id: string;
  name: string;
}
export interface Account {
  id: string;
  channel: string;
  queue: string;
}
export interface Canned {
  id: string;
  shortcut: string;
  text: string;
  language: string;
  queues: readonly string[];
}
export interface Announcement {
  id: string;
  severity: string;
  headline: string;
  text: string;
  url: string;
  expires: string;
  inboxes: readonly string[];
}
export interface ApiKey {
  id: string;
  role: string;
  agent: string;
  name: string;
  created_at: string;
}
export interface Route {
  queue: string;
  account: string;
  channel: string;
  language: string;
  contact: string;
  words: readonly string[];
  priority: number;
  life_safety: boolean;
  bot: string;
  attributes: Readonly<Record<string, string>>;
}
export interface House {
  agents: readonly Agent[];
  queues: readonly Queue[];
  skills: readonly Skill[];
  accounts: readonly Account[];
}
export const emptyHouse: House = { agents: [], queues: [], skills: [], accounts: [] };

const numbers = (value: unknown): Record<string, number> =>
  Object.fromEntries(Object.entries(object(value)).filter((pair): pair is [string, number] => maybe(pair[1]) !== undefined));

export const readAgent = (value: unknown): Agent => {
  const each = object(value);
  return {
    id: text(each.id), name: text(each.name) || text(each.id), login: text(each.login), roles: texts(each.roles), queues: texts(each.queues),
    skills: texts(each.skills), capacity: number(each.capacity), load: number(each.load), availability: text(each.availability),
    reason: text(each.reason), connected: each.connected === true, bot: each.bot === true,
  };
};
export const readQueue = (value: unknown): Queue => {
  const each = object(value);
  return {
    id: text(each.id), name: text(each.name) || text(each.id), mode: text(each.mode), offer_timeout_s: number(each.offer_timeout_s),
    wrapup_s: number(each.wrapup_s), priority: number(each.priority), skills: texts(each.skills), sticky_s: number(each.sticky_s),
    steps: list(each.steps).map((step) => {
      const one = object(step);
      return { after_s: number(one.after_s), lower_levels: number(one.lower_levels), drop: texts(one.drop), add: text(one.add) };
    }),
    hours: text(each.hours), zone: text(each.zone), open: each.open !== false, open_why: text(each.open_why), open_note: text(each.open_note),
    next_change: text(each.next_change), sla: numbers(each.sla), weights: numbers(each.weights),
  };
};
export const readSkill = (value: unknown): Skill => ({ id: text(object(value).id), name: text(object(value).name) || text(object(value).id) });
export const readAccount = (value: unknown): Account => {
  const each = object(value);
  return { id: text(each.id), channel: text(each.channel), queue: text(each.queue) };
};
export const readCanned = (value: unknown): Canned => {
  const each = object(value);
  return { id: text(each.id), shortcut: text(each.shortcut), text: text(each.text), language: text(each.language), queues: texts(each.queues) };
};
export const readAnnouncement = (value: unknown): Announcement => {
  const each = object(value);
  return {
    id: text(each.id), severity: text(each.severity), headline: text(each.headline), text: text(each.text), url: text(each.url),
    expires: text(each.expires), inboxes: texts(each.inboxes),
  };
};
export const readKey = (value: unknown): ApiKey => {
  const each = object(value);
  return { id: text(each.id), role: text(each.role), agent: text(each.agent), name: text(each.name), created_at: text(each.created_at) };
};
export const readRoute = (value: unknown): Route => {
  const each = object(value);
  return {
    queue: text(each.queue), account: text(each.account), channel: text(each.channel), language: text(each.language), contact: text(each.contact),
    words: texts(each.words), priority: number(each.priority), life_safety: each.life_safety === true, bot: text(each.bot),
    attributes: Object.fromEntries(Object.entries(object(each.attributes)).map(([name, said]) => [name, text(said)])),
  };
};

export const queueName = (house: House, id: string): string => house.queues.find((each) => each.id === id)?.name ?? id.replace(/^queue_/, '');
export const agentName = (house: House, id: string): string => house.agents.find((each) => each.id === id)?.name ?? id.replace(/^agent_/, '');
export const skillName = (house: House, id: string): string => house.skills.find((each) => each.id === id)?.name ?? id;
