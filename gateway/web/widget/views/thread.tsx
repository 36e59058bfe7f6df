// The log. It stays at its end while the reader is there, and leaves him in peace when he reads further up.
import { useEffect, useLayoutEffect, useRef, useState } from 'preact/hooks';
import type { Chat } from '../chat.ts';
import { isMessage } from '../state.ts';
import { dayText, t } from '../words.ts';
import { Icon } from './icon.tsx';
import { Happened, Pending, Said } from './message.tsx';

const kEndPx = 24;

export function Thread({ chat }: { chat: Chat }) {
  const box = useRef<HTMLDivElement>(null);
  const atEnd = useRef(true);
  const [away, setAway] = useState(false);
  const { items, greeted } = chat.state;
  // What was said before is filled in while the log is busy, so that it is not read aloud.
  const [busy, setBusy] = useState(true);
  useEffect(() => setBusy(!greeted), [greeted]);
  const here = new Set(items.map((item) => (isMessage(item) ? item.client_id : '')));
  const pending = chat.outbox.filter((entry) => entry.command.t === 'message' && !here.has(entry.client_id));

  const toEnd = (): void => {
    if (box.current) box.current.scrollTop = box.current.scrollHeight;
  };
  const scrolled = (): void => {
    const log = box.current!;
    atEnd.current = log.scrollHeight - log.scrollTop - log.clientHeight < kEndPx;
    setAway(!atEnd.current);
    if (atEnd.current) chat.looked();
  };
  // Each message of his own, and each while he is at the end, is brought into view.
  useLayoutEffect(() => { atEnd.current = true; }, [pending.length]);
  useLayoutEffect(() => {
    if (!atEnd.current) return;
    toEnd();
    chat.looked();
  });
  useLayoutEffect(() => {
    const watch = new ResizeObserver(() => atEnd.current && toEnd());
    watch.observe(box.current!);
    watch.observe(box.current!.firstElementChild!);
    return () => watch.disconnect();
  }, []);

  let day = '';
  return (
    <div class="log-frame">
      <div class="log" role="log" aria-label={t('log')} aria-busy={busy} tabIndex={0} ref={box} onScroll={scrolled}>
        <div class="log-lines">
          {items.length + pending.length === 0 && <p class="happened">{t('hello')}</p>}
          {items.map((item) => {
            if (!isMessage(item)) return <Happened key={item.id} note={item} />;
            const today = item.at === '' ? day : new Date(item.at).toDateString();
            const turned = today !== day;
            day = today;
            return [
              turned && <p class="day" key={`day ${item.id}`}><time dateTime={item.at}>{dayText(item.at)}</time></p>,
              <Said key={item.client_id || item.id} message={item} />,
            ];
          })}
          {pending.map((entry) => (
            <Pending
              key={entry.client_id} entry={entry} online={chat.line.status.is === 'open'}
              retry={() => chat.retry(entry.client_id)} discard={() => chat.discard(entry.client_id)}
            />
          ))}
        </div>
      </div>
      {away && (
        <button type="button" class="newest" aria-label={t('newest')} onClick={() => { toEnd(); box.current?.focus(); }}><Icon name="down" /></button>
      )}
    </div>
  );
}
