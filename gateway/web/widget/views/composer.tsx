// What he writes next. Enter sends where there is a real keyboard; on a phone Enter is a new line and the button sends.
import { useRef, useState } from 'preact/hooks';
import type { Chat } from '../chat.ts';
import { sizeText, t } from '../words.ts';
import { Icon } from './icon.tsx';
import { later } from './later.tsx';

const Emoji = later(async () => (await import('./seldom.tsx')).Emoji);
const Files = later(async () => (await import('./seldom.tsx')).Files);

const kLeftFrom = 200; // below so many characters left it says how many
const isTouch = (): boolean => matchMedia('(pointer: coarse)').matches;

export function Composer({ chat }: { chat: Chat }) {
  const words = useRef<HTMLTextAreaElement>(null);
  const chooser = useRef<HTMLInputElement>(null);
  const smile = useRef<HTMLButtonElement>(null);
  const [picking, setPicking] = useState(false);
  const { excess } = chat;

  const send = (): void => {
    if (chat.say()) setPicking(false);
    words.current?.focus();
  };
  const key = (event: KeyboardEvent): void => {
    if (event.key !== 'Enter' || event.shiftKey || event.isComposing || (isTouch() && !event.ctrlKey)) return;
    event.preventDefault();
    send();
  };
  const pick = (one: string): void => {
    const area = words.current!;
    area.setRangeText(one, area.selectionStart, area.selectionEnd, 'end');
    chat.typed(area.value);
  };
  const closeEmoji = (): void => {
    setPicking(false);
    smile.current?.focus();
  };
  const paste = (event: ClipboardEvent): void => {
    const files = [...(event.clipboardData?.files ?? [])];
    if (files.length === 0 || chat.state.media_max === 0) return;
    event.preventDefault();
    chat.attach(files);
  };

  return (
    <form class="composer" onSubmit={(event) => { event.preventDefault(); send(); }}>
      {picking && <Emoji pick={pick} close={closeEmoji} />}
      {chat.files.length > 0 && <Files chat={chat} leave={() => words.current?.focus()} />}
      <div class="composer-row">
        <textarea
          ref={words} data-first aria-label={t('message')} aria-describedby="hint" placeholder={t('message')} rows={1} dir="auto"
          aria-invalid={excess > 0} value={chat.draft} onInput={(event) => chat.typed(event.currentTarget.value)} onKeyDown={key} onPaste={paste}
        />
        <button type="submit" class="send" aria-label={t('send')} aria-disabled={!chat.canSend}><Icon name="send" /></button>
      </div>
      <div class="composer-tools">
        {chat.state.media_max > 0 && (
          <button type="button" class="bare" onClick={() => chooser.current?.click()} aria-label={t('attach', { size: sizeText(chat.state.media_max) })}
            title={t('attach', { size: sizeText(chat.state.media_max) })}><Icon name="clip" /></button>
        )}
        <input ref={chooser} type="file" multiple hidden onChange={(event) => {
          const input = event.currentTarget;
          chat.attach([...(input.files ?? [])]);
          input.value = '';
          words.current?.focus();
        }} />
        <button type="button" class="bare" ref={smile} aria-label={t('emoji')} title={t('emoji')} aria-expanded={picking} onClick={() => setPicking(!picking)}><Icon name="smile" /></button>
        <span class={excess > 0 ? 'why' : 'hint'} id="hint">
          {excess > 0 ? t('excess', { n: excess }) : excess > -kLeftFrom ? t('left', { n: -excess }) : isTouch() ? '' : t('hint')}
        </span>
      </div>
    </form>
  );
}
