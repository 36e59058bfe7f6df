// The whole of the iframe: alerts over everything, then the conversation.
import { useLayoutEffect, useRef, useState } from 'preact/hooks';
import type { Language } from '../../shared/sentences.ts';
import type { Chat, Notice } from '../chat.ts';
import { kOriginRefused } from '../line.ts';
import { apart, channelText, t, whenText } from '../words.ts';
import { Alerts } from './alerts.tsx';
import { Composer } from './composer.tsx';
import { Header } from './header.tsx';
import { Icon } from './icon.tsx';
import { later } from './later.tsx';
import { Thread } from './thread.tsx';

const EndQuestion = later(async () => (await import('./seldom.tsx')).EndQuestion);
const GoOnQuestion = later(async () => (await import('./seldom.tsx')).GoOnQuestion);
const Form = later(async () => (await import('./seldom.tsx')).Form);

export interface AppProps {
  chat: Chat;
  slow: boolean; // there has been no connection for a while
  speak(language: Language): void;
  shut: (() => void) | undefined;
  height(px: number): void; // of the alerts
}

// How long, in what order, and whether anybody is there: one quiet line each.
function Standing({ chat, slow }: { chat: Chat; slow: boolean }) {
  const { state, line, working } = chat;
  const { queue } = state;
  const { status } = line;
  const lines: string[] = [];
  if (status.is === 'stopped') lines.push(t(status.code === kOriginRefused ? 'refusedOrigin' : 'tooManyTabs'));
  else if (slow) lines.push(t(state.greeted || status.is === 'waiting' ? 'offline' : 'connecting'));
  if (working) lines.push(t('checking'));
  if (!state.open) lines.push(state.opens_at === '' ? t('closed') : t('closedUntil', { when: apart(whenText(state.opens_at, Date.now())) }));
  else if (queue && !slow) {
    const minutes = Math.round(queue.wait_s / 60);
    lines.push(`${t('place', { n: queue.position })}${queue.wait_s > 0 ? ` ${minutes < 1 ? t('waitShort') : t('wait', { n: minutes })}` : ''}`);
  }
  if (chat.goOn?.stage === 'sent') lines.push(t('codeSent', { number: apart(chat.goOn.number), channel: channelText(chat.goOn.channel) }));
  const again = (status.is === 'waiting' && slow) || (status.is === 'stopped' && status.code !== kOriginRefused);
  return (
    <div class="standing">
      <div role="status">{lines.map((text) => <p key={text}>{text}</p>)}</div>
      {again && <button type="button" class="small" onClick={() => (status.is === 'waiting' ? line.kick() : line.start())}>{t('tryNow')}</button>}
    </div>
  );
}

const Warning = ({ notice, dismiss }: { notice: Notice | undefined; dismiss(): void }) => (
  <div role="alert" class="warning">
    {notice && <p class="why">{t(notice.key)} {notice.problem?.detail && <bdi>{notice.problem.detail}</bdi>}</p>}
    {notice && <button type="button" class="bare" aria-label={t('dismiss')} onClick={dismiss}><Icon name="close" /></button>}
  </div>
);

const firstOf = (): HTMLElement | null => document.querySelector('[data-first]');

export function App({ chat, slow, speak, shut, height }: AppProps) {
  const alerts = useRef<HTMLDivElement>(null);
  const [asking, setAsking] = useState(false);
  const [over, setOver] = useState(false);
  const { mode, state } = chat;
  const asked = state.form.length > 0 && !chat.formSkipped;

  useLayoutEffect(() => {
    const watch = new ResizeObserver(() => height(alerts.current!.scrollHeight));
    watch.observe(alerts.current!);
    return () => watch.disconnect();
  }, []);
  useLayoutEffect(() => { if (mode === 'open') firstOf()?.focus(); }, [mode]);
  // The form in the composer's place and back: whoever was typing goes on typing.
  const first = useRef(asked);
  useLayoutEffect(() => {
    if (first.current !== asked && mode === 'open' && document.hasFocus()) firstOf()?.focus();
    first.current = asked;
  }, [asked]);

  const drag = (event: DragEvent): void => {
    if (state.media_max === 0 || asked || !event.dataTransfer?.types.includes('Files')) return;
    event.preventDefault();
    setOver(event.type === 'dragover');
    if (event.type === 'drop') chat.attach([...event.dataTransfer.files]);
  };

  return (
    <div class={`page is-${mode}${over ? ' is-over' : ''}`} onDragOver={drag} onDragLeave={drag} onDrop={drag}>
      <Alerts alerts={mode === 'shut' ? [] : chat.alerts} frame={alerts} dismiss={(id) => { if (mode === 'open') firstOf()?.focus(); chat.dismissAlert(id); }} />
      <Header chat={chat} speak={speak} askEnd={() => setAsking(true)} shut={shut} />
      <main>
        <Standing chat={chat} slow={slow} />
        <Thread chat={chat} />
        <p class="typing" role="status">{chat.typing && (state.agent === '' ? t('typingSomebody') : t('typing', { name: apart(state.agent) }))}</p>
        <Warning notice={chat.notice} dismiss={() => { firstOf()?.focus(); chat.dismissNotice(); }} />
        {asked ? <Form chat={chat} /> : <Composer chat={chat} />}
      </main>
      {asking && <EndQuestion chat={chat} close={() => setAsking(false)} />}
      {chat.goOn && chat.goOn.stage !== 'sent' && <GoOnQuestion chat={chat} />}
    </div>
  );
}
