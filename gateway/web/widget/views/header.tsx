// Who one talks with, and what one can do besides talking.
import { useRef, useState } from 'preact/hooks';
import { isLanguage, type Language, languages } from '../../shared/sentences.ts';
import type { Chat } from '../chat.ts';
import { channelText, language, t } from '../words.ts';
import { Icon } from './icon.tsx';

export interface HeaderProps {
  chat: Chat;
  speak(language: Language): void;
  askEnd(): void;
  shut: (() => void) | undefined; // nothing to shut where the page stands alone
}
export function Header({ chat, speak, askEnd, shut }: HeaderProps) {
  const [open, setOpen] = useState(false);
  const more = useRef<HTMLButtonElement>(null);
  const box = useRef<HTMLDivElement>(null);
  const { live, agent, channels, items } = chat.state;
  // The menu goes before what it asked for comes, so that a dialog can give the focus back to where it was.
  const act = (action: () => void) => (): void => {
    more.current?.focus();
    setOpen(false);
    action();
  };
  const key = (event: KeyboardEvent): void => {
    if (event.key !== 'Escape' || !open) return;
    event.preventDefault();
    act(() => {})();
  };
  const left = (event: FocusEvent): void => {
    if (event.relatedTarget && !box.current?.contains(event.relatedTarget as Node)) setOpen(false);
  };
  return (
    <header class="head">
      <h1>{agent === '' ? t('title') : <bdi>{agent}</bdi>}</h1>
      <div class="more" ref={box} onKeyDown={key} onFocusOut={left}>
        <button type="button" class="bare" ref={more} aria-label={t('more')} aria-expanded={open} aria-controls="menu" onClick={() => setOpen(!open)}><Icon name="more" /></button>
        <div id="menu" class="menu" hidden={!open}>
          {items.length > 0 && <button type="button" aria-disabled={chat.saving} onClick={act(() => void chat.transcript())}>{t('transcript')}</button>}
          {live && channels.map((channel) => <button type="button" key={channel} onClick={act(() => chat.askGoOn(channel))}>{t('goOn', { channel: channelText(channel) })}</button>)}
          {live && <button type="button" onClick={act(askEnd)}>{t('end')}</button>}
          <label>
            {t('language')}
            <select value={language} onChange={({ currentTarget: { value } }) => isLanguage(value) && speak(value)}>
              {Object.entries(languages).map(([tag, { name }]) => <option key={tag} value={tag} lang={tag} selected={tag === language}>{name}</option>)}
            </select>
          </label>
        </div>
      </div>
      {shut && <button type="button" class="bare" aria-label={t('close')} onClick={shut}><Icon name="close" /></button>}
    </header>
  );
}
