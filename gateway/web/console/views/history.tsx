// What was: volume, abandonment, waiting, answers and service level over time. Each chart has its table, and says in a sentence what
// it shows.
import { useSignal } from '@preact/signals';
import { useEffect, useMemo, useRef } from 'preact/hooks';
import type { Answer } from '../../shared/api.ts';
import { fullText, language, languages, waitText } from '../../shared/i18n.ts';
import { type Console, linkTo } from '../console.ts';
import {
  abandonedShare, bys, type Choice, type Counts, type Figure, firstChoice, type History, keysOf, kMostKeys, linesOf, queryOf, readChoice, readHistory,
  serviceLevel, spans, stepOf, steps, stepsBetween, timesOf, writeChoice,
} from '../history.ts';
import { queueName } from '../house.ts';
import { channels, channelWord, languageWord } from '../names.ts';
import { t, type Key } from '../words.ts';
import type { ViewProps } from './app.tsx';
import { Chart, type Drawn } from './chart.tsx';
import { Empty, Sheet, Stale } from './pieces.tsx';
import { usePoll } from './wall.tsx';

const kEveryMs = 60_000;
const zone = (): string => Intl.DateTimeFormat().resolvedOptions().timeZone || 'UTC';

interface Plan {
  id: 'volume' | 'abandonment' | 'waits' | 'replies' | 'level';
  figures: Readonly<Record<string, Figure>>; // where nothing is split
  split: Readonly<Record<string, Figure>>; // a line a key
  unit: 'count' | 'percent' | 'time';
}
const leasts = { count: 5, percent: 10, time: 60 } as const;
const plans: readonly Plan[] = [
  { id: 'volume', unit: 'count', figures: { opened: (c) => c.opened, answered: (c) => c.answered, abandoned: (c) => c.abandoned }, split: { opened: (c) => c.opened } },
  { id: 'waits', unit: 'time', figures: { median: (c) => c.wait?.p50_s, most: (c) => c.wait?.p90_s }, split: { most: (c) => c.wait?.p90_s } },
  { id: 'replies', unit: 'time', figures: { median: (c) => c.first_reply?.p50_s, most: (c) => c.first_reply?.p90_s }, split: { most: (c) => c.first_reply?.p90_s } },
  { id: 'abandonment', unit: 'percent', figures: { share: abandonedShare }, split: { share: abandonedShare } },
  { id: 'level', unit: 'percent', figures: { inTime: serviceLevel }, split: { inTime: serviceLevel } },
];

export function HistoryPage(props: ViewProps) {
  const { state } = props;
  const choice = readChoice(state.place.value.rest);
  const query = writeChoice(choice);
  const poll = usePoll<{ history: History; at: number[]; choice: Choice }>(props, kEveryMs, query, async (): Promise<Answer<{ history: History; at: number[]; choice: Choice }>> => {
    const now = state.now();
    const answer = await state.ask('GET', `/stats/history?${queryOf(choice, zone(), now)}`);
    if (!answer.ok) return answer;
    const { from, to } = timesOf(choice, now);
    return { ok: true, data: { history: readHistory(answer.data), at: stepsBetween(from, to, stepOf(choice, now)), choice } };
  });
  // Until another choice has its answer, the one before stays: nothing flickers, and a table that is open stays open.
  const last = useRef(poll.data.value);
  if (poll.data.value) last.current = poll.data.value;
  const data = last.current;
  const nothing = data !== undefined && data.history.items.length === 0;
  return (
    <>
      <Choices state={state} choice={choice} />
      <Stale problem={poll.problem.value} heardMs={poll.heardMs.value} again={() => poll.kick()} />
      {!data && !poll.problem.value && <p role="status">{t('loading')}</p>}
      {nothing && <Empty title={t('nothingCounted')}>{t('nothingCountedHint')}</Empty>}
      {data && !nothing && (
        <>
          <p class="hint">
            {t('zoneIs', { zone: zone() })} {data.history.counted_to !== '' && t('countedTo', { time: fullText(data.history.counted_to) })}
            {keysOf(data.history).length > kMostKeys && <> {t('mostShown', { n: kMostKeys })}</>}
          </p>
          <div class="charts">{plans.map((plan) => <Figures key={plan.id} state={state} plan={plan} {...data} />)}</div>
        </>
      )}
    </>
  );
}

