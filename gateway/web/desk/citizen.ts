// A citizen as GET /contacts/{id} tells of him, read into whole values.
import { type ConversationInfo, readConversation } from './protocol.ts';

export interface Address {
  account: string;
  channel: string;
  address: string;
  contact: string;
  window_until: string;
}
export interface Linked {
  id: string;
  name: string;
  address: string;
}
export interface Citizen {
  id: string;
  name: string;
  addresses: readonly Address[];
  numbers_said: readonly string[];
  merged: readonly (Linked & { since: string; by: string })[];
  same_number: readonly Linked[];
  conversations: readonly ConversationInfo[];
  folded: boolean;
}

type Json = Record<string, unknown>;
const object = (value: unknown): Json => (typeof value === 'object' && value !== null ? value as Json : {});
const text = (value: unknown): string => (typeof value === 'string' ? value : '');
const list = (value: unknown): unknown[] => (Array.isArray(value) ? value : []);

export function readCitizen(value: unknown): Citizen | undefined {
  const body = object(value);
  if (text(body.id) === '') return undefined;
  const linked = (each: unknown): Linked => ({ id: text(object(each).id), name: text(object(each).name), address: text(object(each).address) });
  return {
    id: text(body.id),
    name: text(body.name),
    addresses: list(body.addresses).map(object).map((each) => ({
      account: text(each.account), channel: text(each.channel), address: text(each.address), contact: text(each.contact), window_until: text(each.window_until),
    })).filter((each) => each.address !== ''),
    numbers_said: list(body.numbers_said).map(text).filter((each) => each !== ''),
    merged: list(body.merged).map((each) => ({ ...linked(each), since: text(object(each).since), by: text(object(each).by) })),
    same_number: list(body.same_number).map(linked),
    conversations: list(body.conversations).map(readConversation).filter((each): each is ConversationInfo => each !== undefined),
    folded: body.folded === true,
  };
}

// wa:city:4915112345678 as a person reads it.
export function shownAddress(address: string): string {
  const last = address.slice(address.lastIndexOf(':') + 1);
  return /^\d{7,15}$/.test(last) ? `+${last}` : last;
}
