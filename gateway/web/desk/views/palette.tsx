// Ctrl+K: every action and every conversation by a few of its letters; and `?`: the keys, what they do, and how to have others.
import { useSignal } from '@preact/signals';
import { useEffect, useId, useRef } from 'preact/hooks';
import { actions, groups, run, type Action, type Hands } from '../actions.ts';
import type { Desk } from '../desk.ts';
import { bindingOf, holderOf, keyOf, rebound, shownKey } from '../keymap.ts';
import { channelWord } from '../names.ts';
import { t } from '../words.ts';
import { Dialog } from '../../shared/dialog.tsx';

const kMostConversations = 8;

interface Choice {
  key: string;
  label: string;
  side: string;
  pick(): void;
}

export function Palette({ desk, hands }: { desk: Desk; hands: Hands }) {
  const asked = useSignal('');
  const at = useSignal(0);
  const box = useRef<HTMLUListElement>(null);
  const id = useId();
  const close = (): void => { desk.dialog.value = undefined; };
  const settings = desk.settings.value;
  const words = asked.value.trim().toLocaleLowerCase().split(/\s+/).filter((each) => each !== '');
  const fits = (text: string): boolean => words.every((word) => text.toLocaleLowerCase().includes(word));
  const known = new Map([...desk.mine.value, ...desk.others.value].map((each) => [each.id, each]));
  const choices: Choice[] = [
    ...actions.filter((each) => each.id !== 'palette' && each.fits(desk) && fits(t(each.word))).map((each): Choice => ({
      key: each.id, label: t(each.word), side: settings.keysOn ? shownKey(keyOf(settings.keys, each.id)) : '',
      pick: () => later(() => run(each, desk, hands)),
    })),
    ...[...known.values()].filter((each) => fits(`${each.contact.name} ${channelWord(each.channel)}`)).slice(0, kMostConversations).map((each): Choice => ({
      key: each.id, label: each.contact.name || t('nameless'), side: channelWord(each.channel), pick: () => later(() => desk.select(each.id)),
    })),
  ];
  // First the dialog goes and gives the focus back, then the action may put it elsewhere.
  const later = (action: () => void): void => {
    close();
    setTimeout(action, 0);
  };
  const chosen = Math.min(at.value, choices.length - 1);
  useEffect(() => { box.current?.querySelector('[aria-selected=true]')?.scrollIntoView({ block: 'nearest' }); }, [chosen]);
  const keyed = (event: KeyboardEvent): void => {
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (step !== undefined && choices.length > 0) {
      event.preventDefault();
      at.value = (chosen + step + choices.length) % choices.length;
    } else if (event.key === 'Enter' && !event.isComposing) {
      event.preventDefault();
      choices[chosen]?.pick();
    }
  };
  return (
    <Dialog title={t('palette')} close={close}>
      <input
        type="text" role="combobox" aria-expanded="true" aria-controls={`${id}-list`} aria-autocomplete="list" autofocus
        aria-activedescendant={chosen >= 0 ? `${id}-${chosen}` : undefined} aria-label={t('paletteAsk')} placeholder={t('paletteAsk')} dir="auto"
        value={asked.value} onInput={(event) => { asked.value = event.currentTarget.value; at.value = 0; }} onKeyDown={keyed}
      />
      <ul ref={box} id={`${id}-list`} class="palette" role="listbox" aria-label={t('palette')}>
        {choices.map((choice, index) => (
          <li key={choice.key} id={`${id}-${index}`} role="option" aria-selected={index === chosen} onClick={choice.pick}>
            <bdi>{choice.label}</bdi> <span class="side"><bdi>{choice.side}</bdi></span>
          </li>
        ))}
      </ul>
      <p class="hint" role="status">{choices.length === 0 ? t('paletteNone') : ''}</p>
    </Dialog>
  );
}

