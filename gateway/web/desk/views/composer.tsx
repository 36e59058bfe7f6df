// Where the agent writes. It knows its channel: WhatsApp's window, SMS segments, buttons, files. Enter sends, Shift+Enter starts a line;
// `/` offers canned replies and, in notes, `@` colleagues.
import { useSignal } from '@preact/signals';
import { useEffect, useId, useRef } from 'preact/hooks';
import { leftText } from '../../shared/i18n.ts';
import { Icon } from '../../shared/icons.tsx';
import { saying } from '../../shared/problem.ts';
import type { SmsPreview } from '../api.ts';
import { askedFor, filled, matching, openPlaceholders, kPlaceholders } from '../canned.ts';
import type { Attached, Desk } from '../desk.ts';
import { queueTitle } from '../house.ts';
import { keyOf, shownKey } from '../keymap.ts';
import type { Extra } from '../protocol.ts';
import { isWhatsApp, takesReplies } from '../state.ts';
import { t } from '../words.ts';
import type { ViewProps } from './app.tsx';
import { size } from './message.tsx';

const kMaxCharacters = 4096; // the longest text WhatsApp takes
const kCountFrom = 3500;
const kSoonMs = 2 * 3600 * 1000;
const kPreviewMs = 300;
// What WhatsApp takes of each kind, octets.
const kMostOf: Readonly<Record<string, number>> = { image: 5_000_000, audio: 16_000_000, video: 16_000_000, document: 100_000_000 };
export const kindOf = (mime: string): string => /^(image|audio|video)\//.exec(mime)?.[1] ?? 'document';

interface Suggestion {
  key: string;
  title: string;
  more: string;
  insert: string;
}

