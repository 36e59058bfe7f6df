// Everything that an agent can do, once: its words, when it is possible, and how. The palette, the help, the keys and the buttons read this.
import { batch } from '@preact/signals';
import type { Desk } from './desk.ts';
import { defaultKeys } from './keymap.ts';
import { isOver, takesReplies, type Conversation } from './state.ts';
import type { Key } from './words.ts';

// What an action needs of the page itself.
export interface Hands {
  focus(place: 'composer' | 'list' | 'log' | 'context'): void;
  pickFile(): void;
}
export interface Action {
  id: string;
  word: Key;
  group: 'conversation' | 'writing' | 'going' | 'me';
  fits(desk: Desk): boolean;
  run(desk: Desk, hands: Hands): void;
  repeats?: true; // it may be held down
}

const current = (desk: Desk): Conversation | undefined => desk.current.value;
const mine = (desk: Desk, ...states: string[]): boolean => {
  const conversation = current(desk);
  return conversation?.mine === true && !desk.asked.value.has(conversation.id) && (states.length === 0 || states.includes(conversation.state));
};
const form = (name: string) => (desk: Desk): void => { desk.dialog.value = { is: 'form', form: name }; };
const supervised = (desk: Desk, fits: (conversation: Conversation) => boolean): boolean => {
  const conversation = current(desk);
  return desk.supervises.value && conversation !== undefined && conversation.state !== 'sends' && !desk.asked.value.has(conversation.id) && fits(conversation);
};
const firstOffer = (desk: Desk): string | undefined => desk.state.value.offers.find((each) => !desk.asked.value.has(each.conversation))?.conversation;
const replies = (desk: Desk): boolean => {
  const conversation = current(desk);
  return conversation !== undefined && takesReplies(conversation);
};
const rich = (desk: Desk): boolean => replies(desk) && current(desk)?.channel !== 'sms';
const whatsapp = (desk: Desk): boolean => replies(desk) && ['wa', 'whatsapp'].includes(current(desk)?.channel ?? '');
const always = (): boolean => true;

