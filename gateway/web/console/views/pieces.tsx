// Small pieces that several pages are made of.
import type { ComponentChildren } from 'preact';
import { timeText } from '../../shared/i18n.ts';
import { Icon } from '../../shared/icons.tsx';
import { saying, type Problem } from '../../shared/problem.ts';
import { t } from '../words.ts';

export function Empty({ title, children }: { title: string; children?: ComponentChildren }) {
  return <div class="nothing"><p><strong>{title}</strong></p>{children !== undefined && <p>{children}</p>}</div>;
}

// What could not be read, or how old it is what still stands here.
export function Stale({ problem, heardMs, again }: { problem: Problem | undefined; heardMs: number; again(): void }) {
  return (
    <div role="status" class="stale">
      {problem && (
        <p>
          <Icon name="warning" /> <span dir="auto">{saying(problem, t(problem.status === 0 ? 'noAnswer' : 'refused'))}</span>
          {heardMs > 0 && <span> {t('asOf', { time: timeText(new Date(heardMs).toISOString()) })}</span>}
          {' '}<button type="button" class="quiet" onClick={again}>{t('tryNow')}</button>
        </p>
      )}
    </div>
  );
}

// A table that scrolls within itself, by keys as well, where the page is too narrow for it.
export function Sheet({ label, head, children }: { label: string; head: readonly string[]; children: ComponentChildren }) {
  return (
    <div class="sheet" tabIndex={0} role="group" aria-label={label}>
      <table>
        <caption class="sr">{label}</caption>
        <thead><tr>{head.map((each) => <th key={each} scope="col">{each}</th>)}</tr></thead>
        <tbody>{children}</tbody>
      </table>
    </div>
  );
}
