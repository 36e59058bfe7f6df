// The short lists: skills, canned replies, announcements, keys.
import { useSignal } from '@preact/signals';
import { type Form, listed, localInput } from '../../shared/fields.ts';
import { whenText, language } from '../../shared/i18n.ts';
import type { Console } from '../console.ts';
import { agentOptions, queueOptions } from '../direct.ts';
import { agentName, type Announcement, type ApiKey, type Canned, queueName, readAnnouncement, readCanned, readKey, readSkill, type Skill } from '../house.ts';
import { languageWord, roles, roleWord, severities, severityWord } from '../names.ts';
import { object, text } from '../../shared/read.ts';
import { t } from '../words.ts';
import { edit, idFrom, kept, removal, section } from './section.ts';

// ---- skills ----

const holders = (state: Console, id: string): string => {
  const house = state.house.value;
  const has = (skills: readonly string[]): boolean => skills.some((each) => each.split(':')[0] === id);
  return t('usedBy', { agents: house.agents.filter((each) => has(each.skills)).length, queues: house.queues.filter((each) => has(each.skills)).length });
};
const skillForm = (state: Console, skill: Skill | undefined, again: () => void): Form => ({
  title: skill ? t('editTitle', { name: skill.name }) : t('addSkill'),
  submit: t('save'),
  fields: [{ name: 'name', label: t('name'), kind: 'text', max: 100, required: true, value: skill?.name ?? '', hint: t('skillHint') }],
  send: ({ name = '' }) => {
    const id = skill?.id ?? idFrom(name);
    if (id === '') return t('idNeeded');
    if (!skill && state.house.peek().skills.some((each) => each.id === id)) return t('nameTaken');
    return kept(state, t('saved', { name: name.trim() }), state.change('PUT', `/skills/${id}`, { name: name.trim() }), again);
  },
});
export const skills = section<Skill>({
  id: 'skills', title: 'skills', intro: 'skillsIntro', none: 'noSkills', noneHint: 'noSkillsHint', add: 'addSkill',
  may: (state) => state.may('supervisor', 'auditor'),
  writes: (state) => state.may('supervisor'),
  read: (state) => state.all('/skills', readSkill),
  key: (skill) => skill.id, name: (skill) => skill.name, words: (skill) => `${skill.name} ${skill.id}`,
  columns: [
    { title: 'name', cell: (skill) => <><bdi>{skill.name}</bdi><span class="under" dir="ltr">{skill.id}</span></> },
    { title: 'inUse', cell: (skill, state) => holders(state, skill.id) },
  ],
  make: (state, again) => skillForm(state, undefined, again),
  actions: (skill, state, again) => (state.may('supervisor')
    ? [edit(state, () => skillForm(state, skill, again)), removal(state, skill.name, `${holders(state, skill.id)} ${t('removeSkillHint')}`, `/skills/${skill.id}`, again)] : []),
});

// ---- canned replies ----

const placeholders = ['name', 'agent', 'queue'] as const;
// Words in braces that the desk does not fill in by itself: the agent is asked for them.
export const unknownPlaceholders = (words: string): string[] =>
  [...words.matchAll(/\{([^{}]*)\}/g)].map(([, name = '']) => name.trim()).filter((name) => !(placeholders as readonly string[]).includes(name));
const example = (words: string): string =>
  words.replace(/\{\s*(name|agent|queue)\s*\}/g, (_, name: string) => t(`example_${name}` as 'example_name'));

