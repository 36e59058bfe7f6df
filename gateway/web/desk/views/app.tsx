// Which of the three rooms is shown: waiting, the door, the desk.
import type { Signal } from '@preact/signals';
import { useEffect } from 'preact/hooks';
import { kNoAgent } from '../../shared/api.ts';
import type { Desk } from '../desk.ts';
import { t } from '../words.ts';
import { Context } from './context.tsx';
import type { Hands } from '../actions.ts';
import { FormDialog } from '../../shared/form.tsx';
import { formOf } from '../forms.ts';
import { Header, Staleness } from './header.tsx';
import { Help, Palette, SettingsDialog, type Asker } from './palette.tsx';
import { List } from './list.tsx';
import { Login } from '../../shared/login.tsx';
import { Notices } from './notices.tsx';
import { Thread } from './thread.tsx';

export interface ViewProps {
  desk: Desk;
  now: Signal<number>; // the gateway's time, once a second
}

export function App({ desk, now, hands, asker }: ViewProps & { hands: Hands; asker: Asker }) {
  const dialog = desk.dialog.value;
  const session = desk.session.value;
  if (session === 'unknown') return <main class="door"><h1 class="sr">Belfry</h1><p role="status">{t('loading')}</p></main>;
  if (session === 'out') return (
    <Login title={t('title')} enter={(login, password) => desk.login(login, password)} refusal={(code) => (code === kNoAgent ? t('noAgent') : undefined)} />
  );
  return (
    <div class={desk.stale.value ? 'desk is-stale' : 'desk'} data-place={desk.place.value}>
      <Header desk={desk} now={now} />
      <Staleness desk={desk} />
      <main class="panes">
        <h1 class="sr">{t('title')}</h1>
        <List desk={desk} now={now} />
        <Thread desk={desk} now={now} hands={hands} />
        <Context desk={desk} now={now} />
      </main>
      <Notices desk={desk} />
      {dialog?.is === 'palette' && <Palette desk={desk} hands={hands} />}
      {dialog?.is === 'help' && <Help desk={desk} />}
      {dialog?.is === 'settings' && <SettingsDialog desk={desk} asker={asker} />}
      {dialog?.is === 'form' && <Asked key={dialog.form} desk={desk} name={dialog.form} />}
    </div>
  );
}

// A form of what is open on the desk; it goes away when that does.
function Asked({ desk, name }: { desk: Desk; name: string }) {
  const form = formOf(desk, name);
  const close = (): void => { desk.dialog.value = undefined; };
  useEffect(() => { if (!form) close(); }, [form === undefined]);
  return form ? <FormDialog form={form} close={close} /> : null;
}
