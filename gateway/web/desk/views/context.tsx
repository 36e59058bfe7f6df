// The right pane: who the citizen is, where else he can be answered, what came before, and where this conversation stands.
import { useEffect, useRef } from 'preact/hooks';
import { dayText, fullText, leftText } from '../../shared/i18n.ts';
import { Icon } from '../../shared/icons.tsx';
import { saying } from '../../shared/problem.ts';
import { shownAddress, type Citizen } from '../citizen.ts';
import type { Desk } from '../desk.ts';
import { agentName, queueTitle } from '../house.ts';
import { channelWord, stateWord } from '../names.ts';
import { isOver, isWhatsApp, type Conversation } from '../state.ts';
import { t, type Key } from '../words.ts';
import type { ViewProps } from './app.tsx';

const kMostHistory = 20;
const dueWords = { first_reply: 'promiseFirst', next_reply: 'promiseNext', resolve: 'promiseResolve' } as const;

export function Context({ desk, now }: ViewProps) {
  const conversation = desk.current.value;
  const place = desk.place.value;
  const back = useRef<HTMLButtonElement>(null);
  useEffect(() => {
    if (place === 'context') back.current?.focus();
  }, [place]);
  if (!conversation) return null;
  const { channel, queue, state, window_until, id, owner } = conversation;
  const house = desk.shelf.house.value;
  const skills = house.agents.find((each) => each.id === desk.state.value.agent.id)?.skills ?? [];
  return (
    <aside class="pane context" aria-labelledby="context-title" tabIndex={-1}>
      <button ref={back} type="button" class="quiet back" onClick={() => { desk.place.value = 'thread'; }}>
        <Icon name="back" flips /> {t('backToThread')}
      </button>
      <h2 id="context-title">{t('details')}</h2>
      <Person desk={desk} conversation={conversation} />
      <section aria-labelledby="ctx-this">
        <h3 id="ctx-this">{t('thisConversation')}</h3>
        <dl>
          {channel !== '' && <><dt>{t('channel')}</dt><dd>{channelWord(channel)} {conversation.account !== '' && <bdi class="faded">{conversation.account}</bdi>}</dd></>}
          {queue !== '' && <><dt>{t('queue')}</dt><dd><bdi>{queueTitle(house, queue)}</bdi></dd></>}
          {state !== '' && <><dt>{t('state')}</dt><dd>{stateWord(state)}</dd></>}
          {owner !== '' && owner !== desk.state.value.agent.id && <><dt>{t('agent')}</dt><dd><bdi>{agentName(house, owner)}</bdi></dd></>}
          {isWhatsApp(channel) && window_until !== '' && <><dt>{t('windowUntil')}</dt><dd>{fullText(window_until)}</dd></>}
          {conversation.dues.map((due) => (
            <div key={due.which}>
              <dt>{t(dueWords[due.which])}</dt>
              <dd class={due.state === 'due' ? '' : 'soon'}>{Date.parse(due.due) > now.value ? t('inTime', { t: leftText(Date.parse(due.due) - now.value) }) : t('late')}{due.state === 'predicted' && ` · ${t('predicted')}`}</dd>
            </div>
          ))}
          {Object.entries(conversation.attributes).map(([name, value]) => <div key={name}><dt><bdi>{name}</bdi></dt><dd><bdi>{value}</bdi></dd></div>)}
          <dt>{t('conversation')}</dt><dd><code dir="ltr">{id}</code></dd>
        </dl>
        {!isOver(conversation) && (conversation.mine || desk.supervises.value) && <button type="button" class="quiet" onClick={() => { desk.dialog.value = { is: 'form', form: 'attributes' }; }}>{t('attributesEdit')}</button>}
      </section>
      <Notes conversation={conversation} desk={desk} />
      {skills.length > 0 && (
        <section aria-labelledby="ctx-skills"><h3 id="ctx-skills">{t('yourSkills')}</h3><p class="chips">{skills.map((each) => <bdi key={each} class="mark">{each.replace(':', ' · ')}</bdi>)}</p></section>
      )}
    </aside>
  );
}

