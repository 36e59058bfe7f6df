// Queues: how a conversation waits, for whom, how long, and when the queue is open.
import { type Form, listed, type OwnField, type Values } from '../../shared/fields.ts';
import { whenText, waitText } from '../../shared/i18n.ts';
import type { Console } from '../console.ts';
import { directQueue } from '../direct.ts';
import { isTimes, readWeek, tidy, weekdays, writeWeek } from '../hours.ts';
import { type Queue, queueName, readQueue, type Step } from '../house.ts';
import { channelWord, skillWord } from '../names.ts';
import { list, object, number, text, texts } from '../../shared/read.ts';
import { t, type Key } from '../words.ts';
import { edit, idFrom, kept, section } from './section.ts';
import { Levels } from './people.tsx';

const kSteps = 6;
const zones = (): string[] => {
  try {
    return (Intl as unknown as { supportedValuesOf(key: string): string[] }).supportedValuesOf('timeZone');
  } catch {
    return [];
  }
};

// The value is the week in the gateway's own words; days that do not fit a week are lines of their own.
function Hours({ id, value, change }: OwnField) {
  const week = readWeek(value === '' ? 'always' : value);
  if (!week) return <textarea name="hours" aria-labelledby={id} dir="ltr" rows={4} maxLength={16000} value={value} onInput={(event) => change(event.currentTarget.value)} />;
  const set = (day: number, times: string): void => change(writeWeek({ ...week, days: week.days.map((was, at) => (at === day ? tidy(times).replace(/,/g, ', ') : was)) }));
  const day = (nth: number): string => new Intl.DateTimeFormat(document.documentElement.lang, { weekday: 'long' }).format(new Date(2024, 0, 1 + nth));
  return (
    <div class="week">
      {weekdays.map((name, nth) => {
        const wrong = !isTimes(tidy(week.days[nth] ?? ''));
        return (
          <label key={name}><span>{day(nth)}</span>
            <input name={`hours-${name}`} dir="ltr" spellcheck={false} autocomplete="off" placeholder={t('closedDay')} aria-invalid={wrong} defaultValue={week.days[nth] ?? ''} onChange={(event) => set(nth, event.currentTarget.value)} />
          </label>
        );
      })}
      <label class="others"><span>{t('otherDays')}</span>
        <textarea name="hours" dir="ltr" rows={3} spellcheck={false} placeholder="12-25 closed" defaultValue={week.others.join('\n')} onChange={(event) => change(writeWeek({ ...week, others: event.currentTarget.value.split(/[\n;]/) }))} />
      </label>
    </div>
  );
}

const readSteps = (value: string): Step[] => {
  try {
    return list(JSON.parse(value || '[]')).map((each) => {
      const step = object(each);
      return { after_s: number(step.after_s), lower_levels: number(step.lower_levels), drop: texts(step.drop), add: text(step.add) };
    });
  } catch {
    return [];
  }
};

