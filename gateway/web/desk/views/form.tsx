// Draws a form of forms.ts: its fields, what is wrong with them, and what the gateway said.
import { useSignal } from '@preact/signals';
import { useEffect, useId, useRef } from 'preact/hooks';
import { saying } from '../../shared/problem.ts';
import type { Desk } from '../desk.ts';
import { formOf, type Field, type Form, type Values } from '../forms.ts';
import { t } from '../words.ts';
import { Dialog } from './dialog.tsx';

export function FormDialog({ desk, name }: { desk: Desk; name: string }) {
  const form = formOf(desk, name);
  const close = (): void => { desk.dialog.value = undefined; };
  useEffect(() => { if (!form) close(); }, [form === undefined]);
  return form ? <Dialog title={form.title} close={close}><FormBody form={form} close={close} /></Dialog> : null;
}

function FormBody({ form, close }: { form: Form; close(): void }) {
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
    if (answer === undefined) close();
    else wrong.value = typeof answer === 'string' ? answer : saying(answer, t('refused'));
  };
  return (
    <form ref={body} class="form" novalidate onSubmit={(event) => void submit(event)}>
      {form.hint !== undefined && <p class="hint">{form.hint}</p>}
      {form.nothing !== undefined
        ? <p class="locked">{form.nothing}</p>
        : shown.map((field) => <FieldView key={field.name} field={field} value={values[field.name] ?? ''} change={(value) => { own.value = { ...own.value, [field.name]: value }; wrong.value = ''; }} />)}
      <div role="alert" class="form-wrong">{wrong.value !== '' && <p dir="auto">{wrong.value}</p>}</div>
      <div class="choices">
        <button type="button" onClick={close}>{t('cancel')}</button>
        {form.nothing === undefined && <button type="submit" class="primary" aria-disabled={busy.value}>{busy.value ? t('asking') : form.submit}</button>}
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
      {type !== undefined && <input {...common} type={type} dir={field.kind === 'text' ? 'auto' : undefined} maxLength={field.max} min={field.kind === 'number' ? 0 : undefined} max={field.kind === 'number' ? field.max : undefined} value={value} onInput={typed} />}
      {below}
    </div>
  );
}
