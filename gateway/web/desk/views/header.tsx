// Who sits here, whether he takes conversations, and whether the gateway hears him.
import { Icon } from '../../shared/icons.tsx';
import { timeText } from '../../shared/i18n.ts';
import { LanguageChoice } from '../../shared/language.tsx';
import type { Desk } from '../desk.ts';
import { codeWord, pauseReasons } from '../forms.ts';
import type { Availability } from '../protocol.ts';
import { t } from '../words.ts';
import type { ViewProps } from './app.tsx';

const choices: readonly Availability[] = ['ready', 'paused', 'offline'];

export function Header({ desk, now }: ViewProps) {
  const state = desk.state.value;
  const session = desk.session.value;
  return (
    <header class="head">
      <span class="brand"><Icon name="bell" /> Belfry</span>
      <AvailabilityChoice desk={desk} />
      {state.availability === 'not_responding' && <span class="left soon">{t('missedShort')}</span>}
      {state.availability === 'draining' && <span class="left soon">{t('drainingLong')}</span>}
      <Connection desk={desk} now={now} />
      <span class="spacer" />
      {typeof session !== 'string' && session.roles.some((role) => role === 'supervisor' || role === 'admin') && <a class="to-console" href="/console/">{t('toConsole')}</a>}
      <button type="button" class="quiet" aria-label={`${t('palette')} Ctrl+K`} onClick={() => { desk.dialog.value = { is: 'palette' }; }}>
        <span class="wide-only">{t('palette')}</span> <kbd dir="ltr">Ctrl+K</kbd><span class="narrow-only" aria-hidden="true">⋯</span>
      </button>
      <button type="button" class="quiet" title={t('help')} onClick={() => { desk.dialog.value = { is: 'help' }; }}><Icon name="question" /><span class="sr">{t('help')}</span></button>
      <button type="button" class="quiet" title={t('settings')} onClick={() => { desk.dialog.value = { is: 'settings' }; }}><Icon name="gear" /><span class="sr">{t('settings')}</span></button>
      <LanguageChoice />
      <span class="agent"><bdi>{state.agent.name || state.agent.id}</bdi></span>
      <button type="button" class="quiet sign-out" onClick={() => void desk.logout()}>{t('signOut')}</button>
    </header>
  );
}

function AvailabilityChoice({ desk }: { desk: Desk }) {
  // What was asked for and not yet answered is shown at once; a refusal brings the old value back.
  const wish = desk.outbox.value.find((entry) => entry.command.t === 'availability')?.command;
  const value = wish?.t === 'availability' ? wish.value : desk.state.value.availability;
  const reason = desk.pauseReason.value;
  return (
    <>
      <fieldset class="segments availability">
        <legend class="sr">{t('availability')}</legend>
        {choices.map((choice) => (
          <label key={choice} class={`segment ${choice}`}>
            <input type="radio" name="availability" value={choice} checked={value === choice} onChange={() => desk.availability(choice)} />
            <span><i class="dot" aria-hidden="true" />{t(choice as 'ready')}</span>
          </label>
        ))}
      </fieldset>
      {value === 'paused' && (
        <label class="pause-reason">
          <span class="sr">{t('pauseTitle')}</span>
          <select
            value={reason}
            onChange={(event) => {
              const chosen = event.currentTarget.value;
              if (chosen === 'other') desk.dialog.value = { is: 'form', form: 'pause' };
              else desk.availability('paused', chosen);
            }}
          >
            <option value="">{t('noReason')}</option>
            {pauseReasons.map((each) => <option key={each} value={each}>{codeWord(each)}</option>)}
            {reason !== '' && !(pauseReasons as readonly string[]).includes(reason) && <option value={reason}>{reason}</option>}
            <option value="other">{t('otherReason')}</option>
          </select>
        </label>
      )}
    </>
  );
}

// The words change rarely (never with the countdown's seconds), so that a screen reader hears a change of state only.
function Connection({ desk, now }: ViewProps) {
  const link = desk.link.value;
  const seconds = link.is === 'waiting' ? Math.max(0, Math.ceil((link.until_ms - (now.value - desk.skewMs())) / 1000)) : 0;
  const open = link.is === 'open' && desk.welcomed.value;
  const stale = desk.stale.value;
  const words = open ? t(stale ? 'checking' : 'connected') : link.is === 'replaced' ? t('replaced') : t('connecting');
  return (
    <div class={`connection ${open && !stale ? 'is-open' : 'is-shut'}`}>
      <i class="dot" aria-hidden="true" />
      <span role="status">{words}</span>
      {link.is === 'waiting' && seconds > 2 && <span class="countdown">{t('notConnected', { s: seconds })}</span>}
      {link.is === 'waiting' && seconds > 2 && <button type="button" class="quiet" onClick={() => desk.kick()}>{t('tryNow')}</button>}
      {link.is === 'replaced' && <button type="button" class="quiet" onClick={() => desk.takeOver()}>{t('useHere')}</button>}
    </div>
  );
}

// Never a stale screen that looks alive.
export function Staleness({ desk }: { desk: Desk }) {
  const stale = desk.stale.value && desk.welcomed.value;
  const at = new Date(desk.heardMs.value + desk.skewMs()).toISOString();
  return <div class="staleness" role="status">{stale && <p><Icon name="warning" /> {t('staleScreen', { time: timeText(at) })}</p>}</div>;
}
