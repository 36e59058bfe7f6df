// One message: who, what, when, and how far it got.
import { useSignal } from '@preact/signals';
import { memo } from 'preact/compat';
import { saying } from '../../shared/problem.ts';
import type { Desk } from '../desk.ts';
import { fullText, timeText } from '../../shared/i18n.ts';
import { t, type Key } from '../words.ts';
import { isWords, type Entry } from '../outbox.ts';
import type { MediaRef, Message } from '../protocol.ts';
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

function reasonOf(message: Message): string {
  if (!['failed', 'expired', 'uncertain'].includes(message.state)) return '';
  if (message.reason) return message.reason;
  return message.state === 'uncertain' ? t('uncertainWhy') : '';
}

const isPlain = (message: Message): boolean => ['text', 'button', 'image', 'audio', 'video', 'document', 'sticker'].includes(message.type);

// Memo with the language in it: t() reads a signal, so a change of language redraws by itself.
export const MessageRow = memo(function MessageRow({ shown, name }: { shown: Shown; name: string }) {
  const { message } = shown;
  const who = message.dir === 'in' ? name : message.dir === 'note' ? t('note') : t('you');
  const reason = reasonOf(message);
  return (
    <article class={`message is-${message.dir} ${reason !== '' ? 'is-wrong' : ''}`} data-id={message.id}>
      <div class="bubble">
        <Body shown={shown} />
        {shown.reactions.length > 0 && (
          <p class="reactions"><span class="sr">{t('reactions', { list: '' })}</span><bdi>{shown.reactions.join(' ')}</bdi></p>
        )}
      </div>
      <p class="meta">
        <bdi>{who}</bdi>
        <time dateTime={message.at} title={fullText(message.at)}>{timeText(message.at)}</time>
        {shown.edited && <span>{t('edited')}</span>}
        {message.dir === 'out' && <Receipt message={message} />}
      </p>
      {reason !== '' && <p class="reason" dir="auto">{reason}</p>}
    </article>
  );
}, (a, b) => a.name === b.name && a.shown.message === b.shown.message && a.shown.text === b.shown.text && a.shown.edited === b.shown.edited
  && a.shown.revoked === b.shown.revoked && a.shown.reactions.join() === b.shown.reactions.join());

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

function size(octets: number): string {
  if (octets <= 0) return '';
  return octets < 1_000_000 ? `(${Math.max(1, Math.round(octets / 1000))} kB)` : `(${(octets / 1_000_000).toFixed(1)} MB)`;
}

// Said here and not yet kept by the gateway.
export function PendingRow({ desk, entry }: { desk: Desk; entry: Entry }) {
  if (!isWords(entry.command)) return null;
  const note = entry.command.t === 'note';
  const stuck = entry.status === 'refused' || entry.status === 'old';
  const why = entry.status === 'old' ? t('old') : saying(entry.problem ?? {}, t('refused'));
  return (
    <article class={`message is-pending ${note ? 'is-note' : 'is-out'} ${stuck ? 'is-wrong' : ''}`}>
      <div class="bubble"><p class="words" dir="auto">{entry.command.text}</p></div>
      <p class="meta">
        <bdi>{t(note ? 'note' : 'you')}</bdi>
        {stuck
          ? <span class="receipt is-failed"><Icon name="warning" /> {t('refused')}</span>
          : <span class="receipt"><Icon name="clock" /> {t('sending')}</span>}
      </p>
      {stuck && (
        <div class="reason" role="alert">
          <p dir="auto">{why}</p>
          {entry.problem?.now && <p>{t('changed')}</p>}
          <div class="choices">
            <button type="button" onClick={() => desk.retry(entry.client_id)}>{t('retry')}</button>
            <button type="button" class="quiet" onClick={() => desk.discard(entry.client_id)}>{t('discard')}</button>
          </div>
        </div>
      )}
    </article>
  );
}
