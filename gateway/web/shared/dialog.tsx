// A dialog of the browser's own: it keeps the focus inside, closes with Escape, and gives the focus back to where it came from, or
// to what the page marked with data-home if that is gone.
import type { ComponentChildren } from 'preact';
import { useLayoutEffect, useRef } from 'preact/hooks';
import { t } from './i18n.ts';
import { Icon } from './icons.tsx';

export function Dialog({ title, close, children, wide = false }: { title: string; close(): void; children: ComponentChildren; wide?: boolean }) {
  const dialog = useRef<HTMLDialogElement>(null);
  // Before the effects of what is inside, which may put the focus on a field.
  useLayoutEffect(() => {
    const box = dialog.current;
    const from = document.activeElement;
    box?.showModal();
    return () => {
      box?.close();
      // Where it came from may be gone or locked by now.
      if (from instanceof HTMLElement && from.isConnected) from.focus();
      else document.querySelector<HTMLElement>('[data-home]')?.focus();
    };
  }, []);
  return (
    <dialog
      ref={dialog}
      class={wide ? 'dialog is-wide' : 'dialog'}
      aria-labelledby="dialog-title"
      onCancel={(event) => { event.preventDefault(); close(); }}
      onClick={(event) => { if (event.target === dialog.current) close(); }}
    >
      <div class="dialog-body">
        <div class="dialog-head">
          <h2 id="dialog-title">{title}</h2>
          <button type="button" class="quiet" onClick={close}><Icon name="close" /><span class="sr">{t('closeDialog')}</span></button>
        </div>
        {children}
      </div>
    </dialog>
  );
}
