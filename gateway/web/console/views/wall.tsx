// The live wall: which queue needs somebody first, who is there, and what a supervisor can do about it.
import { useSignal } from '@preact/signals';
import { useEffect, useMemo } from 'preact/hooks';
import { leftText, waitText } from '../../shared/i18n.ts';
import { Icon } from '../../shared/icons.tsx';
import { type Console, linkTo } from '../console.ts';
import { directAgent, directQueue } from '../direct.ts';
import { type Agent, agentName, type House, queueName, readAgent } from '../house.ts';
import { availabilityWord, skillWord } from '../names.ts';
import { Poll } from '../poll.ts';
import { byNeed, dueIn, need, type Now, type QueueNow, readNow } from '../wall.ts';
import { t } from '../words.ts';
import type { ViewProps } from './app.tsx';
import { ConversationPage } from './conversation.tsx';
import { Empty, Sheet, Stale } from './pieces.tsx';
import { WaitingLine } from './waiting.tsx';

const kStatsMs = 2_000;
const kAgentsMs = 5_000;
const kHouseMs = 30_000;

// Polls while it is on the page and somebody looks.
export function usePoll<T>({ world, looked }: ViewProps, everyMs: number, key: string, read: () => Promise<import('../../shared/api.ts').Answer<T>>): Poll<T> {
  const poll = useMemo(() => new Poll<T>(world, everyMs, read), [key]);
  useEffect(() => {
    poll.start();
    return () => poll.stop();
  }, [poll]);
  const eyes = looked.value;
  useEffect(() => { if (eyes > 0) poll.kick(); }, [eyes]);
  return poll;
}

export function Wall(props: ViewProps) {
  const { rest } = props.state.place.value;
  if (rest.startsWith('conv_')) return <ConversationPage key={rest} {...props} id={rest} />;
  return <Live {...props} />;
}

function Live(props: ViewProps) {
  const { state, now } = props;
  const { rest } = state.place.value;
  const stats = usePoll<Now>(props, kStatsMs, 'stats', async () => {
    const answer = await state.ask('GET', '/stats');
    return answer.ok ? { ok: true, data: readNow(answer.data) } : answer;
  });
  const agents = usePoll<Agent[]>(props, kAgentsMs, 'agents', () => state.all('/agents', readAgent));
  usePoll<null>(props, kHouseMs, 'house', async () => {
    await state.look();
    return { ok: true, data: null };
  });
  const big = useSignal(false);
  useEffect(() => {
    const turn = (event: KeyboardEvent): void => {
      const writes = event.target instanceof HTMLElement && event.target.matches('input, textarea, select');
      if (writes || state.form.peek() || event.ctrlKey || event.altKey || event.metaKey) return;
      if (event.code === 'KeyW') big.value = !big.value;
      else if (event.key === 'Escape') big.value = false;
    };
    addEventListener('keydown', turn);
    return () => removeEventListener('keydown', turn);
  }, []);
  useEffect(() => {
    document.documentElement.toggleAttribute('data-wall', big.value);
    return () => document.documentElement.removeAttribute('data-wall');
  }, [big.value]);

  const data = stats.data.value;
  const queues = data ? byNeed(data.queues, now.value) : [];
  const chosen = queues.find((each) => each.id === rest);
  return (
    <>
      <div class="bar">
        <p class="sums" role="status">
          {data && t('sums', { waiting: data.waiting, ready: data.ready })}
        </p>
        <span class="spacer" />
        <Find />
        <button type="button" aria-pressed={big.value} onClick={() => { big.value = !big.value; }}>{t('wallMode')} <kbd dir="ltr">W</kbd></button>
      </div>
      <Stale problem={stats.problem.value} heardMs={stats.heardMs.value} again={() => stats.kick()} />
      {data && queues.length === 0 && <Empty title={t('noQueues')}>{t('noQueuesHint')}</Empty>}
      <ul class="queues" aria-label={t('queues')}>
        {queues.map((queue) => <QueueCard key={queue.id} state={state} queue={queue} now={now.value} chosen={queue.id === chosen?.id} at={data?.at ?? ''} />)}
      </ul>
      {chosen && <WaitingLine key={chosen.id} {...props} queue={chosen} />}
      <People {...props} agents={agents.data.value ?? []} known={agents.data.value !== undefined} again={() => agents.kick()} />
    </>
  );
}

