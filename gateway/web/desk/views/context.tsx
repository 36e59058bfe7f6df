// The right pane: whom one talks with, and where the conversation stands.
import { useEffect, useRef } from 'preact/hooks';
import { fullText } from '../../shared/i18n.ts';
import { t, type Key } from '../words.ts';
import { queueName } from '../protocol.ts';
import { isWhatsApp } from '../state.ts';
import type { ViewProps } from './app.tsx';
import { Icon } from '../../shared/icons.tsx';
import { channelWord } from './list.tsx';

const states: Readonly<Record<string, Key>> = {
  active: 'active', parked: 'parked', wrapup: 'wrapup', closed: 'closed', offered: 'offered', queued: 'waitingState',
};

export function Context({ desk }: ViewProps) {
  const conversation = desk.current.value;
  const place = desk.place.value;
  const back = useRef<HTMLButtonElement>(null);
  useEffect(() => {
    if (place === 'context') back.current?.focus();
  }, [place]);
  if (!conversation) return null;
  const { contact, channel, queue, state, window_until, id } = conversation;
  const known = states[state];
  return (
    <aside class="pane context" aria-labelledby="context-title">
      <button ref={back} type="button" class="quiet back" onClick={() => { desk.place.value = 'thread'; }}>
        <Icon name="back" flips /> {t('backToThread')}
      </button>
      <h2 id="context-title">{t('details')}</h2>
      <dl>
        <dt>{t('contact')}</dt><dd><bdi>{contact.name || t('nameless')}</bdi></dd>
        {channel !== '' && <><dt>{t('channel')}</dt><dd>{channelWord(channel)}</dd></>}
        {queue !== '' && <><dt>{t('queue')}</dt><dd><bdi>{queueName(queue)}</bdi></dd></>}
        {state !== '' && <><dt>{t('state')}</dt><dd>{known ? t(known) : state}</dd></>}
        {isWhatsApp(channel) && window_until !== '' && <><dt>{t('windowUntil')}</dt><dd>{fullText(window_until)}</dd></>}
        <dt>{t('conversation')}</dt><dd><code dir="ltr">{id}</code></dd>
      </dl>
    </aside>
  );
}
