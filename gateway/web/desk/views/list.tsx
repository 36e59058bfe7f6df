// The left pane: what is offered, and what is mine, waiting or all there is, by what must happen next.
import { useEffect, useLayoutEffect, useRef } from 'preact/hooks';
import { leftText, waitText } from '../../shared/i18n.ts';
import { Icon } from '../../shared/icons.tsx';
import { agentName, queueTitle } from '../house.ts';
import { deadlineOf, tabs, type Tab } from '../lists.ts';
import { channelWord, stateWord } from '../names.ts';
import type { Offer } from '../protocol.ts';
import { isOver, type Conversation } from '../state.ts';
import { lastOf, threadOf, unread, waitingSince } from '../thread.ts';
import { t, type Key } from '../words.ts';
import type { ViewProps } from './app.tsx';
import { Piece, useWatch } from './pieces.tsx';

const kPiece = 15;
const kLinePx = 88;
const kSoonMs = 5 * 60_000;
const kWindowMs = 2 * 3_600_000;
const tabWords: Readonly<Record<Tab, Key>> = { mine: 'mine', waiting: 'waitingTab', all: 'all' };

export function Channel({ channel }: { channel: string }) {
  return channel === '' ? null : <span class={`channel channel-${channel}`}>{channelWord(channel)}</span>;
}

export function List({ desk, now }: ViewProps) {
  const box = useRef<HTMLElement>(null);
  const watch = useWatch(box);
  const { offers } = desk.state.value;
  const tab = desk.tab.value;
  const shown = desk.shown.value;
  const selected = desk.selected.value;
  const pieces: Conversation[][] = [];
  for (let at = 0; at < shown.length; at += kPiece) pieces.push(shown.slice(at, at + kPiece));
  // One stop of the Tab key: the chosen line, or the first; arrows go on from there.
  const stop = shown.some((each) => each.id === selected) ? selected : shown[0]?.id;

  // The chosen line is in view, wherever it went.
  useEffect(() => {
    const at = shown.findIndex((each) => each.id === selected);
    if (at < 0) return;
    const piece = box.current?.querySelectorAll('.lines > .piece')[Math.floor(at / kPiece)];
    const line = piece?.querySelector('[aria-current]');
    (line ?? piece)?.scrollIntoView({ block: 'nearest' });
  }, [selected, tab]);

  const keyed = (event: KeyboardEvent): void => {
    const step = event.key === 'ArrowDown' ? 1 : event.key === 'ArrowUp' ? -1 : 0;
    if (step === 0 || !(event.target instanceof HTMLElement) || !event.target.classList.contains('line')) return;
    const lines = [...(box.current?.querySelectorAll<HTMLElement>('.line') ?? [])];
    const next = lines[lines.indexOf(event.target) + step];
    if (!next) return;
    event.preventDefault();
    next.focus();
  };
  return (
    <nav class="pane list" ref={box} tabIndex={-1} aria-label={t('conversations')} onKeyDown={keyed}>
      <span class="sr" role="status">{desk.welcomed.value && t('offersCount', { n: offers.length })}</span>
      {offers.length > 0 && (
        <section class="offers" aria-labelledby="offers-title">
          <h2 id="offers-title">{t('offers')} <span class="count">{offers.length}</span></h2>
          <ul>{offers.map((offer) => <OfferCard key={offer.conversation} desk={desk} now={now} offer={offer} />)}</ul>
        </section>
      )}
      <section aria-labelledby="list-title">
        <h2 id="list-title" class="sr">{t(tabWords[tab])}</h2>
        <div class="tabs" role="group" aria-label={t('whichList')}>
          {tabs.filter((each) => each === 'mine' || desk.listed.value !== 'hidden').map((each) => (
            <button key={each} type="button" aria-pressed={tab === each} onClick={() => desk.show(each)}>
              {t(tabWords[each])} {countOf(desk, each) && <span class="count">{countOf(desk, each)}</span>}
            </button>
          ))}
        </div>
        {desk.supervises.value && tab === 'waiting' && <Queues desk={desk} now={now} />}
        {shown.length > 0 && (
          <div class="lines">
            {pieces.map((piece, at) => (
              <Piece key={`${tab} ${at}`} watch={watch} guess={piece.length * kLinePx} always={at === 0} tag="ul">
                {() => piece.map((each) => <Line key={each.id} desk={desk} now={now} conversation={each} stop={each.id === stop} />)}
              </Piece>
            ))}
          </div>
        )}
        {shown.length === 0 && <Empty desk={desk} now={now} />}
      </section>
    </nav>
  );
}

function countOf(desk: ViewProps['desk'], tab: Tab): number | '' {
  if (tab === 'mine') return desk.mine.value.length || '';
  if (!Array.isArray(desk.listed.value)) return '';
  return (tab === 'waiting' ? desk.waiting.value.length : desk.everything.value.length) || '';
}

function Empty({ desk }: ViewProps) {
  const tab = desk.tab.value;
  if (!desk.welcomed.value || (tab !== 'mine' && desk.listed.value === 'unknown')) return <p class="empty">{t('loading')}</p>;
  if (tab === 'waiting') return <p class="empty">{t('noneWaiting')}</p>;
  if (tab === 'all') return <p class="empty">{t('noneAll')}</p>;
  const ready = desk.state.value.availability === 'ready';
  return (
    <div class="empty">
      <p>{t('noneMine')} {t(ready ? 'noneMineReady' : 'noneMinePaused')}</p>
      {!ready && <button type="button" class="primary" onClick={() => desk.availability('ready')}>{t('beReady')}</button>}
    </div>
  );
}

