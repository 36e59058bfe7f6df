// Which of the three rooms is shown: waiting, the door, the desk.
import type { Signal } from '@preact/signals';
import { kNoAgent } from '../../shared/api.ts';
import type { Desk } from '../desk.ts';
import { t } from '../words.ts';
import { Context } from './context.tsx';
import { Header } from './header.tsx';
import { List } from './list.tsx';
import { Login } from '../../shared/login.tsx';
import { Notices } from './notices.tsx';
import { Thread } from './thread.tsx';

export interface ViewProps {
  desk: Desk;
  now: Signal<number>; // the gateway's time, once a second
}

export function App({ desk, now }: ViewProps) {
  const session = desk.session.value;
  if (session === 'unknown') return <main class="door"><h1 class="sr">Belfry</h1><p role="status">{t('loading')}</p></main>;
  if (session === 'out') return (
    <Login title={t('title')} enter={(login, password) => desk.login(login, password)} refusal={(code) => (code === kNoAgent ? t('noAgent') : undefined)} />
  );
  return (
    <div class="desk" data-place={desk.place.value}>
      <Header desk={desk} now={now} />
      <main class="panes">
        <h1 class="sr">{t('title')}</h1>
        <List desk={desk} now={now} />
        <Thread desk={desk} now={now} />
        <Context desk={desk} now={now} />
      </main>
      <Notices desk={desk} />
    </div>
  );
}
