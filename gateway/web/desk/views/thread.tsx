// The middle pane: the conversation's log with what came before it, what is still on its way, and the composer.
import type { Signal } from '@preact/signals';
import { useSignal } from '@preact/signals';
import { memo } from 'preact/compat';
import { useEffect, useLayoutEffect, useRef } from 'preact/hooks';
import { dayText, fullText, leftText } from '../../shared/i18n.ts';
import { Icon } from '../../shared/icons.tsx';
import { actionOf, run, type Hands } from '../actions.ts';
import type { Desk } from '../desk.ts';
import { agentName } from '../house.ts';
import { deadlineOf } from '../lists.ts';
import { channelWord, stateWord } from '../names.ts';
import { isWords } from '../outbox.ts';
import { isOver, takesReplies, type Conversation } from '../state.ts';
import { kPiece, piecesOf, type Row } from '../thread.ts';
import { t } from '../words.ts';
import type { ViewProps } from './app.tsx';
import { Composer } from './composer.tsx';
import { Channel } from './list.tsx';
import { MessageRow, PendingRow } from './message.tsx';
import { Piece, useWatch } from './pieces.tsx';

const kNearPx = 80;
const kRowPx = 72;

export function Thread({ desk, now, hands }: ViewProps & { hands: Hands }) {
  const conversation = desk.current.value;
  const title = useRef<HTMLHeadingElement>(null);
  const id = conversation?.id ?? '';
  // On a narrow screen the panes replace each other: focus follows to the new one instead of being lost with the old.
  useEffect(() => {
    if (id !== '' && matchMedia('(max-width: 719px)').matches && desk.place.value === 'thread') title.current?.focus();
  }, [id, desk.place.value]);

  const writes = conversation !== undefined && conversation.mine && !isOver(conversation);
  // What had the focus may go with the conversation (Resolve, the composer): the title takes it, so that it is not lost.
  useEffect(() => {
    if (!writes && document.activeElement === document.body) title.current?.focus();
  }, [writes]);

  if (!conversation) {
    return (
      <section class="pane thread is-empty" aria-label={t('conversation')}>
        <button type="button" class="quiet back" onClick={() => desk.select('')}><Icon name="back" flips /> {t('back')}</button>
        {desk.asked.value.has(desk.selected.value) ? <p>{t('asking')}</p> : <p>{t('pick')}</p>}
        <p class="hint">{t('pickHint')}</p>
        <button type="button" onClick={() => { desk.dialog.value = { is: 'help' }; }}>{t('help')}</button>
      </section>
    );
  }
  const name = conversation.contact.name || t('nameless');
  const busy = desk.asked.value.has(id);
  const act = (action: string): void => { run(actionOf(action)!, desk, hands); };
  return (
    <section class="pane thread" aria-labelledby="thread-title">
      <div class="thread-head">
        <button type="button" class="quiet back" onClick={() => desk.select('')}>
          <Icon name="back" flips /><span class="sr">{t('back')}</span>
        </button>
        <h2 id="thread-title" data-home ref={title} tabIndex={-1}><bdi>{name}</bdi></h2>
        <Channel channel={conversation.channel} />
        <button type="button" class="quiet to-context" onClick={() => { desk.place.value = 'context'; }}><Icon name="info" /><span aria-hidden="true">{t('details')}</span><span class="sr">{t('details')}</span></button>
        {writes && conversation.state === 'active' && <button type="button" class="wide-only" aria-disabled={busy} onClick={() => act('transfer')}>{t('transfer')}</button>}
        {writes && conversation.state === 'active' && <button type="button" class="wide-only" aria-disabled={busy} onClick={() => act('park')}>{t('park')}</button>}
        {actionOf('take')!.fits(desk) && <button type="button" class="primary" onClick={() => act('take')}>{t('take')}</button>}
        {actionOf('reopen')!.fits(desk) && <button type="button" onClick={() => act('reopen')}>{t('reopen')}</button>}
        <button type="button" class="more" onClick={() => act('palette')}><span aria-hidden="true">⋯</span><span class="sr">{t('moreActions')}</span></button>
        {writes && <button type="button" class="resolve" aria-disabled={busy} onClick={() => act('resolve')}><Icon name="check" /> {t(conversation.state === 'wrapup' ? 'finish' : 'resolve')}</button>}
      </div>
      <Standing desk={desk} now={now} conversation={conversation} />
      <Log key={`log ${id}`} desk={desk} now={now} />
      <p class="typing" role="status">{conversation.typing_until > now.value && t('typing', { name })}</p>
      {writes
        ? <Composer key={`composer ${id}`} desk={desk} now={now} />
        : <p class="locked"><Icon name="lock" /> {isOver(conversation) ? t('over') : conversation.owner !== '' ? t('ofAnother', { name: agentName(desk.shelf.house.value, conversation.owner) }) : t(conversation.mine ? 'over' : 'notYours')}</p>}
    </section>
  );
}