function Find() {
  const wrong = useSignal('');
  const find = (event: Event): void => {
    event.preventDefault();
    const field = (event.currentTarget as HTMLFormElement).querySelector('input')!;
    const id = field.value.trim().toLowerCase().replace(/^#/, '');
    const full = /^\d+$/.test(id) ? `conv_${id}` : id;
    if (!/^conv_\d+$/.test(full)) {
      wrong.value = t('findWrong');
      return field.focus();
    }
    wrong.value = '';
    location.hash = linkTo('wall', full);
  };
  return (
    <form class="find" onSubmit={find} role="search">
      <label><span class="sr">{t('findConversation')}</span><input name="find" dir="ltr" size={14} autocomplete="off" spellcheck={false} placeholder={t('findHint')} /></label>
      <button type="submit">{t('show')}</button>
      <span role="alert" class="find-wrong">{wrong.value}</span>
    </form>
  );
}

const icons = { late: 'warning', soon: 'clock', below: 'info', fine: 'check' } as const;

function QueueCard({ state, queue, now, chosen, at }: { state: Console; queue: QueueNow; now: number; chosen: boolean; at: string }) {
  const how = need(queue, now);
  const settings = state.house.value.queues.find((each) => each.id === queue.id);
  // Between two answers the longest wait goes on.
  const longest = queue.waiting > 0 ? queue.longest_s * 1000 + Math.max(0, now - Date.parse(at)) : 0;
  const due = dueIn(queue, now);
  const words = queue.overdue > 0 ? t('lateBy', { n: queue.overdue })
    : queue.waiting > 0 && queue.ready === 0 ? t('nobodyThere')
      : Number.isFinite(due) && due > 0 && how === 'soon' ? t('dueIn', { time: leftText(due) })
        : how === 'below' ? t('belowGoal') : t('fine');
  return (
    <li class={`queue is-${how}`}>
      <h2>
        <a href={linkTo('wall', chosen ? '' : queue.id)} aria-expanded={chosen}><bdi>{queue.name}</bdi></a>
        {settings && !settings.open && <span class="tag"><Icon name="lock" /> {t('closedNow')}</span>}
      </h2>
      <p class="need"><Icon name={icons[how]} /> {words}</p>
      <dl class="figures">
        <div><dt>{t('waitingNow')}</dt><dd class="figure">{queue.waiting}</dd></div>
        <div><dt>{t('longest')}</dt><dd>{queue.waiting > 0 ? waitText(longest) : '–'}</dd></div>
        <div><dt>{t('readyNow')}</dt><dd>{t('readySlots', { ready: queue.ready, free: queue.free })}</dd></div>
        <div><dt>{t('estimated')}</dt><dd>{queue.estimate ? t('between', { from: waitText(queue.estimate.p50_s * 1000), to: waitText(queue.estimate.p90_s * 1000) }) : '–'}</dd></div>
        <div>
          <dt>{t('levelHour')}</dt>
          <dd>{queue.percent === undefined ? '–' : t(queue.wanted === undefined ? 'percent' : 'percentOf', { percent: queue.percent, wanted: queue.wanted ?? 0 })}</dd>
        </div>
        <div><dt>{t('left')}</dt><dd>{queue.abandoned}</dd></div>
      </dl>
      {state.may('supervisor') && (
        <p class="acts"><button type="button" onClick={() => { state.form.value = directQueue(state, queue.id); }}>{t('openClose')}<span class="sr"> <bdi>{queue.name}</bdi></span></button></p>
      )}
    </li>
  );
}

type Sort = 'name' | 'availability' | 'load';

function People({ state, agents, known, again }: ViewProps & { agents: readonly Agent[]; known: boolean; again(): void }) {
  const words = useSignal('');
  const queue = useSignal('');
  const sort = useSignal<Sort>('availability');
  const house: House = state.house.value;
  const rank = (each: Agent): number => (each.connected ? ['not_responding', 'ready', 'draining', 'paused', 'offline'].indexOf(each.availability) : 9);
  const shown = agents
    .filter((each) => (queue.value === '' || each.queues.includes(queue.value)) && `${each.name} ${each.id}`.toLowerCase().includes(words.value.toLowerCase()))
    .sort((a, b) => (sort.value === 'load' ? b.load - a.load : sort.value === 'availability' ? rank(a) - rank(b) : 0) || a.name.localeCompare(b.name));
  return (
    <section aria-labelledby="people-now">
      <div class="bar">
        <h2 id="people-now">{t('agentsNow')}</h2>
        <label><span class="sr">{t('search')}</span><input type="search" placeholder={t('search')} value={words.value} onInput={(event) => { words.value = event.currentTarget.value; }} /></label>
        <label>{t('queue')} <select value={queue.value} onChange={(event) => { queue.value = event.currentTarget.value; }}>
          <option value="">{t('all')}</option>
          {house.queues.map((each) => <option key={each.id} value={each.id}>{each.name}</option>)}
        </select></label>
        <label>{t('sortBy')} <select value={sort.value} onChange={(event) => { sort.value = event.currentTarget.value as Sort; }}>
          <option value="availability">{t('availability')}</option><option value="name">{t('name')}</option><option value="load">{t('load')}</option>
        </select></label>
      </div>
      {known && agents.length === 0 && <Empty title={t('noAgents')}>{t('noAgentsHint')}</Empty>}
      {shown.length > 0 && (
        <Sheet label={t('agentsNow')} head={[t('name'), t('availability'), t('load'), t('queues'), t('skills'), ...(state.may('supervisor') ? [t('actions')] : [])]}>
          {shown.map((each) => (
            <tr key={each.id}>
              <th scope="row"><bdi>{each.name}</bdi>{each.bot && <> <span class="tag">{t('bot')}</span></>}</th>
              <td><span class={`how is-${each.connected ? each.availability : 'away'}`}><i class="dot" aria-hidden="true" />{availabilityWord(each)}</span></td>
              <td class="number">{t('loadOf', { load: each.load, capacity: each.capacity })}</td>
              <td>{each.queues.map((id) => queueName(house, id)).join(', ')}</td>
              <td>{each.skills.map((skill) => skillWord(house, skill)).join(', ')}</td>
              {state.may('supervisor') && (
                <td><button type="button" class="small" onClick={() => { state.form.value = directAgent(state, each, again); }}>{t('setAvailability')}<span class="sr"> <bdi>{agentName(house, each.id)}</bdi></span></button></td>
              )}
            </tr>
          ))}
        </Sheet>
      )}
    </section>
  );
}

