// One message: who, what, when, and how far it got.
import { useSignal, type Signal } from '@preact/signals';
import { memo } from 'preact/compat';
import { saying } from '../../shared/problem.ts';
import type { Desk } from '../desk.ts';
import { fullText, timeText } from '../../shared/i18n.ts';
import { t, type Key } from '../words.ts';
import { isWords, type Entry } from '../outbox.ts';
import type { MediaRef, Message } from '../protocol.ts';
import { agentName } from '../house.ts';
import { whyFailed } from '../names.ts';
import { isChange } from '../state.ts';
import type { Shown } from '../thread.ts';
import { Icon, type IconName } from '../../shared/icons.tsx';

const receipts: Readonly<Record<string, { word: Key; icon: IconName; why?: Key }>> = {
  queued: { word: 'queued', icon: 'clock' },
  claimed: { word: 'queued', icon: 'clock' },
  sent: { word: 'sent', icon: 'check' },
  uncertain: { word: 'uncertain', icon: 'question', why: 'uncertainWhy' },
  expired: { word: 'expired', icon: 'warning' },
  failed: { word: 'failed', icon: 'warning' },
  delivered: { word: 'delivered', icon: 'checks' },
  read: { word: 'read', icon: 'checks' },
  played: { word: 'read', icon: 'checks' },
};

function Receipt({ message }: { message: Message }) {
  const receipt = receipts[message.state];
  if (!receipt) return null;
  return <span class={`receipt is-${message.state}`}><Icon name={receipt.icon} /> {t(receipt.word)}</span>;
}

// In words first, then as the provider said it.
function reasonOf(message: Message): string {
  if (!['failed', 'expired', 'uncertain'].includes(message.state)) return '';
  if (message.state === 'uncertain') return t('uncertainWhy');
  if (message.state === 'expired') return t('expiredWhy');
  return (message.reason && whyFailed(message.reason)) || message.reason || t('failedWhy');
}

const isPlain = (message: Message): boolean => ['text', 'buttons', 'list', 'button', 'image', 'audio', 'video', 'document', 'sticker'].includes(message.type);

// Memo with the language in it: t() reads a signal, so a change of language redraws by itself.
export const MessageRow = memo(function MessageRow({ shown, name, desk, conversation, settled = false }: RowProps) {
  const { message } = shown;
  const by = message.agent === undefined || message.agent === desk.state.peek().agent.id ? t('you') : agentName(desk.shelf.house.value, message.agent);
  const who = message.dir === 'in' ? name : message.dir === 'note' ? t('noteBy', { name: by }) : by;
  const reason = settled ? '' : reasonOf(message);
  const said = message.reason && reason !== message.reason ? message.reason : '';
  const mention = message.dir === 'note' && message.text.includes(`@${desk.state.peek().agent.name}`) && desk.state.peek().agent.name !== '';
  const language = languageOf(message.detail);
  return (
    <article class={`message is-${message.dir} ${reason !== '' ? 'is-wrong' : ''} ${mention ? 'is-mention' : ''}`} data-id={message.id} lang={language}>
      <div class="bubble">
        <Body shown={shown} />
        {shown.reactions.length > 0 && (
          <p class="reactions"><span class="sr">{t('reactions', { list: '' })}</span><bdi>{shown.reactions.join(' ')}</bdi></p>
        )}
      </div>
      <p class="meta">
        <bdi>{who}</bdi>
        {message.at !== '' && <time dateTime={message.at} title={fullText(message.at)}>{timeText(message.at)}</time>}
        {shown.edited && <span>{t('edited')}</span>}
        {message.dir === 'out' && <Receipt message={message} />}
      </p>
      {reason !== '' && (
        <div class="reason">
          <p dir="auto">{reason}</p>
          {said !== '' && <p class="faded" dir="auto">{said}</p>}
          {conversation !== '' && message.text !== '' && (
            <div class="choices">
              <button type="button" onClick={() => desk.sayAgain(conversation, message)}>{t(message.state === 'uncertain' ? 'sendAnyway' : 'retry')}</button>
              {message.state === 'uncertain' && <button type="button" class="quiet" onClick={() => desk.settle(message.id)}>{t('leaveIt')}</button>}
            </div>
          )}
        </div>
      )}
    </article>
  );
});
interface RowProps {
  shown: Shown;
  name: string;
  desk: Desk;
  conversation: string; // '' where nothing can be sent again
  settled?: boolean; // the agent has decided to leave it
}

// A program or the channel may say which language it is in; the browser's reader then speaks it so.
function languageOf(detail: unknown): string | undefined {
  const said = typeof detail === 'object' && detail !== null ? (detail as { language?: unknown }).language : undefined;
  return typeof said === 'string' && /^[a-z]{2,3}(-[A-Za-z0-9]+)*$/.test(said) ? said : undefined;
}

