// The left pane: what is offered, and what is mine, with those who wait longest on top.
import { useLayoutEffect, useRef } from 'preact/hooks';
import { leftText, waitText } from '../../shared/i18n.ts';
import { t, type Key } from '../words.ts';
import { queueName, type Offer } from '../protocol.ts';
import type { Conversation } from '../state.ts';
import { lastOf, threadOf, unread, waitingSince } from '../thread.ts';
import type { ViewProps } from './app.tsx';
import { Icon } from '../../shared/icons.tsx';

export const channelWord = (channel: string): string => {
  const key: Key | undefined = channel === 'wa' || channel === 'whatsapp' ? 'whatsapp' : channel === 'sms' || channel === 'web' ? channel : undefined;
  return key ? t(key) : channel;
};

export function Channel({ channel }: { channel: string }) {
  return channel === '' ? null : <span class={`channel channel-${channel}`}>{channelWord(channel)}</span>;
}

export function List({ desk, now }: ViewProps) {
  const { offers, availability } = desk.state.value;
  const mine = desk.mine.value;
  return (
    <nav class="pane list" tabIndex={-1} aria-label={t('conversations')}>
      <span class="sr" role="status">{desk.welcomed.value && `${t('offers')}: ${offers.length}`}</span>
      {offers.length > 0 && (
        <section class="offers" aria-labelledby="offers-title">
          <h2 id="offers-title">{t('offers')} <span class="count">{offers.length}</span></h2>
          <ul>{offers.map((offer) => <OfferCard key={offer.conversation} desk={desk} now={now} offer={offer} />)}</ul>
        </section>
      )}
      <section aria-labelledby="mine-title">
        <h2 id="mine-title">{t('mine')} {mine.length > 0 && <span class="count">{mine.length}</span>}</h2>
        {mine.length > 0
          ? <ul>{mine.map((each) => <Line key={each.id} desk={desk} now={now} conversation={each} />)}</ul>
          : desk.welcomed.value && (
            <p class="empty">{t('noneMine')} {t(availability === 'ready' ? 'noneMineReady' : 'noneMinePaused')}</p>
          )}
        {!desk.welcomed.value && <p class="empty">{t('loading')}</p>}
      </section>
    </nav>
  );
}

function OfferCard({ desk, now, offer }: ViewProps & { offer: Offer }) {
  const card = useRef<HTMLLIElement>(null);
  // A card that goes while it has the focus hands it to the list instead of dropping it.
  useLayoutEffect(() => () => {
    const list = card.current?.closest('nav');
    if (list && card.current?.contains(document.activeElement)) {
      setTimeout(() => { if (document.activeElement === document.body) list.focus(); }, 0);
    }
  }, []);
  const left = Date.parse(offer.expires_at) - now.value;
  const busy = desk.asked.value.has(offer.conversation);
  const name = offer.contact.name || t('nameless');
  return (
    <li class="offer" ref={card}>
      <p class="who"><bdi>{name}</bdi> <Channel channel={offer.channel} /></p>
      {offer.preview !== '' && <p class="preview" dir="auto">{offer.preview}</p>}
      <p class={left < 10_000 ? 'left soon' : 'left'}>
        <Icon name="clock" />{' '}
        {Number.isFinite(left) ? (left > 0 ? t('answerWithin', { t: leftText(left) }) : t('offerOver')) : <bdi>{queueName(offer.queue)}</bdi>}
      </p>
      <div class="choices">
        <button type="button" class="primary" aria-disabled={busy} onClick={() => desk.accept(offer.conversation)}>
          {busy ? t('asking') : t('accept')}<span class="sr"> <bdi>{name}</bdi></span>
        </button>
        <button type="button" aria-disabled={busy} onClick={() => desk.decline(offer.conversation)}>
          {t('decline')}<span class="sr"> <bdi>{name}</bdi></span>
        </button>
      </div>
    </li>
  );
}

function Line({ desk, now, conversation }: ViewProps & { conversation: Conversation }) {
  const count = unread(conversation);
  const since = waitingSince(conversation);
  const waited = since === '' ? NaN : now.value - Date.parse(since);
  const last = lastOf(conversation);
  const shown = last && threadOf(conversation.messages).find((each) => each.message === last);
  const typing = conversation.typing_until > now.value;
  return (
    <li>
      <button
        type="button"
        class={count > 0 ? 'line is-unread' : 'line'}
        aria-current={desk.selected.value === conversation.id ? 'true' : undefined}
        onClick={() => desk.select(conversation.id)}
      >
        <span class="who">
          <bdi>{conversation.contact.name || t('nameless')}</bdi>
          {count > 0 && <span class="badge"><span class="sr">{t('unread', { n: '' })}</span>{count}</span>}
        </span>
        <span class="preview" dir="auto">
          {typing ? t('typing', { name: conversation.contact.name }) : preview(shown?.revoked ? t('revoked') : shown?.text, last?.type)}
        </span>
        <span class="foot">
          <Channel channel={conversation.channel} />
          {Number.isFinite(waited) && <span class={waited > 300_000 ? 'left soon' : 'left'}>{t('waiting', { t: waitText(waited) })}</span>}
        </span>
      </button>
    </li>
  );
}

const preview = (text: string | undefined, type: string | undefined): string => {
  if (text) return text;
  if (type === 'image' || type === 'sticker') return t('image');
  if (type === 'audio' || type === 'video' || type === 'document') return t('file');
  return type ? t('unknownType', { type }) : '';
};