function Choices({ state, choice }: { state: Console; choice: Choice }) {
  const house = state.house.value;
  const choose = (more: Partial<Choice>): void => { location.hash = linkTo('history', writeChoice({ ...choice, ...more })); };
  const today = new Date(state.now() - new Date().getTimezoneOffset() * 60_000).toISOString().slice(0, 10);
  return (
    <form class="bar choices-bar" onSubmit={(event) => event.preventDefault()}>
      <label>{t('time')} <select name="days" value={String(choice.days)} onChange={(event) => {
        const days = Number(event.currentTarget.value);
        choose(days === 0 ? { days, from: choice.from || today, to: choice.to || today } : { days, from: '', to: '' });
      }}>
        {spans.map((days) => <option key={days} value={days}>{t('lastDays', { n: days })}</option>)}
        <option value="0">{t('ownDates')}</option>
      </select></label>
      {choice.days === 0 && (
        <>
          <label>{t('from')} <input type="date" name="from" value={choice.from} max={choice.to} onChange={(event) => { if (event.currentTarget.value) choose({ from: event.currentTarget.value }); }} /></label>
          <label>{t('to')} <input type="date" name="to" value={choice.to} min={choice.from} max={today} onChange={(event) => { if (event.currentTarget.value) choose({ to: event.currentTarget.value }); }} /></label>
        </>
      )}
      <label>{t('step')} <select name="step" value={choice.step} onChange={(event) => choose({ step: event.currentTarget.value as Choice['step'] })}>
        {steps.map((each) => <option key={each} value={each}>{t(`step_${each}` as Key)}</option>)}
      </select></label>
      <label>{t('splitBy')} <select name="by" value={choice.by} onChange={(event) => choose({ by: event.currentTarget.value as Choice['by'] })}>
        {bys.map((each) => <option key={each} value={each}>{t(`by_${each}` as Key)}</option>)}
      </select></label>
      <label>{t('queue')} <select name="queue" value={choice.queue} onChange={(event) => choose({ queue: event.currentTarget.value })}>
        <option value="">{t('all')}</option>
        {house.queues.map((each) => <option key={each.id} value={each.id}>{each.name}</option>)}
      </select></label>
      <label>{t('channel')} <select name="channel" value={choice.channel} onChange={(event) => choose({ channel: event.currentTarget.value })}>
        <option value="">{t('all')}</option>
        {channels.map((each) => <option key={each} value={each}>{channelWord(each)}</option>)}
      </select></label>
      <label>{t('languageOf')} <select name="language" value={choice.language} onChange={(event) => choose({ language: event.currentTarget.value })}>
        <option value="">{t('all')}</option>
        {[...new Set([...Object.keys(languages), ...(choice.language === '' ? [] : [choice.language])])].map((each) => <option key={each} value={each}>{languageWord(each, language.value)}</option>)}
      </select></label>
      <span class="spacer" />
      {writeChoice(choice) !== '' && <button type="button" class="quiet" onClick={() => choose(firstChoice)}>{t('reset')}</button>}
      <a class="button" href={`/api/v1/stats/history?${queryOf(choice, zone(), state.now(), 'csv')}`} download="history.csv">{t('csv')}</a>
    </form>
  );
}

function useDark(): boolean {
  const query = useMemo(() => matchMedia('(prefers-color-scheme: dark)'), []);
  const dark = useSignal(query.matches);
  useEffect(() => {
    const turn = (): void => { dark.value = query.matches; };
    query.addEventListener('change', turn);
    return () => query.removeEventListener('change', turn);
  }, [query]);
  return dark.value;
}

function Figures({ state, plan, history, at, choice }: { state: Console; plan: Plan; history: History; at: number[]; choice: Choice }) {
  const open = useSignal(false);
  const dark = useDark();
  const split = choice.by !== 'none';
  const figures = split ? plan.split : plan.figures;
  const nameOf = (key: string): string =>
    choice.by === 'channel' ? channelWord(key) || t('notKnown') : choice.by === 'queue' ? history.totals.find((each) => each.key === key)?.name || queueName(state.house.value, key)
      : choice.by === 'language' ? languageWord(key, language.value) : t('altogether');
  const tag = language.value;
  const lines = useMemo<Drawn[]>(() => linesOf(history, at, figures, plan.unit === 'count')
    .map(({ key, figure, values }) => ({ label: split ? nameOf(key) : t(`figure_${figure}` as Key), values })), [history, at, plan, tag]);
  const percent = new Intl.NumberFormat(tag, { style: 'percent', maximumFractionDigits: 1 });
  const count = new Intl.NumberFormat(tag);
  const unit = (value: number): string => (plan.unit === 'percent' ? percent.format(value / 100) : plan.unit === 'time' ? waitText(value * 1000) : count.format(value));
  const shown = (value: number | null | undefined): string => (value === null || value === undefined ? '–' : unit(value));
  const total = (counts: Counts | undefined): string => (counts ? Object.values(figures).map((of) => shown(of(counts))).join(' / ') : '–');
  const sentence = split
    ? keysOf(history).slice(0, kMostKeys).map((key) => `${nameOf(key)}: ${total(history.totals.find((each) => each.key === key))}`).join(' · ')
    : Object.entries(figures).map(([figure, of]) => `${t(`figure_${figure}` as Key)}: ${shown(of(history.totals[0]!))}`).join(' · ');
  const measured = lines.some(({ values }) => values.some((value) => value !== null));
  const day = new Intl.DateTimeFormat(tag, stepOf(choice, state.now()) === 'hour' ? { dateStyle: 'short', timeStyle: 'short' } : { dateStyle: 'medium' });
  const id = `chart-${plan.id}`;
  return (
    <section class="chart" aria-labelledby={id}>
      <h2 id={id}>{t(`chart_${plan.id}` as Key)}</h2>
      <p class="sum">{sentence}</p>
      {measured ? <Chart at={at} lines={lines} unit={unit} least={leasts[plan.unit]} dark={dark} /> : <p class="unmeasured">{t('unmeasured')}</p>}
      <ul class="legend">
        {lines.map(({ label }, nth) => <li key={nth} class={`style-${nth % 6}`}><svg class="key" viewBox="0 0 32 8" aria-hidden="true"><line x1="0" y1="4" x2="32" y2="4" /></svg> <bdi>{label}</bdi></li>)}
      </ul>
      <details onToggle={(event) => { open.value = event.currentTarget.open; }}>
        <summary>{t('asTable')}</summary>
        {open.value && (
          <Sheet label={t(`chart_${plan.id}` as Key)} head={[t('when'), ...lines.map(({ label }) => label)]}>
            {at.map((moment, nth) => (
              <tr key={moment}>
                <th scope="row">{day.format(moment)}</th>
                {lines.map(({ label, values }) => <td key={label} class="number">{shown(values[nth])}</td>)}
              </tr>
            ))}
          </Sheet>
        )}
      </details>
    </section>
  );
}