// What a supervisor watches, as it changes.
function Queues({ desk, now }: ViewProps) {
  const queues = Object.values(desk.state.value.queues).filter((each) => each.waiting > 0 || !each.open);
  if (queues.length === 0) return null;
  return (
    <ul class="queues">
      {queues.map((each) => (
        <li key={each.id}>
          <bdi>{each.name || queueTitle(desk.shelf.house.value, each.id)}</bdi>{' '}
          <span class="left">
            {each.open ? '' : `${t('closedNow')} · `}{t('queueCounts', { waiting: each.waiting, ready: each.ready })}
            {Date.parse(each.oldest_at) > 0 && ` · ${waitText(now.value - Date.parse(each.oldest_at))}`}
          </span>
        </li>
      ))}
    </ul>
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
  const busy = desk.asked.value.has(offer.conversation) || desk.stale.value;
  const name = offer.contact.name || t('nameless');
  return (
    <li class="offer" ref={card}>
      <p class="who"><bdi>{name}</bdi> <Channel channel={offer.channel} /></p>
      {offer.preview !== '' && <p class="preview" dir="auto">{offer.preview}</p>}
      <p class={left < 10_000 ? 'left soon' : 'left'}>
        <Icon name="clock" />{' '}
        {desk.stale.value ? t('checking') : Number.isFinite(left) ? (left > 0 ? t('answerWithin', { t: leftText(left) }) : t('offerOver')) : ''}
        {offer.queue !== '' && <> · <bdi>{queueTitle(desk.shelf.house.value, offer.queue)}</bdi></>}
      </p>
      <div class="choices">
        <button type="button" class="primary" aria-disabled={busy} onClick={() => desk.accept(offer.conversation)}>
          {desk.asked.value.has(offer.conversation) ? t('asking') : t('accept')}<span class="sr"> <bdi>{name}</bdi></span>
        </button>
        <button type="button" aria-disabled={busy} onClick={() => desk.decline(offer.conversation)}>
          {t('decline')}<span class="sr"> <bdi>{name}</bdi></span>
        </button>
      </div>
    </li>
  );
}

// What ends next, in words; what is over is said to be over.
function DeadlineText({ desk, now, conversation }: ViewProps & { conversation: Conversation }) {
  const wrapup = desk.shelf.house.value.queues.find((each) => each.id === conversation.queue)?.wrapup_s ?? 0;
  const deadline = deadlineOf(conversation, wrapup * 1000);
  const since = waitingSince(conversation);
  const waited = since === '' ? NaN : now.value - Date.parse(since);
  // A window that is open for hours yet is no news; how long the citizen waits is.
  if (deadline && (deadline.kind !== 'window' || deadline.at_ms - now.value < kWindowMs || !Number.isFinite(waited))) {
    const left = deadline.at_ms - now.value;
    const soon = deadline.late || left < kSoonMs;
    const over = left <= 0;
    return (
      <span class={soon ? 'left soon' : 'left'}>
        {soon && <Icon name={over ? 'warning' : 'clock'} />} {t(over ? `over_${deadline.kind}` : `due_${deadline.kind}`, over ? {} : { t: leftText(left) })}
      </span>
    );
  }
  return Number.isFinite(waited) ? <span class={waited > kSoonMs ? 'left soon' : 'left'}>{t('waiting', { t: waitText(waited) })}</span> : null;
}

function Line({ desk, now, conversation, stop }: ViewProps & { conversation: Conversation; stop: boolean }) {
  const count = conversation.mine ? unread(conversation) : 0;
  const last = lastOf(conversation);
  const rows = last ? threadOf(conversation.messages) : [];
  let shown = rows[rows.length - 1];
  for (let at = rows.length - 1; at >= 0 && rows[at]!.message !== last; at -= 1) shown = rows[at - 1];
  const typing = conversation.typing_until > now.value;
  const state = conversation.state !== 'active' && conversation.state !== '' ? stateWord(conversation.state) : '';
  const draft = desk.drafts.value[conversation.id] !== undefined && conversation.mine;
  return (
    <li>
      <button
        type="button"
        class={count > 0 ? 'line is-unread' : 'line'}
        tabIndex={stop ? 0 : -1}
        aria-current={desk.selected.value === conversation.id ? 'true' : undefined}
        onClick={() => desk.select(conversation.id)}
      >
        <span class="who">
          <bdi>{conversation.contact.name || t('nameless')}</bdi>
          {count > 0 && <span class="badge"><span class="sr">{t('unread', { n: '' })}</span>{count}</span>}
        </span>
        <span class="preview" dir="auto">
          {typing ? t('typing', { name: conversation.contact.name || t('citizen') })
            : last ? preview(shown?.revoked ? t('revoked') : shown?.text, last.type) : conversation.preview}
        </span>
        <span class="foot">
          <span class="marks">
            <Channel channel={conversation.channel} />
            {state !== '' && <span class={isOver(conversation) ? 'mark' : 'mark is-open'}>{state}</span>}
            {conversation.invited !== '' && <span class="mark is-open">{t('invitedShort')}</span>}
            {!conversation.mine && conversation.owner !== '' && <bdi class="mark">{agentName(desk.shelf.house.value, conversation.owner)}</bdi>}
            {draft && <span class="mark">{t('draft')}</span>}
          </span>
          {!isOver(conversation) && <DeadlineText desk={desk} now={now} conversation={conversation} />}
        </span>
      </button>
    </li>
  );
}

const preview = (text: string | undefined, type: string | undefined): string => {
  if (text) return text;
  if (type === 'image' || type === 'sticker') return t('image');
  if (type === 'audio' || type === 'video' || type === 'document') return t('file');
  if (type === 'template') return t('template');
  return type ? t('unknownType', { type }) : '';
};