export function Help({ desk }: { desk: Desk }) {
  const asking = useSignal(''); // the action whose new key is waited for
  const said = useSignal('');
  const settings = desk.settings.value;
  const change = (action: Action) => (event: KeyboardEvent): void => {
    if (asking.value !== action.id || ['Control', 'Alt', 'Shift', 'Meta', 'AltGraph', 'Tab'].includes(event.key)) return;
    event.preventDefault();
    event.stopPropagation();
    if (event.key === 'Escape') {
      asking.value = '';
      return;
    }
    if (event.key === 'Delete' || event.key === 'Backspace') {
      desk.set({ keys: { ...settings.keys, [action.id]: '' } });
      asking.value = '';
      return;
    }
    const binding = bindingOf(event);
    if (binding === '') {
      said.value = t('keyWrong');
      return;
    }
    const holder = holderOf(settings.keys, binding);
    const other = actions.find((each) => each.id === holder && each.id !== action.id);
    desk.set({ keys: rebound(settings.keys, action.id, binding) });
    said.value = other ? t('keyMoved', { key: shownKey(binding), from: t(other.word) }) : t('keySet', { key: shownKey(binding) });
    asking.value = '';
  };
  return (
    <Dialog title={t('help')} close={() => { desk.dialog.value = undefined; }} wide>
      <label class="check"><input type="checkbox" checked={settings.keysOn} onChange={(event) => desk.set({ keysOn: event.currentTarget.checked })} /> <span>{t('keysOn')}</span></label>
      <p class="hint">{t('keysHint')}</p>
      <p class="hint" role="status">{said.value}</p>
      <div class="keys">
        {groups.map(({ group, word }) => (
          <section key={group} aria-labelledby={`keys-${group}`}>
            <h3 id={`keys-${group}`}>{t(word)}</h3>
            <ul>
              {actions.filter((each) => each.group === group).map((each) => (
                <li key={each.id}>
                  <span>{t(each.word)}</span>
                  <button
                    type="button" class="key" aria-label={t('changeKey', { action: t(each.word), key: shownKey(keyOf(settings.keys, each.id)) || t('noKey') })}
                    onClick={() => { asking.value = asking.value === each.id ? '' : each.id; }} onKeyDown={change(each)} onBlur={() => { if (asking.value === each.id) asking.value = ''; }}
                  >
                    {asking.value === each.id ? t('pressKey') : <kbd dir="ltr">{shownKey(keyOf(settings.keys, each.id)) || '—'}</kbd>}
                  </button>
                </li>
              ))}
            </ul>
          </section>
        ))}
      </div>
      <div class="choices"><button type="button" onClick={() => { desk.set({ keys: {} }); said.value = t('keysReset'); }}>{t('resetKeys')}</button></div>
    </Dialog>
  );
}

export interface Asker {
  canNotify(): boolean;
  askNotify(): Promise<boolean>;
  beep(): void;
}

export function SettingsDialog({ desk, asker }: { desk: Desk; asker: Asker }) {
  const settings = desk.settings.value;
  const refused = useSignal(false);
  const notify = async (on: boolean): Promise<void> => {
    refused.value = on && !(await asker.askNotify());
    desk.set({ notify: on && !refused.value });
  };
  return (
    <Dialog title={t('settings')} close={() => { desk.dialog.value = undefined; }}>
      <div class="form">
        <label class="check"><input type="checkbox" checked={settings.undo} onChange={(event) => desk.set({ undo: event.currentTarget.checked })} /> <span>{t('setUndo')}</span></label>
        <label class="check"><input type="checkbox" checked={settings.typing} onChange={(event) => desk.set({ typing: event.currentTarget.checked })} /> <span>{t('showTyping')}</span></label>
        <label class="check"><input type="checkbox" checked={settings.notify} onChange={(event) => void notify(event.currentTarget.checked)} /> <span>{t('setNotify')}</span></label>
        <div role="alert">{refused.value && <p class="locked">{t('notifyRefused')}</p>}</div>
        <label class="check">
          <input type="checkbox" checked={settings.sound} onChange={(event) => { desk.set({ sound: event.currentTarget.checked }); if (event.currentTarget.checked) asker.beep(); }} /> <span>{t('setSound')}</span>
        </label>
        <label class="check"><input type="checkbox" checked={settings.keysOn} onChange={(event) => desk.set({ keysOn: event.currentTarget.checked })} /> <span>{t('keysOn')}</span></label>
        <p class="hint">{t('settingsHint')}</p>
        <div class="choices"><button type="button" onClick={() => { desk.dialog.value = { is: 'help' }; }}>{t('help')}</button></div>
      </div>
    </Dialog>
  );
}
