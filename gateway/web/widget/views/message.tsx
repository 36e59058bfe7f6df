// One message, or one line of what happened. Text nodes only: a link is found in the words, never made of markup.
import type { ComponentChildren } from 'preact';
import type { Entry } from '../outbox.ts';
import type { Media, Message } from '../protocol.ts';
import type { Note } from '../state.ts';
import { apart, channelText, sizeText, t, timeText } from '../words.ts';
import { Icon } from './icon.tsx';

// The address ends before the sign that ends its sentence.
const kLink = /(https?:\/\/[^\s<>"]*[^\s<>".,;:!?)\]}'»…])/i;
export function Words({ text }: { text: string }) {
  return (
    <p class="words" dir="auto">
      {text.split(kLink).map((part, at) => (at % 2 ? <a href={part} target="_blank" rel="noopener noreferrer nofollow">{part}</a> : part))}
    </p>
  );
}

const isPicture = (type: string): boolean => /^image\/(png|jpeg|gif|webp)$/.test(type);
// A capability path of the gateway's own, and nothing else.
const isOurs = (url: string): boolean => /^\/[^/\\]/.test(url) || url.startsWith(`${location.origin}/`);

function File({ media }: { media: Media }) {
  const name = media.name || t('file');
  const size = media.size > 0 ? ` · ${sizeText(media.size)}` : '';
  if (!isOurs(media.url)) return <p class="file"><Icon name="file" /> <bdi>{name}</bdi>{size}</p>;
  return (
    <a class="file" href={media.url} download={media.name} target="_blank" rel="noopener" aria-label={t('download', { name: apart(name) }) + size}>
      {isPicture(media.type) && <img src={media.url} alt="" />}
      <span><Icon name="file" /> <bdi>{name}</bdi>{size}</span>
    </a>
  );
}

interface BubbleProps {
  mine: boolean;
  who: string;
  text: string;
  media: Media | undefined;
  wrong?: boolean;
  children: ComponentChildren;
}
const Bubble = ({ mine, who, text, media, wrong, children }: BubbleProps) => (
  <div class={`message ${mine ? 'mine' : 'theirs'}${wrong ? ' wrong' : ''}`}>
    <p class={mine ? 'sr' : 'who'}><bdi>{who}</bdi></p>
    <div class="bubble">
      {media && <File media={media} />}
      {text !== '' && <Words text={text} />}
    </div>
    <div class="meta">{children}</div>
  </div>
);

const Receipt = ({ state }: { state: string }) => {
  if (state === 'read') return <span class="receipt is-read"><Icon name="checks" /> {t('read')}</span>;
  if (state === 'delivered') return <span class="receipt"><Icon name="checks" /> {t('delivered')}</span>;
  return <span class="receipt"><Icon name="check" /> {t('sent')}</span>;
};

export function Said({ message }: { message: Message }) {
  const mine = message.dir === 'in';
  return (
    <Bubble mine={mine} who={mine ? t('you') : message.agent || t('staff')} text={message.text} media={message.media}>
      <time dateTime={message.at}>{timeText(message.at)}</time>
      {mine && <Receipt state={message.state} />}
    </Bubble>
  );
}

export interface PendingProps {
  entry: Entry;
  online: boolean;
  retry(): void;
  discard(): void;
}
export function Pending({ entry, online, retry, discard }: PendingProps) {
  const { command, status, problem } = entry;
  if (command.t !== 'message') return null;
  const media = command.media && { id: command.media.id, name: command.media.name ?? '', type: '', size: 0, url: '' };
  const wrong = status === 'refused' || status === 'old';
  const why = problem?.detail || problem?.title;
  return (
    <Bubble mine who={t('you')} text={command.text ?? ''} media={media} wrong={wrong}>
      {!wrong && <span class="receipt"><Icon name="clock" /> {t(online ? 'sending' : 'kept')}</span>}
      {wrong && <p class="why">{status === 'old' ? t('tooOld') : why ? t('notSentWhy', { why: apart(why) }) : t('notSent')}</p>}
      {wrong && <button type="button" class="small" onClick={retry}>{t('retry')}</button>}
      {wrong && <button type="button" class="small" onClick={discard}>{t('discard')}</button>}
    </Bubble>
  );
}

export function Happened({ note }: { note: Note }) {
  const name = apart(note.who);
  const text = note.note === 'closed' ? t('ended')
    : note.note === 'moved' ? t('moved', { channel: channelText(note.channel), address: name })
    : note.who === '' ? t('assignedSomebody') : t('assigned', { name });
  return <p class="happened">{text}</p>;
}
