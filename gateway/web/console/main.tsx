// Starts the console: gives it the browser's clock, address and storage, and draws it.
import { effect, signal } from '@preact/signals';
import { render } from 'preact';
import { Api } from '../shared/api.ts';
import { choose, isLanguage, language, languages } from '../shared/i18n.ts';
import { Console, readPlace } from './console.ts';
import type { PollWorld } from './poll.ts';
import { App } from './views/app.tsx';
import { t } from './words.ts';

const kLanguageKey = 'belfry.language';

const api = new Api((input, init) => fetch(input, init));
const state = new Console(api, () => Date.now());
const world: PollWorld = {
  nowMs: () => Date.now(),
  random: Math.random,
  after: (ms, action) => {
    const timer = setTimeout(action, ms);
    return () => clearTimeout(timer);
  },
  seen: () => document.visibilityState === 'visible',
};

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
effect(() => { document.title = `${t('title')} · Belfry`; });

const go = (): void => { state.place.value = readPlace(location.hash); };
addEventListener('hashchange', go);
go();

// One clock for every duration on the page, and one sign that somebody looks again.
const now = signal(state.now());
setInterval(() => { now.value = state.now(); }, 1000);
const looked = signal(0);
const look = (): void => { if (world.seen()) looked.value += 1; };
document.addEventListener('visibilitychange', look);
addEventListener('online', look);

const root = document.getElementById('console');
if (root) render(<App state={state} now={now} looked={looked} world={world} />, root);
void state.begin();
