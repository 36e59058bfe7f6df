// Which of the rooms is shown: waiting, the door, or a page of the console within its frame.
import type { Signal } from '@preact/signals';
import { useEffect, useRef } from 'preact/hooks';
import { FormDialog } from '../../shared/form.tsx';
import { Icon } from '../../shared/icons.tsx';
import { LanguageChoice } from '../../shared/language.tsx';
import { Login } from '../../shared/login.tsx';
import { sections } from '../admin/sections.ts';
import { type Console, linkTo } from '../console.ts';
import type { PollWorld } from '../poll.ts';
import { t, type Key } from '../words.ts';
import { Changes } from './changes.tsx';
import { HistoryPage } from './history.tsx';
import { Records } from './records.tsx';
import { Wall } from './wall.tsx';

export interface ViewProps {
  state: Console;
  now: Signal<number>; // the gateway's time, once a second
  looked: Signal<number>; // changes when somebody looks at the page again
  world: PollWorld;
}

interface Page {
  id: string;
  title: Key;
  may(state: Console): boolean;
}
const live: readonly Page[] = [
  { id: 'wall', title: 'wall', may: () => true },
  { id: 'history', title: 'history', may: () => true },
];
const last: readonly Page[] = [{ id: 'changes', title: 'changes', may: (state) => state.may('supervisor', 'auditor') }];
const pages: readonly Page[] = [...live, ...sections.map(({ id, title, may }) => ({ id, title, may })), ...last];

export function App(props: ViewProps) {
  const { state } = props;
  const session = state.session.value;
  if (session === 'unknown') return <main class="door"><h1 class="sr">Belfry</h1><p role="status">{t('loading')}</p></main>;
  if (session === 'out') return <Login title={t('title')} enter={(login, password) => state.login(login, password)} refusal={() => undefined} />;
  return <House {...props} />;
}

function House(props: ViewProps) {
  const { state } = props;
  const { page } = state.place.value;
  const shown = pages.find((each) => each.id === page && each.may(state)) ?? pages[0]!;
  const heading = useRef<HTMLHeadingElement>(null);
  const first = useRef(true);
  useEffect(() => {
    if (first.current) first.current = false;
    else heading.current?.focus();
  }, [shown.id]);
  const form = state.form.value;
  const section = sections.find((each) => each.id === shown.id);
  const session = state.session.value;
  return (
    <div class="console">
      <header class="head">
        <span class="brand"><Icon name="bell" /> Belfry</span>
        <span class="spacer" />
        <a class="quiet-link" href="/desk/">{t('toDesk')}</a>
        <LanguageChoice />
        <span class="person"><bdi>{typeof session === 'string' ? '' : session.agent.name || session.agent.id}</bdi></span>
        <button type="button" class="quiet" onClick={() => void state.logout()}>{t('signOut')}</button>
      </header>
      <div class="body">
        <nav class="nav" aria-label={t('pages')}>
          <ul>
            {pages.filter((each) => each.may(state)).map((each) => (
              <li key={each.id}><a href={linkTo(each.id)} aria-current={each.id === shown.id ? 'page' : undefined}>{t(each.title)}</a></li>
            ))}
          </ul>
        </nav>
        <main class="page" data-page={shown.id}>
          <h1 ref={heading} tabIndex={-1} data-home>{t(shown.title)}</h1>
          {shown.id === 'wall' && <Wall {...props} />}
          {shown.id === 'history' && <HistoryPage {...props} />}
          {shown.id === 'changes' && <Changes {...props} />}
          {section && <Records key={section.id} section={section} {...props} />}
        </main>
      </div>
      <Said state={state} />
      {form && <FormDialog form={form} close={() => { state.form.value = undefined; }} />}
    </div>
  );
}

const kShownMs = 6000;

// What was just done, in one line at the bottom. Good news goes by itself; what went wrong stays.
function Said({ state }: { state: Console }) {
  const said = state.said.value;
  useEffect(() => {
    if (!said || said.wrong) return undefined;
    const timer = setTimeout(() => { if (state.said.value === said) state.said.value = undefined; }, kShownMs);
    return () => clearTimeout(timer);
  }, [said]);
  const body = said && (
    <p class={`notice ${said.wrong ? 'wrong' : 'calm'}`}>
      <span dir="auto">{said.words}</span>
      <button type="button" class="quiet" aria-label={t('close')} onClick={() => { state.said.value = undefined; }}><Icon name="close" /></button>
    </p>
  );
  return (
    <div class="notices">
      <div role="status">{said && !said.wrong && body}</div>
      <div role="alert">{said?.wrong && body}</div>
    </div>
  );
}
