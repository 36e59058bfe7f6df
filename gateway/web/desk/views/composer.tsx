// Where the agent writes. Enter sends, Shift+Enter starts a line; when WhatsApp's window is over it says so and locks replies, not notes.
import { useSignal } from '@preact/signals';
import { useEffect, useId, useRef } from 'preact/hooks';
import { leftText } from '../../shared/i18n.ts';
import { t } from '../words.ts';
import { isWhatsApp } from '../state.ts';
import type { ViewProps } from './app.tsx';
import { Icon } from '../../shared/icons.tsx';

const kMaxCharacters = 4096; // the longest text WhatsApp takes
const kCountFrom = 3500;
const kSoonMs = 2 * 3600 * 1000;

export function Composer({ desk, now }: ViewProps) {
  const note = useSignal(false);
  const area = useRef<HTMLTextAreaElement>(null);
  const labels = useId();
  const conversation = desk.current.value;
  const id = conversation?.id ?? '';
  useEffect(() => {
    // With a keyboard at hand writing can begin at once; on a phone it would only raise the keyboard over the messages.
    if (matchMedia('(min-width: 720px) and (pointer: fine)').matches) area.current?.focus({ preventScroll: true });
  }, [id]);
  if (!conversation) return null;

  const text = desk.drafts.value[id] ?? '';
  const until = Date.parse(conversation.window_until);
  const windowed = isWhatsApp(conversation.channel) && Number.isFinite(until);
  const left = until - now.value;
  const over = windowed && left <= 0;
  const locked = over && !note.value;

  const send = (): void => {
    if (locked || text.trim() === '') return;
    if (desk.say(id, text, note.value)) desk.draft(id, '');
    area.current?.focus();
  };
  const keyed = (event: KeyboardEvent): void => {
    if (event.key !== 'Enter' || event.shiftKey || event.altKey || event.isComposing) return;
    event.preventDefault();
    send();
  };
  const typed = (event: Event): void => {
    desk.draft(id, (event.currentTarget as HTMLTextAreaElement).value);
    if (!note.value) desk.typing(id);
  };

  return (
    <form class={note.value ? 'composer is-note' : 'composer'} onSubmit={(event) => { event.preventDefault(); send(); }}>
      <div class="composer-top">
        <fieldset class="segments">
          <legend class="sr">{t('mode')}</legend>
          {[false, true].map((each) => (
            <label key={String(each)} class="segment">
              <input type="radio" name={`${labels}-mode`} checked={note.value === each} onChange={() => { note.value = each; }} />
              <span>{t(each ? 'noteMode' : 'replyMode')}</span>
            </label>
          ))}
        </fieldset>
        <button
          type="button"
          class="quiet toggle"
          aria-pressed={desk.sendsTyping.value}
          onClick={() => { desk.sendsTyping.value = !desk.sendsTyping.value; }}
        >{t('showTyping')}</button>
        <span class="spacer" />
        {windowed && !over && <span class={left < kSoonMs ? 'left soon' : 'left'}>{t('windowOpen', { t: leftText(left) })}</span>}
      </div>
      {over && !note.value && <p class="locked" id={`${labels}-lock`}><Icon name="lock" /> {t('windowOver')}</p>}
      <div class="composer-row">
        <textarea
          ref={area}
          rows={2}
          dir="auto"
          maxLength={kMaxCharacters}
          aria-label={t(note.value ? 'yourNote' : 'yourReply')}
          aria-describedby={locked ? `${labels}-lock` : `${labels}-hint`}
          placeholder={locked ? t('windowLocked') : t(note.value ? 'yourNote' : 'yourReply')}
          readOnly={locked}
          value={text}
          onInput={typed}
          onKeyDown={keyed}
        />
        <button type="submit" class="primary" aria-disabled={locked || text.trim() === ''}>{t(note.value ? 'saveNote' : 'send')}</button>
      </div>
      <p class="hint" id={`${labels}-hint`}>
        {t('hint')} {text.length >= kCountFrom && <span>{t('characters', { n: text.length, max: kMaxCharacters })}</span>}
      </p>
    </form>
  );
}