function Text({ id, value, change }: { id: string; value: string; change(value: string): void }) {
  const asked = unknownPlaceholders(value);
  return (
    <>
      <textarea name="text" aria-labelledby={id} rows={5} maxLength={4000} dir="auto" value={value} onInput={(event) => change(event.currentTarget.value)} />
      {value.includes('{') && <p class="preview" dir="auto" aria-live="polite">{example(value)}</p>}
      {asked.length > 0 && <p class="hint" role="status">{t('askedFor', { what: asked.join(', ') })}</p>}
    </>
  );
}
const cannedForm = (state: Console, canned: Canned | undefined, again: () => void): Form => ({
  title: canned ? t('editTitle', { name: `/${canned.shortcut}` }) : t('addCanned'),
  submit: t('save'),
  wide: true,
  fields: [
    { name: 'shortcut', label: t('shortcut'), kind: 'text', max: 40, required: true, value: canned?.shortcut ?? '', hint: t('shortcutHint') },
    { name: 'text', label: t('text'), kind: 'own', required: true, value: canned?.text ?? '', hint: t('placeholdersHint'), view: Text },
    { name: 'language', label: t('languageOf'), kind: 'text', code: true, max: 3, value: canned?.language ?? '', hint: t('languageHint') },
    { name: 'queues', label: t('onlyQueues'), kind: 'checks', value: (canned?.queues ?? []).join(','), options: queueOptions(state), hint: t('onlyQueuesHint') },
  ],
  send: (values) => {
    const shortcut = (values.shortcut ?? '').trim().replace(/^\//, '');
    const id = canned?.id ?? `${idFrom(shortcut) || 'reply'}-${Date.now().toString(36)}`.slice(-40);
    const queues = listed(values.queues ?? '');
    return kept(state, t('saved', { name: `/${shortcut}` }), state.change('PUT', `/canned/${id}`, {
      shortcut, text: values.text, ...(values.language?.trim() ? { language: values.language.trim().toLowerCase() } : {}), ...(queues.length > 0 ? { queues } : {}),
    }), again);
  },
});
export const canned = section<Canned>({
  id: 'canned', title: 'canned', intro: 'cannedIntro', none: 'noCanned', noneHint: 'noCannedHint', add: 'addCanned',
  may: () => true,
  writes: (state) => state.may('admin'),
  read: (state) => state.all('/canned', readCanned),
  key: (each) => each.id, name: (each) => `/${each.shortcut}`, words: (each) => `${each.shortcut} ${each.text} ${each.language}`,
  columns: [
    { title: 'shortcut', cell: (each) => <bdi>/{each.shortcut}</bdi> },
    { title: 'text', cell: (each) => <span dir="auto" class="clip">{each.text}</span> },
    { title: 'languageOf', cell: (each) => (each.language === '' ? t('all') : languageWord(each.language, language.value)) },
    { title: 'queues', cell: (each, state) => (each.queues.length === 0 ? t('all') : each.queues.map((id) => queueName(state.house.value, id)).join(', ')) },
  ],
  make: (state, again) => cannedForm(state, undefined, again),
  actions: (each, state, again) => (state.may('admin')
    ? [edit(state, () => cannedForm(state, each, again)), removal(state, `/${each.shortcut}`, t('removeCannedHint'), `/canned/${each.id}`, again)] : []),
});

// ---- announcements ----

function announcementForm(state: Console, was: Announcement | undefined, again: () => void): Form {
  const inboxes = state.house.peek().accounts.filter((each) => each.channel === 'web').map(({ id }) => ({ value: id, label: id }));
  return {
    title: was ? t('editTitle', { name: was.headline }) : t('addAnnouncement'),
    hint: t('announcementHint'),
    submit: t('showIt'),
    ...(inboxes.length === 0 ? { nothing: t('noInboxes') } : {}),
    fields: [
      { name: 'severity', label: t('severity'), kind: 'radio', value: was?.severity || 'moderate', options: severities.map((value) => ({ value, label: severityWord(value) })) },
      { name: 'headline', label: t('headline'), kind: 'text', max: 160, required: true, value: was?.headline ?? '' },
      { name: 'text', label: t('text'), kind: 'area', max: 2000, value: was?.text ?? '' },
      { name: 'url', label: t('link'), kind: 'text', code: true, max: 500, value: was?.url ?? '', hint: t('linkHint') },
      { name: 'expires', label: t('until'), kind: 'when', required: true, value: localInput(was ? new Date(was.expires) : new Date(state.now() + 6 * 3_600_000)) },
      { name: 'inboxes', label: t('where'), kind: 'checks', value: (was?.inboxes ?? []).join(','), options: inboxes, hint: t('whereHint') },
    ],
    send: (values) => {
      const chosen = listed(values.inboxes ?? '');
      const until = new Date(values.expires ?? '');
      if (Number.isNaN(until.getTime())) return t('fieldNeeded', { field: t('until') });
      return kept(state, t('shownNow', { where: chosen.length === 0 ? t('allInboxes') : chosen.join(', ') }), state.change('PUT', `/announcements/${was?.id ?? `a-${Date.now().toString(36)}`}`, {
        severity: values.severity, headline: values.headline?.trim(), text: values.text ?? '', expires: until.toISOString(),
        ...(values.url?.trim() ? { url: values.url.trim() } : {}), ...(chosen.length > 0 ? { inboxes: chosen } : {}),
      }), again);
    },
  };
}
export const announcements = section<Announcement>({
  id: 'announcements', title: 'announcements', intro: 'announcementsIntro', none: 'noAnnouncements', noneHint: 'noAnnouncementsHint', add: 'addAnnouncement',
  may: () => true,
  writes: (state) => state.may('supervisor'),
  read: async (state) => {
    const answer = await state.ask('GET', '/announcements');
    return answer.ok ? { ok: true, data: (object(answer.data).items as unknown[] ?? []).map(readAnnouncement) } : answer;
  },
  key: (each) => each.id, name: (each) => each.headline, words: (each) => `${each.headline} ${each.text}`,
  columns: [
    { title: 'headline', cell: (each) => <><bdi>{each.headline}</bdi><span class="under clip" dir="auto">{each.text}</span></> },
    { title: 'severity', cell: (each) => severityWord(each.severity) },
    { title: 'until', cell: (each) => whenText(each.expires) },
    { title: 'where', cell: (each) => (each.inboxes.length === 0 ? t('allInboxes') : each.inboxes.join(', ')) },
  ],
  make: (state, again) => announcementForm(state, undefined, again),
  actions: (each, state, again) => (state.may('supervisor')
    ? [edit(state, () => announcementForm(state, each, again)), removal(state, each.headline, t('removeAnnouncementHint'), `/announcements/${each.id}`, again)] : []),
});

// ---- keys ----

// The key is said once: it stands here until the dialog is closed, and nowhere else.
function Secret({ value }: { value: string }) {
  const copied = useSignal(false);
  return (
    <div class="secret">
      <p>{t('keyOnce')}</p>
      <p class="row"><code dir="ltr" tabIndex={0}>{value}</code> <button type="button" onClick={() => void navigator.clipboard?.writeText(value).then(() => { copied.value = true; })}>{t('copy')}</button></p>
      <p role="status">{copied.value && t('copied')}</p>
    </div>
  );
}
function keyForm(state: Console, again: () => void): Form {
  const agents = agentOptions(state);
  return {
    title: t('addKey'),
    submit: t('makeKey'),
    fields: [
      { name: 'name', label: t('name'), kind: 'text', max: 100, required: true, hint: t('keyNameHint') },
      { name: 'role', label: t('role'), kind: 'select', value: 'integration', options: roles.map((value) => ({ value, label: roleWord(value) })) },
      { name: 'agent', label: t('agent'), kind: 'select', value: agents[0]?.value ?? '', options: agents, shown: (values) => values.role === 'agent' },
    ],
    send: async (values) => {
      const answer = await state.ask('POST', '/keys', { name: values.name?.trim(), role: values.role, ...(values.role === 'agent' ? { agent: values.agent } : {}) });
      if (!answer.ok) return answer.problem;
      const key = text(object(answer.data).key);
      again();
      // After this dialog has closed.
      setTimeout(() => {
        state.form.value = {
          title: t('yourKey', { name: values.name?.trim() ?? '' }), submit: t('keyKept'),
          fields: [{ name: 'key', label: t('theKey'), kind: 'own', view: () => <Secret value={key} /> }], send: () => undefined,
        };
      }, 0);
      return undefined;
    },
  };
}
export const keys = section<ApiKey>({
  id: 'keys', title: 'keys', intro: 'keysIntro', none: 'noKeys', noneHint: 'noKeysHint', add: 'addKey',
  may: (state) => state.may('auditor'),
  writes: (state) => state.may('admin'),
  read: (state) => state.all('/keys', readKey),
  key: (each) => each.id, name: (each) => each.name || each.id, words: (each) => `${each.name} ${each.id} ${each.role} ${each.agent}`,
  columns: [
    { title: 'name', cell: (each) => <><bdi>{each.name || each.id}</bdi><span class="under" dir="ltr">{each.id}</span></> },
    { title: 'role', cell: (each) => roleWord(each.role) },
    { title: 'agent', cell: (each, state) => (each.agent === '' ? '' : agentName(state.house.value, each.agent)) },
    { title: 'made', cell: (each) => whenText(each.created_at) },
  ],
  make: (state, again) => keyForm(state, again),
  actions: (each, state, again) => (state.may('admin') ? [{ ...removal(state, each.name || each.id, t('revokeHint'), `/keys/${each.id}`, again), label: t('revoke') }] : []),
});
