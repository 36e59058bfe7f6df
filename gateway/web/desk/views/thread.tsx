// The middle pane: the conversation's log, what is still on its way, and the composer.
import { useSignal } from '@preact/signals';
import { useEffect, useLayoutEffect, useRef } from 'preact/hooks';
import type { Desk } from '../desk.ts';
import { dayText } from '../../shared/i18n.ts';
import { t } from '../words.ts';
import { isWords } from '../outbox.ts';
import { isOver } from '../state.ts';
import { rowsOf } from '../thread.ts';
import type { ViewProps } from './app.tsx';
import { Composer } from './composer.tsx';
import { Icon } from '../../shared/icons.tsx';
import { Channel } from './list.tsx';
import { MessageRow, PendingRow } from './message.tsx';

const kNearPx = 80;

export function Thread({ desk, now }: ViewProps) {
  const conversation = desk.current.value;
  const title = useRef<HTMLHeadingElement>(null);
  const id = conversation?.id ?? '';
  // On a narrow screen the panes replace each other: focus follows to the new one instead of being lost with the old.
  useEffect(() => {
    if (id !== '' && matchMedia('(max-width: 719px)').matches && desk.place.value === 'thread') title.current?.focus();
  }, [id, desk.place.value]);

  const open = conversation !== undefined && conversation.mine && !isOver(conversation);
  // What had the focus may go with the conversation (Resolve, the composer): the title takes it, so that it is not lost.
  useEffect(() => {
    if (!open && document.activeElement === document.body) title.current?.focus();
  }, [open]);

  if (!conversation) {
    return (
      <section class="pane thread is-empty" aria-label={t('conversation')}>
        <button type="button" class="quiet back" onClick={() => desk.select('')}><Icon name="back" flips /> {t('back')}</button>
        {desk.asked.value.has(desk.selected.value) ? <p>{t('asking')}</p> : <p>{t('pick')}</p>}
        <p class="hint">{t('pickHint')}</p>
      </section>
    );
  }
  const name = conversation.contact.name || t('nameless');
  const resolving = desk.asked.value.has(id);
  return (
    <section class="pane thread" aria-labelledby="thread-title">
      <div class="thread-head">
        <button type="button" class="quiet back" onClick={() => desk.select('')}>
          <Icon name="back" flips /><span class="sr">{t('back')}</span>
        </button>
        <h2 id="thread-title" ref={title} tabIndex={-1}><bdi>{name}</bdi></h2>
        <Channel channel={conversation.channel} />
        <button type="button" class="quiet to-context" onClick={() => { desk.place.value = 'context'; }}><Icon name="info" /><span aria-hidden="true">{t('details')}</span><span class="sr">{t('details')}</span></button>
        {open && <button type="button" class="resolve" aria-disabled={resolving} onClick={() => desk.resolve(id)}><Icon name="check" /> {t('resolve')}</button>}
      </div>
      <Log key={`log ${id}`} desk={desk} />
      <p class="typing" role="status">{conversation.typing_until > now.value && t('typing', { name })}</p>
      {open
        ? <Composer key={`composer ${id}`} desk={desk} now={now} />
        : <p class="locked"><Icon name="lock" /> {t(isOver(conversation) ? 'over' : 'notYours')}</p>}
    </section>
  );
}

function Log({ desk }: { desk: Desk }) {
  const log = useRef<HTMLDivElement>(null);
  const settled = useSignal(false); // what was there when the log opened is not read out
  const away = useSignal(false); // the reader has scrolled up: nothing moves under his eyes
  const heightBefore = useRef(0);
  const firstBefore = useRef('');
  const conversation = desk.current.value;
  const pending = desk.outbox.value.filter((entry) => isWords(entry.command) && entry.command.conversation === conversation?.id);
  const rows = conversation ? rowsOf(conversation.messages) : [];
  const first = rows[0]?.key ?? '';
  const newest = `${conversation?.messages.length ?? 0} ${pending.length}`;

  useLayoutEffect(() => {
    const box = log.current;
    if (!box) return;
    const grewAbove = firstBefore.current !== '' && firstBefore.current !== first;
    if (grewAbove && away.value) box.scrollTop += box.scrollHeight - heightBefore.current;
    else if (!away.value) box.scrollTop = box.scrollHeight;
    heightBefore.current = box.scrollHeight;
    firstBefore.current = first;
  }, [newest, first, conversation?.loaded]);
  useEffect(() => {
    if (!conversation?.loaded) return undefined;
    const timer = setTimeout(() => { settled.value = true; }, 300);
    return () => clearTimeout(timer);
  }, [conversation?.loaded]);
  // A composer that grows, a keyboard that slides in or a picture that arrives late must not hide the newest message.
  useEffect(() => {
    const box = log.current;
    if (!box) return undefined;
    const follow = (): void => { if (!away.value) box.scrollTop = box.scrollHeight; };
    const watch = new ResizeObserver(follow);
    watch.observe(box);
    box.addEventListener('load', follow, true);
    return () => {
      watch.disconnect();
      box.removeEventListener('load', follow, true);
    };
  }, []);

  if (!conversation) return null;
  const name = conversation.contact.name || t('nameless');
  const scrolled = (): void => {
    const box = log.current;
    if (box) away.value = box.scrollHeight - box.scrollTop - box.clientHeight > kNearPx;
  };
  const down = (): void => {
    away.value = false;
    if (log.current) log.current.scrollTop = log.current.scrollHeight;
  };
  return (
    <div class="log-frame">
      <div class="log" ref={log} role="log" aria-label={t('thread', { name })} aria-busy={!settled.value} tabIndex={0} onScroll={scrolled}>
        {conversation.oldest > 1 && (
          <button type="button" class="quiet older" onClick={() => void desk.older(conversation.id)}>{t('older')}</button>
        )}
        {!conversation.loaded && rows.length === 0 && <p class="empty">{t('loading')}</p>}
        {conversation.loaded && rows.length + pending.length === 0 && <p class="empty">{t('noMessages')}</p>}
        {rows.map((row) => row.kind === 'day'
          ? <p class="day" key={row.key}><time dateTime={row.at}>{dayText(row.at, desk.nowMs())}</time></p>
          : <MessageRow key={row.key} shown={row.shown} name={name} />)}
        {pending.map((entry) => <PendingRow key={entry.client_id} desk={desk} entry={entry} />)}
      </div>
      {away.value && <button type="button" class="newer" onClick={down}><Icon name="down" /><span class="sr">{t('newer')}</span></button>}
    </div>
  );
}
