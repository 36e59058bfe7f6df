// Starts the desk: gives it the browser's socket, clock, chance and storage, and draws it.
import { effect, signal } from '@preact/signals';
import { render } from 'preact';
import { uuid } from '../shared/uuid.ts';
import { DeskApi } from './api.ts';
import { kSubprotocol } from './protocol.ts';
import { Desk } from './desk.ts';
import { choose, isLanguage, language, languages } from '../shared/i18n.ts';
import { t } from './words.ts';
import type { SocketLike } from '../shared/link.ts';
import { App } from './views/app.tsx';

const kLanguageKey = 'belfry.language';

const desk = new Desk({
  protocol: kSubprotocol,
  api: new DeskApi((input, init) => fetch(input, init)),
  storage: sessionStorage,
  uuid,
  seen: () => document.visibilityState === 'visible' && document.hasFocus(),
  open: (protocols) => {
    const scheme = location.protocol === 'https:' ? 'wss:' : 'ws:';
    return new WebSocket(`${scheme}//${location.host}/ws/desk`, protocols) as unknown as SocketLike;
  },
  random: Math.random,
  nowMs: Date.now,
  after: (ms, action) => {
    const timer = setTimeout(action, ms);
    return () => clearTimeout(timer);
  },
});

// One clock for every countdown on the page.
const now = signal(desk.nowMs());
setInterval(() => { now.value = desk.nowMs(); }, 1000);

const remembered = ((): string | null => {
  try {
    return localStorage.getItem(kLanguageKey);
  } catch {
    return null;
  }
})();
language.value = isLanguage(remembered) ? remembered : choose(navigator.languages);
effect(() => {
  document.documentElement.lang = language.value;
  document.documentElement.dir = languages[language.value].dir;
  try {
    if (language.value !== choose(navigator.languages) || remembered) localStorage.setItem(kLanguageKey, language.value);
  } catch {
    // Remembered for this page only.
  }
});
effect(() => {
  const waiting = desk.unreadTotal.value + desk.state.value.offers.length;
  document.title = `${waiting > 0 ? `(${waiting}) ` : ''}${t('title')} · Belfry`;
});
effect(() => {
  // Read what is kept, so that the effect runs again when it changes.
  void [desk.outbox.value, desk.drafts.value, desk.selected.value, desk.state.value];
  desk.keep();
});

addEventListener('online', () => desk.kick());
addEventListener('focus', () => desk.kick());
document.addEventListener('visibilitychange', () => {
  if (document.visibilityState === 'visible') desk.kick();
});
addEventListener('beforeunload', (event) => {
  if (desk.outbox.value.some((entry) => entry.command.t === 'reply' || entry.command.t === 'note')) event.preventDefault();
});

// Chords with Alt, by the key's place on the keyboard, so that they work in every layout and never while plain typing.
addEventListener('keydown', (event) => {
  if (!event.altKey || event.ctrlKey || event.metaKey || event.shiftKey || event.repeat) return;
  const current = desk.current.value;
  const first = desk.state.value.offers[0];
  if (event.code === 'KeyJ') desk.move(1);
  else if (event.code === 'KeyK') desk.move(-1);
  else if (event.code === 'KeyE' && current) desk.resolve(current.id);
  else if (event.code === 'KeyA' && first) desk.accept(first.conversation);
  else return;
  event.preventDefault();
});

const root = document.getElementById('desk');
if (root) render(<App desk={desk} now={now} />, root);
void desk.begin();
