// The two questions that stand over the conversation. Native dialogs: they hold the focus, and Escape is "no".
import type { ComponentChildren } from 'preact';
import { useLayoutEffect, useRef, useState } from 'preact/hooks';
import type { Chat } from '../chat.ts';
import { apart, channelText, t } from '../words.ts';
import { isNumber } from './form.tsx';

function Dialog({ title, close, children }: { title: string; close(): void; children: ComponentChildren }) {
  const dialog = useRef<HTMLDialogElement>(null);
  useLayoutEffect(() => {
    const it = dialog.current!;
    it.showModal();
    return () => it.close(); // gives the focus back
  }, []);
  return (
    <dialog ref={dialog} class="card" aria-labelledby="dialog-title" onCancel={(event) => { event.preventDefault(); close(); }}>
      <h2 id="dialog-title">{title}</h2>
      {children}
    </dialog>
  );
}

export function EndQuestion({ chat, close }: { chat: Chat; close(): void }) {
  return (
    <Dialog title={t('endAsk')} close={close}>
      <p>{t('endWhy')}</p>
      <div class="choices">
        <button type="button" class="primary" onClick={() => { chat.end(); close(); }}>{t('endYes')}</button>
        <button type="button" onClick={close}>{t('endNo')}</button>
      </div>
    </Dialog>
  );
}

export function GoOnQuestion({ chat }: { chat: Chat }) {
  const [wrong, setWrong] = useState(false);
  const input = useRef<HTMLInputElement>(null);
  const { channel, number, stage, problem } = chat.goOn!;
  const by = channelText(channel);
  const submit = (event: Event): void => {
    event.preventDefault();
    const value = input.current!.value.trim();
    setWrong(!isNumber(value));
    if (isNumber(value) && stage === 'asking') chat.goOnBy(value);
    else input.current!.focus();
  };
  const why = wrong ? t('numberWrong') : problem ? (problem.detail ? apart(problem.detail) : t('goOnRefused')) : '';
  return (
    <Dialog title={t('goOn', { channel: by })} close={() => chat.askGoOn(undefined)}>
      <form noValidate onSubmit={submit}>
        <p>{t('goOnWhy', { channel: by })}</p>
        <div class="field">
          <label for="number">{t('number')}</label>
          <input id="number" ref={input} type="tel" autocomplete="tel" dir="ltr" defaultValue={number} aria-invalid={why !== ''} aria-describedby="number-hint number-why" />
          <p class="hint" id="number-hint">{t('numberHint')}</p>
          <div role="alert" id="number-why">{why !== '' && <p class="why">{why}</p>}</div>
        </div>
        <div class="choices">
          <button type="submit" class="primary" aria-disabled={stage === 'sending'}>{t(stage === 'sending' ? 'sending' : 'sendCode')}</button>
          <button type="button" onClick={() => chat.askGoOn(undefined)}>{t('cancel')}</button>
        </div>
      </form>
    </Dialog>
  );
}
