// Accounts of providers and inboxes of the web chat. They stand in the configuration file; here they are seen, tried and embedded.
import { useSignal } from '@preact/signals';
import { saying } from '../../shared/problem.ts';
import type { Console } from '../console.ts';
import { type Account, queueName, readAccount } from '../house.ts';
import { channelWord } from '../names.ts';
import { list, number, object, text } from '../../shared/read.ts';
import { t } from '../words.ts';
import { section } from './section.ts';

export const snippet = (origin: string, inbox: string): string => `<script async src="${origin}/widget.js" data-inbox="${inbox}"></script>`;

function Embed({ inbox }: { inbox: string }) {
  const code = snippet(location.origin, inbox);
  const copied = useSignal(false);
  return (
    <div class="secret">
      <p>{t('embedHint')}</p>
      <p class="row"><code dir="ltr" tabIndex={0}>{code}</code> <button type="button" onClick={() => void navigator.clipboard?.writeText(code).then(() => { copied.value = true; })}>{t('copy')}</button></p>
      <p role="status">{copied.value && t('copied')}</p>
      <p><a href={`/chat/${inbox}`} target="_blank" rel="noopener">{t('openChat')}</a></p>
    </div>
  );
}

async function test(state: Console, account: Account): Promise<void> {
  state.say(t('asking'));
  const answer = await state.ask('POST', `/accounts/${account.id}/test`);
  const body = object(answer.ok ? answer.data : undefined);
  const words = answer.ok ? text(body.said) || t('linkStands') : saying(answer.problem, t('refused'));
  state.say(t('testSays', { name: account.id, words }), !answer.ok || body.ok === false);
}

// What a text becomes as SMS, and what that costs.
function Preview({ state }: { state: Console }) {
  const said = useSignal('');
  const ask = async (event: Event): Promise<void> => {
    event.preventDefault();
    const words = (event.currentTarget as HTMLFormElement).querySelector('textarea')!.value;
    if (words.trim() === '') return;
    const answer = await state.ask('POST', '/sms/preview', { text: words });
    if (!answer.ok) {
      said.value = saying(answer.problem, t('refused'));
      return;
    }
    said.value = list(object(answer.data).items).map(object).map((each) => t('smsBecomes', {
      account: text(each.account), encoding: text(each.encoding), n: number(each.segments), cost: text(each.cost) === '' ? '–' : `${text(each.cost)} ${text(each.currency)}`.trim(),
    })).join(' ');
  };
  if (!state.house.value.accounts.some((each) => each.channel === 'sms')) return <></>;
  return (
    <form class="sms" onSubmit={(event) => void ask(event)}>
      <label>{t('smsPreview')}<textarea rows={2} maxLength={4000} dir="auto" /></label>
      <button type="submit">{t('preview')}</button>
      <p role="status" dir="auto">{said.value}</p>
    </form>
  );
}

export const inboxes = section<Account>({
  id: 'inboxes',
  title: 'inboxes',
  intro: 'inboxesIntro',
  none: 'noAccounts',
  noneHint: 'noAccountsHint',
  may: () => true,
  writes: () => false,
  read: (state) => state.all('/accounts', readAccount),
  key: (each) => each.id,
  name: (each) => each.id,
  words: (each) => `${each.id} ${each.channel} ${each.queue}`,
  columns: [
    { title: 'account', cell: (each) => <bdi>{each.id}</bdi> },
    { title: 'channel', cell: (each) => channelWord(each.channel) },
    { title: 'queue', cell: (each, state) => (each.queue === '' ? '' : queueName(state.house.value, each.queue)) },
  ],
  above: (state) => <Preview state={state} />,
  actions: (each, state) => [
    ...(each.channel === 'sms' && state.may('admin') ? [{ label: t('tryLink'), run: () => test(state, each) }] : []),
    ...(each.channel === 'web' ? [{ label: t('embed'), run: () => {
      state.form.value = { title: t('embedTitle', { name: each.id }), submit: t('closeDialog'), fields: [{ name: 'code', label: t('snippet'), kind: 'own' as const, view: () => <Embed inbox={each.id} /> }], send: () => undefined };
    } }] : []),
  ],
});
