// The conversation's page: hands the world to the chat, meets the page that embeds us, and draws what changes.
import { render } from 'preact';
import { choose, isLanguage, type Language, languages } from '../shared/sentences.ts';
import { uuid } from '../shared/uuid.ts';
import { Chat, type Mode } from './chat.ts';
import { type Host, meet } from './host.ts';
import { Keep } from './keep.ts';
import type { Road } from './line.ts';
import { dialSocket, dialStream } from './pipes.ts';
import type { Challenge } from './protocol.ts';
import { language, speak, t } from './words.ts';
import { App } from './views/app.tsx';

const asked = new URLSearchParams(location.search);
const inbox = asked.get('inbox') ?? '';
const base = `/chat/${encodeURIComponent(inbox)}`;
const kRoadKey = 'belfry.road';
const kSlowMs = 2000;

// A browser that keeps third parties from storage throws at the mere asking.
const storageOf = (kind: 'localStorage' | 'sessionStorage'): Storage | undefined => {
  try {
    return window[kind];
  } catch {
    return undefined;
  }
};
const session = storageOf('sessionStorage');
const keep = new Keep(storageOf('localStorage'), inbox);
const remembered = keep.get('language');
const wanted = isLanguage(remembered) ? remembered : choose([asked.get('language') ?? '', ...navigator.languages].filter(Boolean));
if (!await speak(wanted)) await speak('en');

async function solve({ salt, bits }: Challenge, wanted: () => boolean): Promise<string | undefined> {
  const work = await import('./work.ts');
  // A message to ourselves: unlike a timer it is not slowed down in a page that is not seen.
  const { port1, port2 } = new MessageChannel();
  let go = (): void => {};
  port1.onmessage = () => go();
  const rest = (): Promise<void> => new Promise((done) => {
    go = done;
    port2.postMessage(0);
  });
  return work.solve(salt, bits, { nowMs: () => performance.now(), rest, wanted }).finally(() => port1.close());
}

let host: Host | undefined;
let slow = false;
let draws = false;
let cancelSlow: (() => void) | undefined;
const after = (ms: number, action: () => void): (() => void) => {
  const timer = setTimeout(action, ms);
  return () => clearTimeout(timer);
};

const chat = new Chat({
  inbox,
  keep,
  dial: {
    socket: dialSocket(`${location.origin.replace(/^http/, 'ws')}/ws/chat`, WebSocket),
    stream: dialStream(base, (...args) => fetch(...args)),
  },
  road: session?.getItem(kRoadKey) === 'stream' ? 'stream' : 'socket' satisfies Road,
  random: Math.random,
  after,
  nowMs: Date.now,
  language: () => language,
  page: () => host?.page.slice(0, 2000) ?? '', // a hello is small
  uuid,
  visible: () => document.visibilityState === 'visible',
  upload: async (...args) => (await import('./transfer.ts')).upload(base, ...args),
  transcript: async (token) => (await import('./transfer.ts')).download(`${base}/transcript`, token, `${t('transcriptFile')}.txt`),
  solve,
  changed: () => {
    if (draws) return;
    draws = true;
    queueMicrotask(draw);
  },
});

const root = document.getElementById('widget')!;
const shut = window.parent === window ? undefined : () => host?.say('ask', 'shut');

function watch(): void {
  const { is } = chat.line.status;
  if (is === 'open' || is === 'off') {
    cancelSlow?.();
    cancelSlow = undefined;
    slow = false;
    if (is === 'open') session?.setItem(kRoadKey, chat.line.road);
  } else {
    cancelSlow ??= after(kSlowMs, () => {
      slow = true;
      draw();
    });
  }
}

function draw(): void {
  draws = false;
  watch();
  if (host) {
    const { mode, alerts, unread } = chat;
    if (mode === 'shut' && alerts.length > 0) host.say('ask', 'banner');
    if (mode === 'banner' && alerts.length === 0) host.say('ask', 'shut');
    host.say('name', t('launcher', { n: unread }), unread);
  }
  document.documentElement.lang = language;
  document.documentElement.dir = languages[language].dir;
  document.title = t('title');
  const change = (next: Language): void => void speak(next).then((spoken) => {
    if (spoken) keep.set('language', next);
    draw();
  });
  const height = (px: number): void => {
    if (px > 0) host?.say('height', px);
  };
  render(<App chat={chat} slow={slow} speak={change} shut={shut} height={height} />, root);
}

// The agency's colour, with black or white upon it, whichever stands out more (WCAG's luminance).
const colour = /^#([\da-f]{2})([\da-f]{2})([\da-f]{2})$/i.exec(asked.get('colour') ?? '');
if (colour) {
  const [r, g, b] = colour.slice(1).map((pair) => (parseInt(pair, 16) / 255) ** 2.2) as [number, number, number];
  root.style.setProperty('--brand', colour[0]);
  root.style.setProperty('--brand-ink', r * 0.21 + g * 0.72 + b * 0.07 > 0.18 ? '#000' : '#fff');
}

addEventListener('online', () => chat.line.kick());
addEventListener('focus', () => chat.line.kick());
document.addEventListener('visibilitychange', () => {
  if (document.visibilityState !== 'visible') return;
  chat.line.kick();
  draw();
});
// Another tab read an alert, had an answer, discarded a message, or logged out.
addEventListener('storage', ({ key, newValue }) => {
  const name = keep.nameOf(key);
  if (name === 'alerts') chat.reread();
  else if (newValue !== null || name === undefined) return;
  else if (name.startsWith('out.')) chat.forget(name.slice(4));
  else if (name === 'who') chat.leave();
});
addEventListener('keydown', (event) => {
  if (event.key === 'Escape' && chat.mode === 'open' && !event.defaultPrevented && !document.querySelector('dialog[open]')) shut?.();
});

draw();
if (shut) {
  host = await meet(window, asked.get('host') || '/', {
    mode: (mode) => {
      chat.mode = mode as Mode;
      draw();
    },
    identify: (jwt) => chat.identify(jwt),
    logout: () => chat.logout(),
  });
} else chat.mode = 'open';
draw();
chat.line.start();
