// Starts the console: gives it the browser's clock, address and storage, and draws it.
import { effect, signal } from '@preact/signals';
import { render } from 'preact';
import { Api } from '../shared/api.ts';
import { followLanguage } from '../shared/remembered.ts';
import { Console, readPlace } from './console.ts';
import type { PollWorld } from './poll.ts';
import { App } from './views/app.tsx';
import { t } from './words.ts';

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

followLanguage();
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
