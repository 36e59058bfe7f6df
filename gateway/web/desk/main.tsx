// Starts the desk: gives it the browser's socket, clock, chance and storage, and draws it.
import { effect, signal } from '@preact/signals';
import { render } from 'preact';
import { uuid } from '../shared/uuid.ts';
import { tinykeys } from 'tinykeys';
import { actions, run, type Hands } from './actions.ts';
import { browserRinger } from './alerts.ts';
import { DeskApi, type Uploader } from './api.ts';
import { keyOf } from './keymap.ts';
import { loadSettings, saveSettings } from './settings.ts';
import { kSubprotocol } from './protocol.ts';
import { Desk } from './desk.ts';
import { followLanguage } from '../shared/remembered.ts';
import { t } from './words.ts';
import type { SocketLike } from '../shared/link.ts';
import type { StorageLike } from './storage.ts';
import { App } from './views/app.tsx';

// XMLHttpRequest, because fetch cannot tell how far an upload got.
const uploader: Uploader = (path, headers, file, progress) => {
  const call = new XMLHttpRequest();
  const done = new Promise<{ status: number; text: string }>((resolve) => {
    call.onloadend = () => resolve({ status: call.status, text: call.responseText });
  });
  call.upload.onprogress = (event) => { if (event.lengthComputable) progress(event.loaded / event.total); };
  call.open('POST', path);
  for (const [name, value] of Object.entries(headers)) call.setRequestHeader(name, value);
  call.send(file);
  return { done, stop: () => call.abort() };
};
// Some browsers refuse storage altogether.
const lasting = ((): StorageLike => {
  try {
    return localStorage;
  } catch {
    return { getItem: () => null, setItem: () => {}, removeItem: () => {} };
  }
})();
const ringer = browserRinger();
const seen = (): boolean => document.visibilityState === 'visible' && document.hasFocus();

const desk = new Desk({
  protocol: kSubprotocol,
  api: new DeskApi((input, init) => fetch(input, init), () => Date.now(), uploader),
  storage: sessionStorage,
  uuid,
  seen,
  settings: loadSettings(lasting),
  news: ({ kind, conversation, name }) => {
    const { sound, notify } = desk.settings.peek();
    if (sound && (kind === 'offer' || !seen())) ringer.beep();
    if (!notify || seen()) return;
    // Clicked late, it shows what is true by then: the offer may be another's.
    ringer.notify(t(kind === 'offer' ? 'noteOffer' : 'noteMessage'), name || t('nameless'), `${kind} ${conversation}`, () => {
      if (kind === 'message') desk.select(conversation);
      else if (!desk.state.peek().offers.some((each) => each.conversation === conversation)) void desk.goneOffer(conversation);
    });
  },
  open: (protocols) => {
    const scheme = location.protocol === 'https:' ? 'wss:' : 'ws:';
    return new WebSocket(`${scheme}//${location.host}/ws/desk`, protocols) as unknown as SocketLike;
  },
  random: Math.random,
  nowMs: () => Date.now(),
  after: (ms, action) => {
    const timer = setTimeout(action, ms);
    return () => clearTimeout(timer);
  },
});

// One clock for every countdown on the page.
const now = signal(desk.nowMs());
setInterval(() => {
  desk.tick();
  now.value = desk.nowMs();
}, 1000);

followLanguage();
effect(() => {
  const waiting = desk.unreadTotal.value + desk.state.value.offers.length;
  document.title = `${waiting > 0 ? `(${waiting}) ` : ''}${t('title')} · Belfry`;
});
effect(() => {
  // Read what is kept, so that the effect runs again when it changes.
  void [desk.outbox.value, desk.drafts.value, desk.selected.value];
  desk.keep();
});
// How far each conversation was read may wait a moment: with hundreds of them it changes all the time.
let keeping: ReturnType<typeof setTimeout> | undefined;
effect(() => {
  void desk.state.value;
  keeping ??= setTimeout(() => {
    keeping = undefined;
    desk.keep();
  }, 500);
});
addEventListener('pagehide', () => desk.keep());
effect(() => saveSettings(lasting, desk.settings.value));

addEventListener('online', () => desk.kick());
addEventListener('focus', () => {
  desk.tick();
  desk.kick();
});
document.addEventListener('visibilitychange', () => {
  if (document.visibilityState !== 'visible') return;
  desk.tick();
  now.value = desk.nowMs();
  desk.kick();
});
addEventListener('beforeunload', (event) => {
  if (desk.outbox.value.some((entry) => entry.command.t === 'reply' || entry.command.t === 'note')) event.preventDefault();
});

const find = (selector: string): HTMLElement | null => document.querySelector<HTMLElement>(selector);
const hands: Hands = {
  focus: (place) => {
    const selector = { composer: '.composer textarea', list: '.list .line[tabindex="0"]', log: '.log', context: '.context' }[place];
    // After what the action changed is drawn.
    setTimeout(() => (find(selector) ?? find(place === 'list' ? 'nav.list' : '#thread-title'))?.focus(), 0);
  },
  pickFile: () => find('#file')?.click(),
};
// Keys are bound by their place on the keyboard, so that they work in every layout; while a dialog is open they are its own.
effect(() => {
  const { keys, keysOn } = desk.settings.value;
  if (!keysOn) return undefined;
  const bound = actions.map((action) => [keyOf(keys, action.id), action] as const).filter(([binding]) => binding !== '');
  return tinykeys(window, Object.fromEntries(bound.map(([binding, action]) => [binding, (event: KeyboardEvent) => {
    if (typeof desk.session.peek() === 'string' || (event.repeat && !action.repeats)) return;
    if (run(action, desk, hands)) event.preventDefault();
  }])), { ignore: () => desk.dialog.peek() !== undefined });
});
// A question mark, where it is not being written.
addEventListener('keydown', (event) => {
  const writes = event.target instanceof HTMLElement && event.target.matches('input:not([type=radio]), textarea, select');
  if (!desk.settings.peek().keysOn || writes || (event.key !== '?' && event.key !== '؟') || event.ctrlKey || event.altKey || event.metaKey) return;
  if (desk.dialog.peek() !== undefined || typeof desk.session.peek() === 'string') return;
  event.preventDefault();
  desk.dialog.value = { is: 'help' };
});

const root = document.getElementById('desk');
if (root) render(<App desk={desk} now={now} hands={hands} asker={ringer} />, root);
void desk.begin();
