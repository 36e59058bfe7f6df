// One conversation as a supervisor sees it: how it stands, what was said, and what he can do with it.
import { fullText, timeText } from '../../shared/i18n.ts';
import { linkTo } from '../console.ts';
import { directConversation, verbsFor } from '../direct.ts';
import { agentName, queueName } from '../house.ts';
import { channelWord, stateWord } from '../names.ts';
import { list, number, object, text } from '../../shared/read.ts';
import { t } from '../words.ts';
import type { ViewProps } from './app.tsx';
import { Empty, Stale } from './pieces.tsx';
import { usePoll } from './wall.tsx';

const kEveryMs = 3_000;
const kPages = 25;
const kPerPage = 200;

interface Said {
  id: string;
  dir: string;
  type: string;
  text: string;
  at: string;
  state: string;
  agent: string;
}
interface Whole {
  state: string;
  gen: number;
  owner: string;
  queue: string;
  channel: string;
  name: string;
  first_at: string;
  said: Said[];
}

export function ConversationPage(props: ViewProps & { id: string }) {
  const { state, id } = props;
  const whole = usePoll<Whole>(props, kEveryMs, id, async () => {
    const card = await state.ask('GET', `/conversations/${id}`);
    if (!card.ok) return card;
    const said: Said[] = [];
    for (let at = 0, after = ''; at < kPages; at += 1) {
      const page = await state.ask('GET', `/conversations/${id}/messages?limit=${kPerPage}${after === '' ? '' : `&after=${after}`}`);
      if (!page.ok) return page;
      const body = object(page.data);
      for (const value of list(body.items)) {
        const each = object(value);
        said.push({ id: text(each.id), dir: text(each.dir), type: text(each.type), text: text(each.text), at: text(each.at), state: text(each.state), agent: text(each.agent) });
      }
      after = typeof body.next === 'number' ? String(body.next) : text(body.next);
      if (after === '') break;
    }
    const body = object(card.data);
    return {
      ok: true,
      data: {
        state: text(body.state), gen: number(body.gen), owner: text(body.owner), queue: text(body.queue), channel: text(body.channel),
        name: text(object(body.contact).name), first_at: text(body.first_at), said,
      },
    };
  });
  const data = whole.data.value;
  const house = state.house.value;
  const plain = id.replace('conv_', '');
  return (
    <section aria-labelledby="conversation-title">
      <p><a href={linkTo('wall', data?.queue ?? '')}>{t('backToWall')}</a></p>
      <h2 id="conversation-title">{t('conversationId', { id: plain })}{data?.name && <> · <bdi>{data.name}</bdi></>}</h2>
      <Stale problem={whole.problem.value} heardMs={whole.heardMs.value} again={() => whole.kick()} />
      {data && (
        <>
          <dl class="facts">
            <div><dt>{t('stateNow')}</dt><dd>{stateWord(data.state)}</dd></div>
            <div><dt>{t('agent')}</dt><dd>{data.owner === '' ? '–' : <bdi>{agentName(house, data.owner)}</bdi>}</dd></div>
            <div><dt>{t('queue')}</dt><dd>{data.queue === '' ? '–' : <bdi>{queueName(house, data.queue)}</bdi>}</dd></div>
            <div><dt>{t('channel')}</dt><dd>{channelWord(data.channel)}</dd></div>
            <div><dt>{t('since')}</dt><dd>{fullText(data.first_at)}</dd></div>
          </dl>
          <p class="acts">
            {verbsFor(state, data.state).map((verb) => (
              <button key={verb} type="button" class={verb === 'close' ? 'danger' : ''} onClick={() => { state.form.value = directConversation(state, verb, id, data.gen, () => whole.kick()); }}>
                {t(`verb_${verb}` as 'verb_assign')}
              </button>
            ))}
          </p>
          {data.said.length === 0 && <Empty title={t('nothingSaid')} />}
          <ol class="said" role="log" aria-label={t('whatWasSaid')} tabIndex={0}>
            {data.said.map((each) => (
              <li key={each.id} class={`is-${each.dir}`}>
                <p class="by">
                  {each.dir === 'in' ? t('citizen') : each.dir === 'note' ? t('noteBy', { name: agentName(house, each.agent) || t('house') }) : agentName(house, each.agent) || t('house')}
                  {' '}<time dateTime={each.at}>{timeText(each.at)}</time>
                </p>
                <p dir="auto">{each.text || t('notText', { type: each.type })}</p>
              </li>
            ))}
          </ol>
        </>
      )}
    </section>
  );
}
