// Public alerts, over everything. The region is there before its first alert, so that an alert is announced when it comes.
import type { RefObject } from 'preact';
import type { Alert } from '../protocol.ts';
import { type Key, t } from '../words.ts';
import { Icon } from './icon.tsx';

const severities: readonly string[] = ['extreme', 'severe', 'moderate', 'minor'];
const isWeb = (url: string): boolean => /^https?:\/\//i.test(url);

export interface AlertsProps {
  alerts: readonly Alert[];
  frame: RefObject<HTMLDivElement>;
  dismiss(id: string): void;
}
export function Alerts({ alerts, frame, dismiss }: AlertsProps) {
  return (
    <div class="alerts" role="alert" ref={frame}>
      {alerts.map(({ id, severity, headline, text, url }) => {
        const known = severities.includes(severity) ? severity as Key : 'unknown';
        return (
          <section key={id} class={`alert is-${known}`} aria-label={t('alert')}>
            <Icon name="warning" />
            <div class="alert-words">
              <p class="severity">{t(known)}</p>
              <h2 dir="auto">{headline}</h2>
              {text !== '' && <p dir="auto">{text}</p>}
              {isWeb(url) && <p><a href={url} target="_blank" rel="noopener noreferrer">{t('alertMore')}</a></p>}
            </div>
            <button type="button" onClick={() => dismiss(id)}>{t('dismiss')}</button>
          </section>
        );
      })}
    </div>
  );
}
