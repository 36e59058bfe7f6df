// Draws a form of fields.ts: its fields, what is wrong with them, and what the gateway said.
import { useSignal } from '@preact/signals';
import { useEffect, useId, useRef } from 'preact/hooks';
import { Dialog } from './dialog.tsx';
import { type Field, type Form, listed, type Values } from './fields.ts';
import { t } from './i18n.ts';
import { type Problem, saying } from './problem.ts';

export function FormDialog({ form, close }: { form: Form; close(): void }) {
  const typed = useSignal(false);
  const warned = useSignal(false);
  // A long form in which something was typed closes at the second attempt: what took minutes is not lost to a slip of the hand.
  const leave = (): void => {
    if (form.wide && typed.value && !warned.value) warned.value = true;
    else close();
  };
  return (
    <Dialog title={form.title} close={leave} wide={form.wide ?? false}>
      <FormBody form={form} close={close} leave={leave} warned={warned.value} changed={() => { typed.value = true; warned.value = false; }} />
    </Dialog>
  );
}

// The gateway names the member that it complains of: `capacity` must be ...
const namedBy = (problem: Problem): string | undefined => /^`([a-z_]+)/.exec(problem.detail ?? '')?.[1];

function FormBody({ form, close, leave, warned, changed }: { form: Form; close(): void; leave(): void; warned: boolean; changed(): void }) {
  const own = useSignal<Values>({});
  const wrong = useSignal('');
  const busy = useSignal(false);
  const body = useRef<HTMLFormElement>(null);
  const initial: Record<string, string> = Object.fromEntries(form.fields.map((field) => [field.name, field.value ?? '']));
  const values: Values = { ...initial, ...own.value };
  const shown = form.fields.filter((field) => field.shown?.(values) ?? true);
  useEffect(() => {
    body.current?.querySelector<HTMLElement>('input:checked, input:not([type=radio]), select, textarea, button')?.focus();
  }, []);

  const submit = async (event: Event): Promise<void> => {
    event.preventDefault();
    if (busy.value || form.nothing !== undefined) return;
    const empty = shown.find((field) => field.required && (values[field.name] ?? '').trim() === '');
    if (empty) {
      wrong.value = t('fieldNeeded', { field: empty.label });
      body.current?.querySelector<HTMLElement>(`[name="${empty.name}"]`)?.focus();
      return;
    }
    busy.value = true;
    const answer = await form.send(values);
    busy.value = false;
    if (answer === undefined) return close();
    wrong.value = typeof answer === 'string' ? answer : saying(answer, t(answer.status === 0 ? 'noAnswer' : 'refused'));
    const member = typeof answer === 'string' ? undefined : namedBy(answer);
    if (member !== undefined) body.current?.querySelector<HTMLElement>(`[name="${member}"]`)?.focus();
  };
  return (
    <form ref={body} class="form" novalidate onSubmit={(event) => void submit(event)}>
      {form.hint !== undefined && <p class="hint">{form.hint}</p>}
      {form.nothing !== undefined
        ? <p class="locked">{form.nothing}</p>
        : shown.map((field) => <FieldView key={field.name} field={field} value={values[field.name] ?? ''} change={(value) => { own.value = { ...own.value, [field.name]: value }; wrong.value = ''; changed(); }} />)}
      <div role="alert" class="form-wrong">{warned ? <p>{t('unsaved')}</p> : wrong.value !== '' && <p dir="auto">{wrong.value}</p>}</div>
      <div class="choices">
        <button type="button" onClick={leave}>{t('cancel')}</button>
        {form.nothing === undefined && <button type="submit" class={form.danger ? 'danger' : 'primary'} aria-disabled={busy.value}>{busy.value ? t('asking') : form.submit}</button>}
      </div>
    </form>
  );
}

function FieldView({ field, value, change }: { field: Field; value: string; change(value: string): void }) {
  const id = useId();
  const hint = field.hint === undefined ? undefined : `${id}-hint`;
  const typed = (event: Event): void => change((event.currentTarget as HTMLInputElement).value);
  const common = { id, name: field.name, 'aria-describedby': hint, 'aria-required': field.required ?? false };
  const below = field.hint !== undefined && <span class="hint" id={hint}>{field.hint}</span>;
  if (field.kind === 'radio') {
    return (
      <fieldset class="field radios" aria-describedby={hint}>
        <legend>{field.label}</legend>
        {field.options?.map((option) => (
          <label key={option.value}>
            <input type="radio" name={field.name} value={option.value} checked={value === option.value} onChange={typed} />
            <span dir="auto">{option.label}</span>
          </label>
        ))}
        {below}
      </fieldset>
    );
  }
  if (field.kind === 'checks') {
    const chosen = listed(value);
    const turn = (option: string, on: boolean): void => change((on ? [...chosen, option] : chosen.filter((each) => each !== option)).join(','));
    return (
      <fieldset class="field radios" aria-describedby={hint}>
        <legend>{field.label}</legend>
        {field.options?.map((option) => (
          <label key={option.value}>
            <input type="checkbox" name={field.name} checked={chosen.includes(option.value)} onChange={(event) => turn(option.value, event.currentTarget.checked)} />
            <span dir="auto">{option.label}</span>
          </label>
        ))}
        {below}
      </fieldset>
    );
  }
  if (field.kind === 'own') {
    return (
      <div class="field" role="group" aria-labelledby={id} aria-describedby={hint}>
        <span class="field-name" id={id}>{field.label}</span>
        {field.view?.({ id, value, change })}
        {below}
      </div>
    );
  }
  if (field.kind === 'check') {
    return (
      <div class="field">
        <label class="check">
          <input {...common} type="checkbox" checked={value !== ''} onChange={(event) => change(event.currentTarget.checked ? 'yes' : '')} />
          <span>{field.label}</span>
        </label>
        {below}
      </div>
    );
  }
  const type = { text: 'text', number: 'number', when: 'datetime-local' }[field.kind as 'text'];
  return (
    <div class="field">
      <label for={id}>{field.label}{field.required && <span class="needed"> {t('needed')}</span>}</label>
      {field.kind === 'select' && (
        <select {...common} value={value} onChange={typed}>
          {field.options?.map((option) => <option key={option.value} value={option.value}>{option.label}</option>)}
        </select>
      )}
      {field.kind === 'area' && <textarea {...common} rows={4} dir="auto" maxLength={field.max} value={value} onInput={typed} />}
      {type !== undefined && <input {...common} type={type} dir={field.code ? 'ltr' : field.kind === 'text' ? 'auto' : undefined} autocomplete="off" spellcheck={!field.code} maxLength={field.max} min={field.kind === 'number' ? field.min ?? 0 : undefined} step={field.step} max={field.kind === 'number' ? field.max : undefined} value={value} onInput={typed} />}
      {below}
    </div>
  );
}