export function Composer({ desk, now }: ViewProps) {
  const area = useRef<HTMLTextAreaElement>(null);
  const labels = useId();
  const caret = useSignal(0);
  const chosen = useSignal(0);
  const shut = useSignal(''); // the suggestion that Escape has put away
  const dropping = useSignal(false);
  const conversation = desk.current.value;
  const id = conversation?.id ?? '';
  useEffect(() => {
    // With a keyboard at hand writing can begin at once; on a phone it would only raise the keyboard over the messages.
    if (matchMedia('(min-width: 720px) and (pointer: fine)').matches && desk.dialog.value === undefined) area.current?.focus({ preventScroll: true });
  }, [id]);
  if (!conversation) return null;

  const replies = takesReplies(conversation);
  const note = desk.noteMode.value || !replies;
  const text = desk.drafts.value[id] ?? '';
  const extra = note ? undefined : desk.extras.value[id];
  const attached = note ? undefined : desk.attached.value[id];
  const whatsapp = isWhatsApp(conversation.channel);
  const sms = conversation.channel === 'sms';
  const until = Date.parse(conversation.window_until);
  const windowed = whatsapp && Number.isFinite(until);
  const left = until - now.value;
  const over = windowed && left <= 0;
  const locked = over && !note;
  const holes = note ? [] : openPlaceholders(text);
  const reason = locked ? '' : whyNot(text, holes, attached, extra, whatsapp);
  const ready = !locked && reason === '' && (text.trim() !== '' || attached !== undefined);

  const house = desk.shelf.house.value;
  const known = { name: conversation.contact.name, agent: desk.state.value.agent.name, queue: queueTitle(house, conversation.queue) };
  const asked = askedFor(text, caret.value, '/') ?? (note ? askedFor(text, caret.value, '@') : undefined);
  const sign = asked ? text[asked.from] : '';
  const suggestions: Suggestion[] = !asked || locked || shut.value === `${asked.from}${sign}` ? [] : sign === '/'
    ? matching(house.canned, asked.word, conversation.queue).map((each) => ({ key: each.id, title: `/${each.shortcut}`, more: each.text, insert: filled(each.text, known) }))
    : house.agents.filter((each) => !each.bot && each.name.toLowerCase().split(/\s+/).some((word) => word.startsWith(asked.word))).slice(0, 8)
      .map((each) => ({ key: each.id, title: `@${each.name}`, more: '', insert: `@${each.name} ` }));
  const at = Math.min(chosen.value, suggestions.length - 1);

  const take = (suggestion: Suggestion): void => {
    if (!asked) return;
    const next = text.slice(0, asked.from) + suggestion.insert + text.slice(caret.value);
    const end = asked.from + suggestion.insert.length;
    shut.value = '';
    chosen.value = 0;
    // At once, and not after the next drawing: a fast hand writes on meanwhile.
    const box = area.current;
    if (box) {
      box.value = next;
      box.focus();
      // An open placeholder is what has to be written next.
      const hole = /\{[^{}]+\}/.exec(suggestion.insert);
      if (hole) box.setSelectionRange(asked.from + hole.index, asked.from + hole.index + hole[0].length);
      else box.setSelectionRange(end, end);
      caret.value = box.selectionEnd;
    }
    desk.draft(id, next);
  };
  const send = (): void => {
    if (!ready) return;
    const media = attached ? { media: { id: attached.id, kind: kindOf(attached.mime), mime: attached.mime, filename: attached.name } } : {};
    if (desk.say(id, text, note, { ...extra, ...media })) {
      desk.draft(id, '');
      if (extra) desk.extra(id, undefined);
      if (attached) desk.attach(id, undefined);
    }
    area.current?.focus();
  };
  const keyed = (event: KeyboardEvent): void => {
    if (event.isComposing) return;
    if (suggestions.length > 0 && !event.altKey && !event.ctrlKey) {
      const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
      if (step !== undefined) chosen.value = (at + step + suggestions.length) % suggestions.length;
      else if ((event.key === 'Enter' && !event.shiftKey) || event.key === 'Tab') take(suggestions[at]!);
      else if (event.key === 'Escape') shut.value = `${asked?.from}${sign}`;
      else return;
      event.preventDefault();
      return;
    }
    if (event.key !== 'Enter' || event.shiftKey || event.altKey) return;
    event.preventDefault();
    send();
  };
  const typed = (event: Event): void => {
    const box = event.currentTarget as HTMLTextAreaElement;
    caret.value = box.selectionEnd;
    chosen.value = 0;
    if (!askedFor(box.value, box.selectionEnd, '/') && !askedFor(box.value, box.selectionEnd, '@')) shut.value = '';
    desk.draft(id, box.value);
    if (!note) desk.typing(id);
  };
  const files = (list: FileList | null | undefined): boolean => {
    const file = list?.[0];
    if (!file || sms || note || locked) return false;
    desk.upload(id, file);
    return true;
  };
  const tool = (action: string, word: string, icon: 'file' | 'info', run: () => void) => (
    <button type="button" class="quiet tool" title={desk.settings.value.keysOn ? `${word} (${shownKey(keyOf(desk.settings.value.keys, action))})` : word} onClick={run}>
      {icon === 'file' && <Icon name="file" />}<span>{word}</span>
    </button>
  );

  return (
    <form
      class={`composer ${note ? 'is-note' : ''} ${dropping.value ? 'is-dropping' : ''}`}
      onSubmit={(event) => { event.preventDefault(); send(); }}
      onDragOver={(event) => { if (event.dataTransfer?.types.includes('Files')) { event.preventDefault(); dropping.value = true; } }}
      onDragLeave={() => { dropping.value = false; }}
      onDrop={(event) => { dropping.value = false; if (files(event.dataTransfer?.files)) event.preventDefault(); }}
    >
      <div class="composer-top">
        {replies && (
          <fieldset class="segments">
            <legend class="sr">{t('mode')}</legend>
            {[false, true].map((each) => (
              <label key={String(each)} class="segment">
                <input type="radio" name={`${labels}-mode`} checked={note === each} onChange={() => { desk.noteMode.value = each; }} />
                <span>{t(each ? 'noteMode' : 'replyMode')}</span>
              </label>
            ))}
          </fieldset>
        )}
        {!note && !locked && !sms && tool('attach', t('attach'), 'file', () => document.querySelector<HTMLInputElement>('#file')?.click())}
        {!note && whatsapp && !locked && tool('buttons', t('buttons'), 'info', () => { desk.dialog.value = { is: 'form', form: 'buttons' }; })}
        {!note && whatsapp && !locked && tool('choices', t('list'), 'info', () => { desk.dialog.value = { is: 'form', form: 'choices' }; })}
        {!note && whatsapp && !locked && tool('template', t('template'), 'info', () => { desk.dialog.value = { is: 'form', form: 'template' }; })}
        <span class="spacer" />
        {windowed && !over && <span class={left < kSoonMs ? 'left soon' : 'left'}>{t('windowOpen', { t: leftText(left) })}</span>}
      </div>
      {locked && (
        <div class="locked lock-box" id={`${labels}-lock`}>
          <p><Icon name="lock" /> {t('windowOver')}</p>
          <button type="button" class="primary" onClick={() => { desk.dialog.value = { is: 'form', form: 'template' }; }}>{t('chooseTemplate')}</button>
        </div>
      )}
      {!replies && <p class="locked"><Icon name="lock" /> {t(conversation.state === 'parked' ? 'parkedLocked' : 'wrapupLocked')}</p>}
      {attached && <File desk={desk} id={id} attached={attached} />}
      {extra && <ExtraView desk={desk} id={id} extra={extra} />}
      <div class="composer-row">
        {suggestions.length > 0 && (
          <ul class="suggestions" id={`${labels}-suggestions`} role="listbox" aria-label={t(sign === '/' ? 'canned' : 'colleagues')}>
            {suggestions.map((each, index) => (
              <li
                key={each.key} id={`${labels}-s${index}`} role="option" aria-selected={index === at}
                onPointerDown={(event) => event.preventDefault()} onClick={() => take(each)}
              ><b><bdi>{each.title}</bdi></b> <span class="preview" dir="auto">{each.more}</span></li>
            ))}
          </ul>
        )}
        <textarea
          ref={area}
          rows={2}
          dir="auto"
          maxLength={kMaxCharacters}
          aria-label={t(note ? 'yourNote' : 'yourReply')}
          aria-describedby={`${labels}-${locked ? 'lock' : 'hint'} ${labels}-why`}
          aria-autocomplete="list"
          aria-controls={suggestions.length > 0 ? `${labels}-suggestions` : undefined}
          aria-activedescendant={suggestions.length > 0 ? `${labels}-s${at}` : undefined}
          placeholder={locked ? t('windowLocked') : t(note ? 'yourNote' : 'yourReply')}
          readOnly={locked}
          value={text}
          onInput={typed}
          onKeyDown={keyed}
          onSelect={(event) => { caret.value = event.currentTarget.selectionEnd; }}
          onPaste={(event) => { if (files(event.clipboardData?.files)) event.preventDefault(); }}
        />
        <button type="submit" class="primary" aria-disabled={!ready}>{t(note ? 'saveNote' : 'send')}</button>
      </div>
      <div id={`${labels}-why`} role="status" class="why">{reason !== '' && <p class="reason"><Icon name="warning" /> {reason}</p>}</div>
      {sms && !note && <SmsLine desk={desk} account={conversation.account} text={text} />}
      <p class="hint" id={`${labels}-hint`}>
        {t(note ? 'hintNote' : 'hint')} {text.length >= kCountFrom && <span>{t('characters', { n: text.length, max: kMaxCharacters })}</span>}
      </p>
      <input id="file" type="file" class="sr" tabIndex={-1} aria-label={t('attach')} onChange={(event) => { files(event.currentTarget.files); event.currentTarget.value = ''; area.current?.focus(); }} />
    </form>
  );
}

