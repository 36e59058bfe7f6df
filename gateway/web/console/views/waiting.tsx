// Who waits in a queue, the next first, and who would get the next one.
import { useSignal } from '@preact/signals';
import { leftText, waitText } from '../../shared/i18n.ts';
import { saying } from '../../shared/problem.ts';
import { linkTo } from '../console.ts';
import { directConversation } from '../direct.ts';
import { agentName } from '../house.ts';
import { list, number, object, text } from '../../shared/read.ts';
import { type QueueNow, readWaits, type Waits } from '../wall.ts';
import { t } from '../words.ts';
import type { ViewProps } from './app.tsx';
import { Empty, Sheet, Stale } from './pieces.tsx';
import { usePoll } from './wall.tsx';

const kWaitingMs = 3_000;
const kShown = 50;

export function WaitingLine(props: ViewProps & { queue: QueueNow }) {
  const { state, now, queue } = props;
  const line = usePoll<Waits[]>(props, kWaitingMs, queue.id, async () => {
    const answer = await state.ask('GET', `/queues/${queue.id}/waiting?limit=${kShown}`);
    return answer.ok ? { ok: true, data: list(object(answer.data).items).map(readWaits) } : answer;
  });
  const choice = useSignal('');
  const explain = async (): Promise<void> => {
    const answer = await state.ask('GET', `/queues/${queue.id}/choice`);
    if (!answer.ok) {
      choice.value = saying(answer.problem, t('refused'));
      return;
    }
    const body = object(answer.data);
    const house = state.house.peek();
    const first = text(body.agent) === '' ? t('nobodyNow') : t('wouldGet', { name: agentName(house, text(body.agent)) });
    const later = list(body.steps).map(object).filter((step) => text(step.agent) !== '' && text(step.agent) !== text(body.agent))
      .map((step) => t('laterGet', { time: waitText(number(step.after_s) * 1000), name: agentName(house, text(step.agent)) }));
    choice.value = [first, ...later].join(' ');
  };
  const items = line.data.value ?? [];
  const direct = (verb: 'assign' | 'requeue', id: string) => (): void => { state.form.value = directConversation(state, verb, id, 0, () => line.kick()); };
  return (
    <section class="line" aria-labelledby="waiting-title">
      <div class="bar">
        <h2 id="waiting-title">{t('waitingIn', { name: queue.name })}</h2>
        <button type="button" onClick={() => void explain()}>{t('whoNext')}</button>
      </div>
      <p role="status" class="explained">{choice.value}</p>
      <Stale problem={line.problem.value} heardMs={line.heardMs.value} again={() => line.kick()} />
      {line.data.value && items.length === 0 && <Empty title={t('nobodyWaits')} />}
      {items.length > 0 && (
        <Sheet label={t('waitingIn', { name: queue.name })} head={[t('place'), t('conversation'), t('waitsSince'), t('estimated'), t('firstReplyDue'), ...(state.may('supervisor') ? [t('actions')] : [])]}>
          {items.map((each) => {
            const left = each.due === '' ? undefined : Date.parse(each.due) - now.value;
            return (
              <tr key={each.conversation}>
                <td class="number">{each.position}</td>
                <th scope="row"><a href={linkTo('wall', each.conversation)}>{t('conversationId', { id: each.conversation.replace('conv_', '') })}</a></th>
                <td>{waitText(now.value - Date.parse(each.since))}</td>
                <td>{each.estimate ? waitText(each.estimate.seconds * 1000) : '–'}</td>
                <td class={left !== undefined && (left < 0 || each.state === 'predicted' || each.state === 'breached') ? 'soon' : ''}>
                  {left === undefined ? '–' : left < 0 ? t('overdueBy', { time: waitText(-left) }) : each.state === 'predicted' ? t('willMiss', { time: leftText(left) }) : leftText(left)}
                </td>
                {state.may('supervisor') && (
                  <td><div class="acts">
                    <button type="button" class="small" onClick={direct('assign', each.conversation)}>{t('verb_assign')}<span class="sr"> {each.conversation}</span></button>
                    <button type="button" class="small" onClick={direct('requeue', each.conversation)}>{t('verb_requeue')}<span class="sr"> {each.conversation}</span></button>
                  </div></td>
                )}
              </tr>
            );
          })}
        </Sheet>
      )}
    </section>
  );
}
