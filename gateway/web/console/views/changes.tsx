// Who changed what, the latest first, and what became of one conversation.
import { useSignal } from '@preact/signals';
import { whenText } from '../../shared/i18n.ts';
import { saying } from '../../shared/problem.ts';
import { agentName, queueName } from '../house.ts';
import { list, object, text } from '../../shared/read.ts';
import { t } from '../words.ts';
import type { ViewProps } from './app.tsx';
import { Empty, Sheet, Stale } from './pieces.tsx';
import { usePoll } from './wall.tsx';

const kEveryMs = 15_000;
const kShown = 200;
const kPages = 40;

interface Change {
  id: string;
  at: string;
  by: string;
  action: string;
  object: string;
  what: string;
}
interface Turn {
  id: string;
  at: string;
  kind: string;
  agent: string;
  queue: string;
  why: string;
  by: string;
}

export function Changes(props: ViewProps) {
  const { state } = props;
  const words = useSignal('');
  const changes = usePoll<Change[]>(props, kEveryMs, 'changes', async () => {
    // The list begins with the oldest: what is wanted is its end.
    let last: Change[] = [];
    for (let at = 0, after = ''; at < kPages; at += 1) {
      const answer = await state.ask('GET', `/audit/changes?limit=1000${after === '' ? '' : `&after=${after}`}`);
      if (!answer.ok) return answer;
      const items = list(object(answer.data).items).map((value): Change => {
        const each = object(value);
        return { id: text(each.id), at: text(each.at), by: text(each.by), action: text(each.action), object: text(each.object), what: text(each.what) };
      });
      last = [...last, ...items].slice(-kShown);
      after = text(object(answer.data).next);
      if (after === '') break;
    }
    return { ok: true, data: last.reverse() };
  });
  const shown = (changes.data.value ?? []).filter((each) => `${each.by} ${each.action} ${each.object} ${each.what}`.toLowerCase().includes(words.value.toLowerCase()));
  return (
    <>
      <Trace {...props} />
      <section aria-labelledby="changes-title">
        <div class="bar">
          <h2 id="changes-title">{t('lastChanges')}</h2>
          <label><span class="sr">{t('search')}</span><input type="search" placeholder={t('search')} value={words.value} onInput={(event) => { words.value = event.currentTarget.value; }} /></label>
        </div>
        <Stale problem={changes.problem.value} heardMs={changes.heardMs.value} again={() => changes.kick()} />
        {changes.data.value && shown.length === 0 && <Empty title={t('noChanges')}>{t('noChangesHint')}</Empty>}
        {shown.length > 0 && (
          <Sheet label={t('lastChanges')} head={[t('when'), t('byWhom'), t('what'), t('ofWhat'), t('details')]}>
            {shown.map((each) => (
              <tr key={each.id}>
                <th scope="row">{whenText(each.at)}</th>
                <td><bdi>{each.by.startsWith('agent_') ? agentName(state.house.value, each.by) : each.by}</bdi></td>
                <td><code>{each.action}</code></td>
                <td><code>{each.object}</code></td>
                <td dir="auto">{each.what}</td>
              </tr>
            ))}
          </Sheet>
        )}
      </section>
    </>
  );
}

function Trace({ state }: ViewProps) {
  const turns = useSignal<Turn[] | undefined>(undefined);
  const wrong = useSignal('');
  const busy = useSignal(false);
  const trace = async (event: Event): Promise<void> => {
    event.preventDefault();
    const field = (event.currentTarget as HTMLFormElement).querySelector('input')!;
    const id = field.value.trim().toLowerCase().replace(/^(conv_|#)?/, 'conv_');
    if (!/^conv_\d+$/.test(id)) {
      wrong.value = t('findWrong');
      return field.focus();
    }
    if (busy.value) return;
    busy.value = true;
    wrong.value = '';
    const found: Turn[] = [];
    for (let at = 0, after = ''; at < kPages; at += 1) {
      const answer = await state.ask('GET', `/audit/transitions?conversation=${id}&limit=200${after === '' ? '' : `&after=${after}`}`);
      if (!answer.ok) {
        wrong.value = saying(answer.problem, t('refused'));
        break;
      }
      for (const value of list(object(answer.data).items)) {
        const each = object(value);
        found.push({ id: text(each.id), at: text(each.at), kind: text(each.kind), agent: text(each.agent), queue: text(each.queue), why: text(each.why) || text(each.reason), by: text(each.by) });
      }
      after = text(object(answer.data).next);
      if (after === '') break;
    }
    busy.value = false;
    turns.value = found;
  };
  return (
    <section aria-labelledby="trace-title">
      <h2 id="trace-title">{t('traceTitle')}</h2>
      <form class="find" onSubmit={(event) => void trace(event)}>
        <label><span class="sr">{t('findConversation')}</span><input name="trace" dir="ltr" size={14} autocomplete="off" spellcheck={false} placeholder={t('findHint')} /></label>
        <button type="submit" aria-disabled={busy.value}>{t(busy.value ? 'asking' : 'show')}</button>
        <span role="alert" class="find-wrong">{wrong.value}</span>
      </form>
      <div role="status">{turns.value?.length === 0 && wrong.value === '' && <Empty title={t('noTurns')} />}</div>
      {turns.value && turns.value.length > 0 && (
        <Sheet label={t('traceTitle')} head={[t('when'), t('what'), t('agent'), t('queue'), t('why'), t('byWhom')]}>
          {turns.value.map((each) => (
            <tr key={each.id}>
              <th scope="row">{whenText(each.at)}</th>
              <td><code>{each.kind}</code></td>
              <td>{each.agent === '' ? '' : <bdi>{agentName(state.house.value, each.agent)}</bdi>}</td>
              <td>{each.queue === '' ? '' : <bdi>{queueName(state.house.value, each.queue)}</bdi>}</td>
              <td><code>{each.why}</code></td>
              <td><bdi>{each.by}</bdi></td>
            </tr>
          ))}
        </Sheet>
      )}
    </section>
  );
}
