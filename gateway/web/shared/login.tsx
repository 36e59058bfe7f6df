// The door: login and password, and what the gateway says if it does not open.
import { useSignal } from '@preact/signals';
import { useRef } from 'preact/hooks';
import type { Answer } from './api.ts';
import { t } from './i18n.ts';
import { Icon } from './icons.tsx';
import { LanguageChoice } from './language.tsx';

export interface LoginProps {
  title: string;
  enter(login: string, password: string): Promise<Answer<unknown>>;
  // The page's own words for a refusal by its code; what it does not know is said in the gateway's words.
  refusal(code: string | undefined): string | undefined;
}

export function Login({ title, enter, refusal }: LoginProps) {
  const busy = useSignal(false);
  const wrong = useSignal('');
  const login = useRef<HTMLInputElement>(null);
  const password = useRef<HTMLInputElement>(null);

  const submit = async (event: Event): Promise<void> => {
    event.preventDefault();
    if (busy.value || !login.current || !password.current) return;
    busy.value = true;
    wrong.value = '';
    const answer = await enter(login.current.value.trim(), password.current.value);
    busy.value = false;
    if (answer.ok) return;
    const { code, detail, status } = answer.problem;
    wrong.value = detail ?? refusal(code) ?? t(status === 0 ? 'noAnswer' : 'loginWrong');
    password.current?.select();
  };

  return (
    <main class="door">
      <form class="door-card" onSubmit={(event) => void submit(event)}>
        <h1><span class="brand"><Icon name="bell" /> Belfry</span> {title}</h1>
        <label>
          {t('login')}
          <input ref={login} name="login" autocomplete="username" autocapitalize="none" spellcheck={false} required dir="auto" />
        </label>
        <label>
          {t('password')}
          <input ref={password} name="password" type="password" autocomplete="current-password" required />
        </label>
        <div role="alert" class="door-wrong">{wrong.value !== '' && <p dir="auto">{wrong.value}</p>}</div>
        <button type="submit" class="primary" aria-disabled={busy.value}>{t(busy.value ? 'signingIn' : 'signIn')}</button>
        <LanguageChoice />
      </form>
    </main>
  );
}