// Where it stands, if that is not simply "active": wrap-up and its end, parked, asked of a colleague, merged.
function Standing({ desk, now, conversation }: ViewProps & { conversation: Conversation }) {
  const { state, invited, into } = conversation;
  const house = desk.shelf.house.value;
  if (state === 'wrapup') {
    const wrapup = house.queues.find((each) => each.id === conversation.queue)?.wrapup_s ?? 0;
    const until = deadlineOf({ ...conversation, dues: [] }, wrapup * 1000);
    const left = until?.kind === 'wrapup' ? until.at_ms - now.value : NaN;
    return <p class="standing">{Number.isFinite(left) ? t('wrapupLeft', { t: leftText(left) }) : t('wrapupOn')}</p>;
  }
  if (into !== '') return <p class="standing">{t('wentInto')} <button type="button" class="quiet" onClick={() => desk.select(into)}><code dir="ltr">{into}</code></button></p>;
  if (invited !== '') return <p class="standing">{t('invitedTo', { name: agentName(house, invited) })}</p>;
  if (state === 'active' || state === '') return null;
  return <p class="standing">{t('stands', { state: stateWord(state) })}</p>;
}

// The log is live: what is added at its end is read out. Pieces that come into view again are no news, and say so.
const Log = memo(function Log({ desk, now }: { desk: Desk; now: Signal<number> }) {
  const log = useRef<HTMLDivElement>(null);
  const rowsBox = useRef<HTMLDivElement>(null);
  const settled = useSignal(false); // what was there when the log opened is not read out
  const away = useSignal(false); // the reader has scrolled up: nothing moves under his eyes
  const anchors = useRef<{ element: Element; top: number }[]>([]);
  const conversation = desk.current.value;
  const pending = desk.outbox.value.filter((entry) => isWords(entry.command) && entry.command.conversation === conversation?.id);
  const pieces = conversation ? piecesOf(conversation.messages) : [];
  const newest = `${conversation?.last_n ?? 0} ${pending.length}`;

  // What the reader sees on top stays where it is, whatever is added, removed or found to be higher than it was guessed.
  const remember = (): void => {
    const box = log.current;
    if (!box) return;
    const top = box.getBoundingClientRect().top;
    anchors.current = [];
    const pieces = box.querySelectorAll('.piece');
    let first = 0;
    for (let end = pieces.length; first < end;) {
      const middle = (first + end) >> 1;
      if (pieces[middle]!.getBoundingClientRect().bottom <= top) first = middle + 1;
      else end = middle;
    }
    const piece = pieces[first];
    if (!piece) return;
    // The row on top, or, if its piece is not drawn yet or not any more, the piece.
    const row = [...piece.children].find((each) => each.getBoundingClientRect().bottom > top);
    if (row) anchors.current.push({ element: row, top: row.getBoundingClientRect().top - top });
    anchors.current.push({ element: piece, top: piece.getBoundingClientRect().top - top });
  };
  const keepPlace = (): void => {
    const box = log.current;
    if (!box) return;
    if (!away.value) box.scrollTop = box.scrollHeight;
    else {
      const anchor = anchors.current.find((each) => each.element.isConnected);
      const moved = anchor ? anchor.element.getBoundingClientRect().top - box.getBoundingClientRect().top - anchor.top : 0;
      if (Math.abs(moved) >= 1) box.scrollTop += moved;
    }
  };
  // What has just been drawn may have the row that the reader looks at.
  const watch = useWatch(log, () => {
    keepPlace();
    if (away.value) remember();
  });
  useLayoutEffect(keepPlace, [newest, pieces[0]?.key, pieces[0]?.rows.length, conversation?.loaded]);
  useEffect(() => {
    if (!conversation?.loaded) return undefined;
    const timer = setTimeout(() => { settled.value = true; }, 300);
    return () => clearTimeout(timer);
  }, [conversation?.loaded]);
  // A composer that grows, a keyboard that slides in or a picture that arrives late must not hide the newest message.
  useEffect(() => {
    if (!log.current || !rowsBox.current) return undefined;
    const watcher = new ResizeObserver(keepPlace);
    watcher.observe(log.current);
    watcher.observe(rowsBox.current);
    return () => watcher.disconnect();
  }, []);
  useEffect(() => {
    if (conversation) void desk.shelf.meet(conversation.contact.id);
    if (conversation?.answers) void desk.shelf.recall(conversation.answers);
  }, [conversation?.contact.id, conversation?.answers]);

  if (!conversation) return null;
  const name = conversation.contact.name || t('nameless');
  const scrolled = (): void => {
    const box = log.current;
    if (!box) return;
    away.value = box.scrollHeight - box.scrollTop - box.clientHeight > kNearPx;
    remember();
    // Whoever reads upwards is met half way.
    if (away.value && box.scrollTop < 300 && conversation.oldest > 1) void desk.older(conversation.id);
  };
  const down = (): void => {
    away.value = false;
    if (log.current) log.current.scrollTop = log.current.scrollHeight;
  };
  const complete = conversation.loaded && conversation.oldest <= 1;
  const earlier = (desk.shelf.earlier.value[conversation.id] ?? []).map((each) => desk.state.value.conversations[each]).filter((each): each is Conversation => each !== undefined);
  const before = complete ? desk.shelf.before(conversation.id) : undefined;
  const recalled = desk.shelf.recalled.value[conversation.answers];
  const canSend = takesReplies(conversation) ? conversation.id : '';
  const rowsOfPiece = (rows: readonly Row[], sends: string) => rows.map((row) => row.kind === 'day'
    ? <p class="day" key={row.key}><time dateTime={row.at}>{dayText(row.at, desk.nowMs())}</time></p>
    : <MessageRow key={row.key} shown={row.shown} name={name} desk={desk} conversation={sends} settled={desk.settled.value[row.shown.message.id] === true} />);
  return (
    <div class="log-frame">
      <div class="log" ref={log} role="log" aria-label={t('thread', { name })} aria-busy={!settled.value} tabIndex={0} onScroll={scrolled}>
        <div class="log-rows" ref={rowsBox}>
          {before && (
            <button type="button" class="quiet older" onClick={() => desk.showEarlier(conversation.id)}>
              {t('earlierShow', { channel: channelWord(before.channel ?? ''), day: dayText(before.first_at ?? '', desk.nowMs()) })}
            </button>
          )}
          {[...earlier].reverse().map((each) => (
            <section key={each.id} class="earlier" aria-live="off" aria-label={t('earlier')}>
              <p class="divider">{t('earlierTitle', { channel: channelWord(each.channel), state: stateWord(each.state) })} <time dateTime={each.first_at}>{fullText(each.first_at)}</time></p>
              {!each.loaded && <p class="empty">{t('loading')}</p>}
              {piecesOf(each.messages).map((piece) => <Piece key={piece.key} watch={watch} guess={piece.rows.length * kRowPx} quiet>{() => rowsOfPiece(piece.rows, '')}</Piece>)}
            </section>
          ))}
          {earlier.length > 0 && <p class="divider">{t('thisConversation')}</p>}
          {recalled && complete && <p class="divider">{t('answersTo')} <q dir="auto">{recalled.text || t('unknownType', { type: recalled.type })}</q> <time dateTime={recalled.at}>{fullText(recalled.at)}</time></p>}
          {conversation.oldest > 1 && (
            <button type="button" class="quiet older" onClick={() => { remember(); away.value = true; void desk.older(conversation.id); }}>{t('older')}</button>
          )}
          {!conversation.loaded && pieces.length === 0 && <p class="empty">{t('loading')}</p>}
          {conversation.loaded && pieces.length + pending.length === 0 && <p class="empty">{t('noMessages')}</p>}
          {pieces.map((piece, at) => (
            <Piece key={piece.key} watch={watch} guess={Math.min(kPiece, piece.rows.length) * kRowPx} always={at >= pieces.length - 2} quiet={at < pieces.length - 1}>
              {() => rowsOfPiece(piece.rows, canSend)}
            </Piece>
          ))}
          {pending.map((entry) => <PendingRow key={entry.client_id} desk={desk} entry={entry} now={now} />)}
        </div>
      </div>
      {away.value && <button type="button" class="newer" onClick={down}><Icon name="down" /><span class="sr">{t('newer')}</span></button>}
    </div>
  );
});