function Steps({ value, change, state, own }: OwnField & { state: Console; own: string }) {
  const steps = readSteps(value);
  const house = state.house.peek();
  const write = (next: readonly Step[]): void => change(JSON.stringify(next));
  const set = (nth: number, more: Partial<Step>): void => write(steps.map((step, at) => (at === nth ? { ...step, ...more } : step)));
  const move = (nth: number, by: number): void => {
    const next = [...steps];
    const [step] = next.splice(nth, 1);
    next.splice(nth + by, 0, step!);
    write(next);
  };
  return (
    <div class="steps">
      <ol>
        {steps.map((step, nth) => (
          <li key={nth}>
            <label>{t('afterSeconds')} <input type="number" min={0} max={86400} value={step.after_s} onInput={(event) => set(nth, { after_s: Number(event.currentTarget.value) })} /></label>
            <label>{t('lowerLevels')} <input type="number" min={0} max={4} value={step.lower_levels} onInput={(event) => set(nth, { lower_levels: Number(event.currentTarget.value) })} /></label>
            <label>{t('dropSkill')} <select value={step.drop[0] ?? ''} onChange={(event) => set(nth, { drop: event.currentTarget.value === '' ? [] : [event.currentTarget.value] })}>
              <option value="">–</option>
              {house.skills.map((skill) => <option key={skill.id} value={skill.id}>{skill.name}</option>)}
            </select></label>
            <label>{t('addQueue')} <select value={step.add} onChange={(event) => set(nth, { add: event.currentTarget.value })}>
              <option value="">–</option>
              {house.queues.filter((queue) => queue.id !== own).map((queue) => <option key={queue.id} value={queue.id}>{queue.name}</option>)}
            </select></label>
            <span class="row">
              <button type="button" class="small" aria-disabled={nth === 0} onClick={() => { if (nth > 0) move(nth, -1); }}>{t('up')}<span class="sr"> {nth + 1}</span></button>
              <button type="button" class="small" aria-disabled={nth === steps.length - 1} onClick={() => { if (nth < steps.length - 1) move(nth, 1); }}>{t('down')}<span class="sr"> {nth + 1}</span></button>
              <button type="button" class="small danger-text" onClick={() => write(steps.filter((_, at) => at !== nth))}>{t('remove')}<span class="sr"> {nth + 1}</span></button>
            </span>
          </li>
        ))}
      </ol>
      {steps.length < kSteps && <button type="button" onClick={() => write([...steps, { after_s: (steps[steps.length - 1]?.after_s ?? 0) + 60, lower_levels: 0, drop: [], add: '' }])}>{t('addStep')}</button>}
    </div>
  );
}

const goals = ['answer_s', 'first_reply_s', 'next_reply_s', 'resolve_s'] as const;
const weights = ['wa', 'sms', 'web', 'wrapup', 'parked'] as const;
const seconds = (values: Values, name: string): Record<string, number> => (values[name]?.trim() ? { [name]: Number(values[name]) } : {});

function form(state: Console, queue: Queue | undefined, again: () => void): Form {
  const house = state.house.peek();
  const amount = (name: string, label: Key, value: number | undefined, more: object = {}) =>
    ({ name, label: t(label), kind: 'number' as const, max: 86_400, value: value === undefined ? '' : String(value), ...more });
  return {
    title: queue ? t('editTitle', { name: queue.name }) : t('addQueueTitle'),
    submit: t('save'),
    wide: true,
    fields: [
      { name: 'name', label: t('name'), kind: 'text', max: 100, required: true, value: queue?.name ?? '' },
      { name: 'mode', label: t('mode'), kind: 'radio', value: queue?.mode || 'offer', options: [{ value: 'offer', label: t('modeOffer') }, { value: 'auto', label: t('modeAuto') }] },
      amount('offer_timeout_s', 'offerTimeout', queue?.offer_timeout_s ?? 45, { shown: (values: Values) => values.mode !== 'auto', min: 5 }),
      amount('wrapup_s', 'wrapup', queue?.wrapup_s ?? 60),
      amount('priority', 'priority', queue?.priority ?? 0, { max: 100, hint: t('priorityHint') }),
      { name: 'skills', label: t('neededSkills'), kind: 'own', value: (queue?.skills ?? []).map((each) => (each.includes(':') ? each : `${each}:1`)).join(','), view: (own) => <Levels {...own} skills={house.skills} /> },
      amount('sticky_s', 'sticky', queue?.sticky_s ?? 0, { hint: t('stickyHint') }),
      { name: 'steps', label: t('steps'), kind: 'own', hint: t('stepsHint'), value: JSON.stringify(queue?.steps ?? []), view: (own) => <Steps {...own} state={state} own={queue?.id ?? ''} /> },
      { name: 'hours', label: t('openingHours'), kind: 'own', hint: t('hoursHint'), value: queue?.hours || 'always', view: Hours },
      { name: 'zone', label: t('zone'), kind: 'own', value: queue?.zone || Intl.DateTimeFormat().resolvedOptions().timeZone, view: ({ id, value, change }) => (
        <>
          <input name="zone" list="zones" dir="ltr" aria-labelledby={id} autocomplete="off" spellcheck={false} value={value} onInput={(event) => change(event.currentTarget.value)} />
          <datalist id="zones">{zones().map((zone) => <option key={zone} value={zone} />)}</datalist>
        </>
      ) },
      ...goals.map((goal) => amount(goal, `goal_${goal}` as Key, queue?.sla[goal], { max: 2_592_000, min: 1 })),
      amount('within_percent', 'goalPercent', queue?.sla.within_percent, { max: 100, min: 1 }),
      ...weights.map((what) => amount(`weight_${what}`, 'weightOf', queue?.weights[what], { label: t('weightOf', { what: what === 'wrapup' || what === 'parked' ? t(`state_${what}`) : channelWord(what) }), max: 10, step: 0.1 })),
    ],
    send: (values) => {
      const said = {
        name: values.name?.trim(), mode: values.mode, offer_timeout_s: Number(values.offer_timeout_s), wrapup_s: Number(values.wrapup_s),
        priority: Number(values.priority), skills: listed(values.skills ?? ''), sticky_s: Number(values.sticky_s),
        steps: readSteps(values.steps ?? '').map((step) => ({ after_s: step.after_s, lower_levels: step.lower_levels, drop: step.drop, ...(step.add === '' ? {} : { add: step.add }) })),
        hours: values.hours, zone: values.zone?.trim(),
        sla: { ...goals.reduce((all, goal) => ({ ...all, ...seconds(values, goal) }), {}), ...seconds(values, 'within_percent') },
        weights: Object.fromEntries(weights.filter((what) => values[`weight_${what}`]?.trim()).map((what) => [what, Number(values[`weight_${what}`])])),
      };
      const id = queue?.id ?? idFrom(values.name ?? '');
      if (id === '') return t('idNeeded');
      if (!queue && house.queues.some((each) => each.id === `queue_${id}`)) return t('nameTaken');
      return kept(state, t('saved', { name: said.name ?? '' }), state.change('PUT', `/queues/${id}`, said), again);
    },
  };
}