function Person({ desk, conversation }: { desk: Desk; conversation: Conversation }) {
  const { contact } = conversation;
  const found = desk.shelf.citizens.value[contact.id];
  const citizen = desk.shelf.citizenOf(contact.id);
  const can = conversation.mine && !isOver(conversation);
  const open = (form: string) => (): void => { desk.dialog.value = { is: 'form', form }; };
  return (
    <>
      <div class="ctx-who">
        <h3 class="who-name"><bdi>{citizen?.name || contact.name || t('nameless')}</bdi></h3>
        {!citizen && found && <p class="faded">{saying(found as object, t('citizenUnknown'))} <button type="button" class="quiet" onClick={() => void desk.shelf.meet(contact.id, '', true)}>{t('retry')}</button></p>}
        {!found && contact.id !== '' && <p class="faded">{t('loading')}</p>}
        {citizen && <Addresses citizen={citizen} conversation={conversation} can={can} open={open} />}
      </div>
      {citizen && (
        <section aria-labelledby="ctx-history">
          <h3 id="ctx-history">{t('history')}</h3>
          <History desk={desk} citizen={citizen} conversation={conversation} />
          {citizen.folded && <button type="button" class="quiet" onClick={open('unfold')}>{t('unfold')}</button>}
        </section>
      )}
    </>
  );
}

interface AddressesProps { citizen: Citizen; conversation: Conversation; can: boolean; open(form: string): () => void }
function Addresses({ citizen, conversation, can, open }: AddressesProps) {
  return (
    <>
      <ul class="addresses">
        {citizen.addresses.map((each) => (
          <li key={`${each.account} ${each.address}`}>
            <span class={`channel channel-${each.channel}`}>{channelWord(each.channel)}</span> <bdi dir="ltr">{shownAddress(each.address)}</bdi>
            {each.account === conversation.account && <span class="faded"> {t('here')}</span>}
          </li>
        ))}
        {citizen.numbers_said.map((each) => (
          <li key={each}><bdi dir="ltr">{each}</bdi> <span class="faded">{t('saidOnly')}</span> {can && <button type="button" class="quiet" onClick={open(`verify ${each}`)}>{t('verify')}</button>}</li>
        ))}
        {citizen.merged.map((each) => (
          <li key={each.id}><bdi>{each.name || each.id}</bdi> <span class="faded">{t('linkedBy', { by: each.by.replace(/^agent_/, '') })}</span> {can && <button type="button" class="quiet" onClick={open(`part ${each.id}`)}>{t('part')}</button>}</li>
        ))}
        {citizen.same_number.map((each) => (
          <li key={each.id}><Icon name="question" /> <bdi>{each.name || each.id}</bdi> <span class="faded">{t('perhapsSame')}</span> {can && <button type="button" class="quiet" onClick={open(`link ${each.id}`)}>{t('linkContact')}</button>}</li>
        ))}
      </ul>
      {can && (
        <div class="choices small">
          {conversation.state === 'active' && citizen.addresses.length > 1 && <button type="button" onClick={open('switch')}>{t('switchTitle')}</button>}
          <button type="button" onClick={open('number')}>{t('addNumber')}</button>
          <button type="button" onClick={open('verify')}>{t('verify')}</button>
          <button type="button" onClick={open('link')}>{t('linkContact')}</button>
        </div>
      )}
    </>
  );
}

function History({ desk, citizen, conversation }: { desk: Desk; citizen: Citizen; conversation: Conversation }) {
  const others = citizen.conversations.filter((each) => each.conversation !== conversation.id && each.state !== 'sends').slice(0, kMostHistory);
  if (others.length === 0) return <p class="faded">{t('historyNone')}</p>;
  return (
    <ul class="history">
      {others.map((each) => (
        <li key={each.conversation}>
          <button type="button" class="line" onClick={() => desk.open(each)}>
            <span class="foot"><span class={`channel channel-${each.channel ?? ''}`}>{channelWord(each.channel ?? '')}</span> <time dateTime={each.last_at}>{dayText(each.last_at ?? '', desk.nowMs())}</time></span>
            <span class="preview" dir="auto">{each.preview}</span>
            <span class="faded">{stateWord(each.state)}</span>
          </button>
        </li>
      ))}
    </ul>
  );
}

function Notes({ desk, conversation }: { desk: Desk; conversation: Conversation }) {
  const notes = conversation.messages.filter((each) => each.dir === 'note').slice(-5);
  const word: Key = notes.length === 0 ? 'notesNone' : 'notes';
  return (
    <section aria-labelledby="ctx-notes">
      <h3 id="ctx-notes">{t('notes')}</h3>
      {notes.length === 0 && <p class="faded">{t(word)}</p>}
      <ul class="notes">{notes.map((each) => <li key={each.id}><p class="words" dir="auto">{each.text}</p><p class="faded"><bdi>{each.agent === undefined ? '' : agentName(desk.shelf.house.value, each.agent)}</bdi> <time dateTime={each.at}>{fullText(each.at)}</time></p></li>)}</ul>
    </section>
  );
}
