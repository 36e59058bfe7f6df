// What the inbox asks before the first message. What is not required may be left out, and then all of it may be skipped.
import { useLayoutEffect, useRef, useState } from 'preact/hooks';
import { languages } from '../../shared/sentences.ts';
import type { Chat } from '../chat.ts';
import { apart, type Key, language, t } from '../words.ts';

const kinds: Record<string, { label: Key; type: string; complete: string }> = {
  name: { label: 'name', type: 'text', complete: 'name' },
  phone: { label: 'phone', type: 'tel', complete: 'tel' },
  email: { label: 'email', type: 'email', complete: 'email' },
};
const isEmail = (text: string): boolean => /^\S+@\S+\.\S+$/.test(text);
export const isNumber = (text: string): boolean => /^\+?[\d\s().-]+$/.test(text) && text.replace(/\D/g, '').length >= 7;
const nameOf = (tag: string): string => (languages as Record<string, { name: string } | undefined>)[tag]?.name
  ?? new Intl.DisplayNames([tag], { type: 'language' }).of(tag) ?? tag;

function wrongWith(name: string, value: string, required: boolean): Key | undefined {
  if (value === '') return required ? 'missing' : undefined;
  if (name === 'email' && !isEmail(value)) return 'emailWrong';
  return name === 'phone' && !isNumber(value) ? 'numberWrong' : undefined;
}

export function Form({ chat }: { chat: Chat }) {
  const form = useRef<HTMLFormElement>(null);
  const [wrong, setWrong] = useState<Record<string, Key>>({});
  const entry = chat.formEntry;
  const busy = entry !== undefined && entry.status !== 'refused';
  const given = entry?.command.t === 'form' ? entry.command.fields : {};
  const problem = entry?.status === 'refused' ? entry.problem : undefined;
  const { form: fields, languages: tongues } = chat.state;

  // It stands where the composer would be: whoever was there goes on here.
  useLayoutEffect(() => {
    if (chat.mode === 'open' && document.activeElement === document.body) form.current!.querySelector<HTMLElement>('[data-first]')?.focus();
  }, []);

  const submit = (event: Event): void => {
    event.preventDefault();
    if (busy) return;
    const said = new FormData(form.current!);
    const values: Record<string, string> = {};
    const faults: Record<string, Key> = {};
    for (const { name, required } of fields) {
      const value = String(said.get(name) ?? '').trim();
      const fault = wrongWith(name, value, required);
      if (fault) faults[name] = fault;
      else if (value !== '') values[name] = value;
    }
    setWrong(faults);
    const first = Object.keys(faults)[0];
    if (first === undefined) chat.fill(values);
    else form.current!.querySelector<HTMLElement>(`[name="${CSS.escape(first)}"]`)?.focus();
  };

  return (
    <form class="card" ref={form} noValidate onSubmit={submit} aria-labelledby="form-title">
      <h2 id="form-title">{t('form')}</h2>
      <p class="hint">{t('formWhy')}</p>
      {fields.map(({ name, required }, at) => {
        const fault = wrong[name];
        const about = {
          name, id: `f-${name}`, 'aria-required': required, 'aria-invalid': fault !== undefined, ...(fault ? { 'aria-describedby': `w-${name}` } : {}),
          ...(at === 0 ? { 'data-first': true } : {}),
        };
        const kind = kinds[name];
        return (
          <div class="field" key={name}>
            <label for={`f-${name}`}>{name === 'language' ? t('tongue') : kind ? t(kind.label) : name}{!required && <span class="hint"> ({t('optional')})</span>}</label>
            {name === 'language' && tongues.length > 0
              ? <select {...about} defaultValue={given[name] ?? language}>{tongues.map((tag) => <option key={tag} value={tag} lang={tag} selected={tag === (given[name] ?? language)}>{nameOf(tag)}</option>)}</select>
              : <input {...about} type={kind?.type ?? 'text'} autocomplete={kind?.complete ?? 'off'} defaultValue={given[name] ?? ''} dir={kind?.type === 'tel' || kind?.type === 'email' ? 'ltr' : 'auto'} />}
            {fault && <p class="why" id={`w-${name}`}>{t(fault)}</p>}
          </div>
        );
      })}
      <div role="alert">{problem && <p class="why">{problem.detail ? apart(problem.detail) : t('formRefused')}</p>}</div>
      <div class="choices">
        <button type="submit" class="primary" aria-disabled={busy}>{t(busy ? 'sending' : 'start')}</button>
        {fields.every((field) => !field.required) && <button type="button" onClick={() => chat.skipForm()}>{t('skip')}</button>}
      </div>
    </form>
  );
}