export const queues = section<Queue>({
  id: 'queues',
  title: 'queues',
  intro: 'queuesIntro',
  none: 'noQueues',
  noneHint: 'noQueuesHint',
  add: 'addQueueTitle',
  may: (state) => state.may('supervisor', 'auditor'),
  writes: (state) => state.may('supervisor'),
  read: (state) => state.all('/queues', readQueue),
  key: (queue) => queue.id,
  name: (queue) => queue.name,
  words: (queue) => `${queue.name} ${queue.id} ${queue.skills.join(' ')}`,
  columns: [
    { title: 'name', cell: (queue) => <><bdi>{queue.name}</bdi><span class="under" dir="ltr">{queue.id}</span></> },
    { title: 'stateNow', cell: (queue) => <>{t(queue.open ? 'openNow' : 'closedNow')}{queue.open_why === 'emergency' && <span class="under" dir="auto">{t('byDecision', { reason: queue.open_note })}</span>}{queue.next_change !== '' && <span class="under">{t(queue.open ? 'closesAt' : 'opensAt', { time: whenText(queue.next_change) })}</span>}</> },
    { title: 'openingHours', cell: (queue) => <><span dir="ltr">{queue.hours}</span><span class="under" dir="ltr">{queue.zone}</span></> },
    { title: 'neededSkills', cell: (queue, state) => queue.skills.map((skill) => skillWord(state.house.value, skill)).join(', ') },
    { title: 'goals', cell: (queue) => goals.filter((goal) => queue.sla[goal]).map((goal) => `${t(`short_${goal}` as Key)} ${waitText(queue.sla[goal]! * 1000)}`).join(', ') },
    { title: 'steps', cell: (queue, state) => queue.steps.map((step) => [waitText(step.after_s * 1000), ...(step.add === '' ? [] : [`+ ${queueName(state.house.value, step.add)}`])].join(' ')).join(', ') },
  ],
  make: (state, again) => form(state, undefined, again),
  actions: (queue, state, again) => (state.may('supervisor')
    ? [edit(state, () => form(state, queue, again)), { label: t('openClose'), run: () => { state.form.value = directQueue(state, queue.id); } }]
    : []),
});