// Why it cannot be sent as it is; '' if it can.
function whyNot(text: string, holes: readonly string[], attached: Attached | undefined, extra: Extra | undefined, whatsapp: boolean): string {
  if (holes.length > 0) {
    const unknown = holes.find((each) => !kPlaceholders.includes(each));
    return unknown === undefined ? t('holeOpen', { hole: `{${holes[0]}}` }) : t('holeUnknown', { hole: `{${unknown}}` });
  }
  if (attached?.problem) return saying(attached.problem, t('uploadFailed'));
  if (attached && whatsapp && attached.size > (kMostOf[kindOf(attached.mime)] ?? Infinity)) return t('fileTooBig', { max: size(kMostOf[kindOf(attached.mime)] ?? 0) });
  if (attached && attached.id === '') return t('uploading');
  if (attached && extra) return t('oneThing');
  if (extra && text.trim() === '') return t('extraNeedsText');
  return '';
}

function File({ desk, id, attached }: { desk: Desk; id: string; attached: Attached }) {
  const percent = Math.round(attached.part * 100);
  return (
    <div class="attached">
      <Icon name="file" /> <bdi>{attached.name || t('file')}</bdi> <span class="left">{size(attached.size)}</span>
      {attached.id === '' && !attached.problem && <progress max={100} value={percent} aria-label={t('uploading')}>{percent}</progress>}
      <button type="button" class="quiet" onClick={() => { attached.stop(); desk.attach(id, undefined); }}><Icon name="close" /><span class="sr">{t('removeFile')}</span></button>
    </div>
  );
}

function ExtraView({ desk, id, extra }: { desk: Desk; id: string; extra: Extra }) {
  const titles = extra.buttons?.buttons.map((each) => each.title) ?? [extra.list?.button ?? '', ...(extra.list?.sections[0]?.rows.map((row) => row.title) ?? [])];
  return (
    <div class="attached">
      <span>{t(extra.buttons ? 'buttons' : 'list')}:</span> {titles.map((title) => <bdi key={title} class="mark">{title}</bdi>)}
      <button type="button" class="quiet" onClick={() => desk.extra(id, undefined)}><Icon name="close" /><span class="sr">{t('removeExtra')}</span></button>
    </div>
  );
}

// What the text becomes as SMS, when the hand rests.
function SmsLine({ desk, account, text }: { desk: Desk; account: string; text: string }) {
  const preview = useSignal<SmsPreview | undefined>(undefined);
  useEffect(() => {
    if (text === '') {
      preview.value = undefined;
      return undefined;
    }
    let late = false;
    const timer = setTimeout(() => {
      void desk.smsPreview(account, text).then((answer) => { if (!late) preview.value = answer.ok ? answer.data : undefined; });
    }, kPreviewMs);
    return () => {
      late = true;
      clearTimeout(timer);
    };
  }, [account, text]);
  const said = preview.value;
  if (!said) return null;
  const dear = /ucs|utf-?16/i.test(said.encoding);
  return (
    <p class="sms-line" role="status">
      <span>{t('smsSegments', { n: said.segments })} · <bdi>{said.encoding.toUpperCase()}</bdi> · {t('smsRoom', { n: Math.max(0, said.room - said.last) })}</span>
      {said.cost !== '' && <span> · <bdi>{said.cost}</bdi></span>}
      {dear && said.because_of.length > 0 && <span class="left soon"> <Icon name="warning" /> {t('smsDear', { list: said.because_of.slice(0, 8).map((each) => `“${each}”`).join(' ') })}</span>}
    </p>
  );
}
