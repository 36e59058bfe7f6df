// Which key does what. A binding is modifiers and the key's place on the keyboard ("Alt+KeyJ"), so that it is the same key under
// a Latin, a Cyrillic and an Arabic layout, and never a letter alone, so that it is never typed by accident.
export type Keymap = Readonly<Record<string, string>>; // action -> binding; '' is no key

export const defaultKeys: Keymap = {
  palette: 'Control+KeyK', help: 'Alt+Slash', settings: 'Alt+Comma',
  next: 'Alt+KeyJ', previous: 'Alt+KeyK', nextTab: 'Alt+KeyN', context: 'Alt+KeyI', list: 'Alt+KeyC', log: 'Alt+KeyV', older: 'Alt+KeyY',
  accept: 'Alt+KeyA', decline: 'Alt+KeyD',
  resolve: 'Alt+KeyE', resolveNext: 'Control+Alt+KeyE', resolveAs: 'Alt+KeyR', spam: 'Alt+KeyX', reopen: 'Alt+KeyO', park: 'Alt+KeyM',
  transfer: 'Alt+KeyT', merge: 'Alt+KeyU', switch: 'Alt+KeyH', attributes: 'Control+Alt+KeyI',
  take: 'Alt+KeyG', assign: 'Control+Alt+KeyG', requeue: 'Control+Alt+KeyQ', priority: 'Control+Alt+KeyP', close: 'Control+Alt+KeyX',
  reply: 'Alt+KeyL', note: 'Alt+KeyP', attach: 'Control+Alt+KeyA', template: 'Alt+KeyW', buttons: 'Alt+KeyB', choices: 'Alt+KeyS', undo: 'Alt+KeyZ',
  ready: 'Alt+Digit1', paused: 'Alt+Digit2', draining: 'Alt+Digit3', offline: 'Alt+Digit4', signOut: 'Alt+KeyQ',
};

const modifiers = ['Control', 'Alt', 'Shift', 'Meta'] as const;
const kCode = /^(Key[A-Z]|Digit[0-9]|F[1-9][0-2]?|Slash|Comma|Period|Semicolon|Quote|Backslash|Minus|Equal|BracketLeft|BracketRight|Home|End|PageUp|PageDown|Arrow(Up|Down|Left|Right))$/;

// A modifier is needed, Shift alone is none; only a function key may stand alone.
export function isBinding(text: unknown): text is string {
  if (typeof text !== 'string') return false;
  const parts = text.split('+');
  const code = parts.pop() ?? '';
  if (!kCode.test(code) || parts.some((part) => !(modifiers as readonly string[]).includes(part))) return false;
  return /^F[1-9]/.test(code) || parts.some((part) => part !== 'Shift');
}

export interface KeyPress {
  code: string;
  ctrlKey: boolean;
  altKey: boolean;
  shiftKey: boolean;
  metaKey: boolean;
}
// What was pressed, as a binding; '' if it cannot be one.
export function bindingOf(press: KeyPress): string {
  const held = [press.ctrlKey && 'Control', press.altKey && 'Alt', press.shiftKey && 'Shift', press.metaKey && 'Meta'];
  const binding = [...held.filter((each): each is string => each !== false), press.code].join('+');
  return isBinding(binding) ? binding : '';
}

export const keyOf = (own: Keymap, action: string): string => own[action] ?? defaultKeys[action] ?? '';

// Who has this key already, if anybody.
export const holderOf = (own: Keymap, binding: string): string | undefined =>
  binding === '' ? undefined : Object.keys(defaultKeys).find((action) => keyOf(own, action) === binding);

// The key goes to `action`; who had it has none now.
export function rebound(own: Keymap, action: string, binding: string): Keymap {
  const holder = holderOf(own, binding);
  const next: Record<string, string> = { ...own };
  if (holder !== undefined && holder !== action) next[holder] = '';
  next[action] = binding;
  if (binding === defaultKeys[action]) delete next[action];
  return next;
}

// As it is printed on keys: "Alt+J".
export const shownKey = (binding: string): string => binding
  .replace('Control', 'Ctrl').replace(/Key([A-Z])$/, '$1').replace(/Digit(\d)$/, '$1').replace('Slash', '/').replace('Comma', ',').replace('Period', '.');
