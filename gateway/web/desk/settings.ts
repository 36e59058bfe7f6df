// What one agent likes, kept in this browser: never words of a citizen.
import { isBinding, type Keymap } from './keymap.ts';
import type { StorageLike } from './storage.ts';

export interface Settings {
  undo: boolean; // replies wait five seconds and can be taken back
  typing: boolean; // citizens see that the agent types
  notify: boolean;
  sound: boolean;
  keysOn: boolean;
  keys: Keymap; // only what differs from the default
}
export const kUndoMs = 5000;
const kKey = 'belfry.desk.settings';

export const defaults = (): Settings => ({ undo: true, typing: true, notify: false, sound: false, keysOn: true, keys: {} });

export function loadSettings(storage: StorageLike): Settings {
  const settings = defaults();
  try {
    const value = JSON.parse(storage.getItem(kKey) ?? 'null') as Partial<Settings> | null;
    if (typeof value !== 'object' || value === null) return settings;
    for (const name of ['undo', 'typing', 'notify', 'sound', 'keysOn'] as const) {
      if (typeof value[name] === 'boolean') settings[name] = value[name];
    }
    if (typeof value.keys === 'object' && value.keys !== null) {
      settings.keys = Object.fromEntries(Object.entries(value.keys).filter(([, binding]) => binding === '' || isBinding(binding)));
    }
  } catch {
    // Refused or another page's: the defaults are as good.
  }
  return settings;
}

export function saveSettings(storage: StorageLike, settings: Settings): void {
  try {
    storage.setItem(kKey, JSON.stringify(settings));
  } catch {
    // For this page only, then.
  }
}