function Body({ shown }: { shown: Shown }) {
  const { message, text } = shown;
  if (shown.revoked) return <p class="faded">{t('revoked')}</p>;
  if (isChange(message)) {
    if (message.type === 'reaction') return <p class="faded">{t('reactedTo', { emoji: text })}</p>;
    if (message.type === 'revoke') return <p class="faded">{t('revokedEarlier')}</p>;
    return <><p class="faded">{t('editedEarlier')}</p><p class="words" dir="auto">{text}</p></>;
  }
  return (
    <>
      {message.media && <Media media={message.media} type={message.type} />}
      {text !== '' && <p class="words" dir="auto">{text}</p>}
      {text === '' && !message.media && <p class="faded">{t('unknownType', { type: message.type })}</p>}
      {!isPlain(message) && message.detail !== undefined && (
        <details class="fields"><summary>{t('fields')}</summary><pre dir="ltr" tabIndex={0}>{pretty(message.detail)}</pre></details>
      )}
    </>
  );
}

function pretty(detail: unknown): string {
  try {
    return JSON.stringify(typeof detail === 'string' ? JSON.parse(detail) : detail, null, 2);
  } catch {
    return String(detail);
  }
}

function Media({ media, type }: { media: MediaRef; type: string }) {
  const broken = useSignal(false);
  if (!media.ready) return <p class="faded"><Icon name="clock" /> {t('fetchingMedia')}</p>;
  const href = `/api/v1/media/${encodeURIComponent(media.id)}`;
  const picture = media.mime.startsWith('image/') && !broken.value;
  const name = media.name || t(type === 'image' || type === 'sticker' ? 'image' : 'file');
  return (
    <a class={picture ? 'media picture' : 'media'} href={href} download={media.name || true} target="_blank" rel="noopener noreferrer">
      {picture
        ? <img src={href} alt={`${t('download')}: ${name}`} loading="lazy" onError={() => { broken.value = true; }} />
        : <><Icon name="file" /> <span>{t('download')}: <bdi>{name}</bdi> {size(media.size)}</span></>}
    </a>
  );
}

export function size(octets: number): string {
  if (octets <= 0) return '';
  return octets < 1_000_000 ? `(${Math.max(1, Math.round(octets / 1000))} kB)` : `(${(octets / 1_000_000).toFixed(1)} MB)`;
}

// Said here and not yet kept by the gateway.
export function PendingRow({ desk, entry, now }: { desk: Desk; entry: Entry; now: Signal<number> }) {
  if (!isWords(entry.command)) return null;
  const note = entry.command.t === 'note';
  const extra = entry.command.t === 'reply' ? entry.command : undefined;
  const besides = extra?.template ? `${t('template')}: ${extra.template.name}` : extra?.media ? (extra.media.filename ?? t('file')) : extra?.buttons ? t('buttons') : extra?.list ? t('list') : '';
  const stuck = entry.status === 'refused' || entry.status === 'old';
  const why = entry.status === 'old' ? t('old') : saying(entry.problem ?? {}, t('refused'));
  return (
    <article class={`message is-pending ${note ? 'is-note' : 'is-out'} ${stuck ? 'is-wrong' : ''}`}>
      <div class="bubble">
        {besides !== '' && <p class="faded"><bdi>{besides}</bdi></p>}
        {entry.command.text !== '' && <p class="words" dir="auto">{entry.command.text}</p>}
      </div>
      <p class="meta">
        <bdi>{t(note ? 'note' : 'you')}</bdi>
        {stuck
          ? <span class="receipt is-failed"><Icon name="warning" /> {t('refused')}</span>
          : entry.status === 'held' ? <Held desk={desk} entry={entry} now={now} />
            : <span class="receipt"><Icon name="clock" /> {t('sending')}</span>}
      </p>
      {stuck && (
        <div class="reason" role="alert">
          <p dir="auto">{why}</p>
          {entry.problem?.now && <p>{t('changed')}</p>}
          <div class="choices">
            <button type="button" onClick={() => desk.retry(entry.client_id)}>{t('retry')}</button>
            {entry.problem?.code === 'window_closed' && <button type="button" onClick={() => { desk.dialog.value = { is: 'form', form: 'template' }; }}>{t('chooseTemplate')}</button>}
            <button type="button" class="quiet" onClick={() => desk.discard(entry.client_id)}>{t('discard')}</button>
          </div>
        </div>
      )}
    </article>
  );
}

// Five seconds to think again.
function Held({ desk, entry, now }: { desk: Desk; entry: Entry; now: Signal<number> }) {
  const left = Math.max(0, Math.ceil(((entry.held_until_ms ?? 0) - (now.value - desk.skewMs())) / 1000));
  return (
    <>
      <span class="receipt"><Icon name="clock" /> {t('sendsIn', { s: left })}</span>
      <button type="button" class="undo" onClick={() => { desk.undo(entry.client_id); document.querySelector<HTMLElement>('.composer textarea')?.focus(); }}>{t('undo')}</button>
    </>
  );
}