const table: readonly Omit<Action, 'repeats'>[] = [
  { id: 'accept', word: 'acceptFirst', group: 'conversation', fits: (desk) => firstOffer(desk) !== undefined, run: (desk) => desk.accept(firstOffer(desk) ?? '') },
  { id: 'decline', word: 'declineFirst', group: 'conversation', fits: (desk) => firstOffer(desk) !== undefined, run: (desk) => desk.decline(firstOffer(desk) ?? '') },
  { id: 'resolve', word: 'resolve', group: 'conversation', fits: (desk) => mine(desk, 'active', 'parked', 'wrapup'), run: (desk) => void desk.resolve(desk.selected.value) },
  { id: 'resolveNext', word: 'resolveNext', group: 'conversation', fits: (desk) => mine(desk, 'active', 'parked', 'wrapup'), run: (desk) => desk.resolveAndNext(desk.selected.value) },
  { id: 'resolveAs', word: 'resolveAs', group: 'conversation', fits: (desk) => mine(desk, 'active', 'parked', 'wrapup'), run: form('resolveAs') },
  { id: 'spam', word: 'spam', group: 'conversation', fits: (desk) => mine(desk, 'active', 'parked', 'wrapup'), run: (desk) => void desk.resolve(desk.selected.value, 'spam') },
  { id: 'transfer', word: 'transfer', group: 'conversation', fits: (desk) => mine(desk, 'active'), run: form('transfer') },
  { id: 'park', word: 'park', group: 'conversation', fits: (desk) => mine(desk, 'active'), run: form('park') },
  { id: 'merge', word: 'merge', group: 'conversation', fits: (desk) => mine(desk) || supervised(desk, (each) => !isOver(each)), run: form('merge') },
  { id: 'switch', word: 'switchTitle', group: 'conversation', fits: (desk) => mine(desk, 'active'), run: form('switch') },
  { id: 'reopen', word: 'reopen', group: 'conversation', fits: (desk) => current(desk)?.state === 'closed' && current(desk)?.archived === false, run: form('reopen') },
  { id: 'attributes', word: 'attributes', group: 'conversation', fits: (desk) => mine(desk) || supervised(desk, (each) => !isOver(each)), run: form('attributes') },
  { id: 'take', word: 'take', group: 'conversation', fits: (desk) => supervised(desk, (each) => !isOver(each) && !each.mine), run: (desk) => void desk.act({ t: 'take', conversation: desk.selected.value }) },
  { id: 'assign', word: 'assign', group: 'conversation', fits: (desk) => supervised(desk, (each) => !isOver(each)), run: form('assign') },
  { id: 'requeue', word: 'requeue', group: 'conversation', fits: (desk) => supervised(desk, (each) => !isOver(each)) || mine(desk, 'active', 'parked', 'wrapup'), run: form('requeue') },
  { id: 'priority', word: 'priority', group: 'conversation', fits: (desk) => supervised(desk, (each) => each.state === 'queued'), run: form('priority') },
  { id: 'close', word: 'closeConversation', group: 'conversation', fits: (desk) => supervised(desk, (each) => !isOver(each)), run: form('close') },

  { id: 'reply', word: 'writeReply', group: 'writing', fits: (desk) => replies(desk), run: (desk, hands) => { desk.noteMode.value = false; hands.focus('composer'); } },
  { id: 'note', word: 'writeNote', group: 'writing', fits: (desk) => current(desk)?.mine === true, run: (desk, hands) => { desk.noteMode.value = true; hands.focus('composer'); } },
  { id: 'attach', word: 'attach', group: 'writing', fits: rich, run: (_desk, hands) => hands.pickFile() },
  { id: 'template', word: 'template', group: 'writing', fits: whatsapp, run: form('template') },
  { id: 'buttons', word: 'buttons', group: 'writing', fits: whatsapp, run: form('buttons') },
  { id: 'choices', word: 'list', group: 'writing', fits: whatsapp, run: form('choices') },
  { id: 'undo', word: 'undo', group: 'writing', fits: (desk) => desk.outbox.value.some((entry) => entry.status === 'held'), run: (desk, hands) => { if (desk.undo()) hands.focus('composer'); } },

  { id: 'next', word: 'goNext', group: 'going', fits: (desk) => desk.shown.value.length > 0, run: (desk) => desk.move(1) },
  { id: 'previous', word: 'goPrevious', group: 'going', fits: (desk) => desk.shown.value.length > 0, run: (desk) => desk.move(-1) },
  { id: 'nextTab', word: 'goTab', group: 'going', fits: (desk) => desk.listed.value !== 'hidden', run: (desk) => desk.nextTab() },
  { id: 'list', word: 'goList', group: 'going', fits: always, run: (desk, hands) => { desk.place.value = 'list'; hands.focus('list'); } },
  { id: 'log', word: 'goLog', group: 'going', fits: (desk) => current(desk) !== undefined, run: (desk, hands) => { desk.place.value = 'thread'; hands.focus('log'); } },
  { id: 'context', word: 'goContext', group: 'going', fits: (desk) => current(desk) !== undefined, run: (desk, hands) => { desk.place.value = 'context'; hands.focus('context'); } },
  { id: 'older', word: 'older', group: 'going', fits: (desk) => (current(desk)?.oldest ?? 1) > 1, run: (desk) => void desk.older(desk.selected.value) },
  { id: 'palette', word: 'palette', group: 'going', fits: always, run: (desk) => { desk.dialog.value = { is: 'palette' }; } },
  { id: 'help', word: 'help', group: 'going', fits: always, run: (desk) => { desk.dialog.value = { is: 'help' }; } },

  { id: 'ready', word: 'beReady', group: 'me', fits: always, run: (desk) => desk.availability('ready') },
  { id: 'paused', word: 'bePaused', group: 'me', fits: always, run: form('pause') },
  { id: 'draining', word: 'beDraining', group: 'me', fits: always, run: (desk) => desk.availability('draining') },
  { id: 'offline', word: 'beOffline', group: 'me', fits: always, run: (desk) => desk.availability('offline') },
  { id: 'settings', word: 'settings', group: 'me', fits: always, run: (desk) => { desk.dialog.value = { is: 'settings' }; } },
  { id: 'signOut', word: 'signOut', group: 'me', fits: always, run: (desk) => void desk.logout() },
];
const repeats = new Set(['next', 'previous']);
export const actions: readonly Action[] = table.map((each) => (repeats.has(each.id) ? { ...each, repeats: true } : each));
export const groups: readonly { group: Action['group']; word: Key }[] = [
  { group: 'conversation', word: 'groupConversation' }, { group: 'writing', word: 'groupWriting' }, { group: 'going', word: 'groupGoing' }, { group: 'me', word: 'groupMe' },
];

export const actionOf = (id: string): Action | undefined => actions.find((each) => each.id === id);

// Every action has a key; a key without an action would do nothing.
export const keyless = (): string[] => actions.filter((each) => defaultKeys[each.id] === undefined).map((each) => each.id);

export function run(action: Action, desk: Desk, hands: Hands): boolean {
  if (!action.fits(desk)) return false;
  batch(() => action.run(desk, hands));
  return true;
}
