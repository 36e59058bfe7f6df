// A few native emoji: one stop of the Tab key, arrows within.
import { useLayoutEffect, useRef } from 'preact/hooks';
import { t } from '../words.ts';

const kColumns = 8;
const emoji = '😀 😄 😂 😉 😊 🙂 😍 😎 🤔 😐 😕 😟 😢 😭 😡 😱 👍 👎 👌 🙏 👏 💪 👋 🤝 ❤️ 💔 ✅ ❌ ⚠️ ❓ ❗ 🎉 🏠 🚗 🚌 💧 🔥 💡 📞 📷'.split(' ');

export interface EmojiProps {
  pick(one: string): void;
  close(): void;
}
export function Emoji({ pick, close }: EmojiProps) {
  const grid = useRef<HTMLDivElement>(null);
  const go = (to: number): void => (grid.current?.children[(to + emoji.length) % emoji.length] as HTMLElement | undefined)?.focus();
  useLayoutEffect(() => go(0), []);
  const key = (event: KeyboardEvent): void => {
    const at = [...grid.current!.children].indexOf(event.target as Element);
    const forward = getComputedStyle(grid.current!).direction === 'rtl' ? -1 : 1;
    const step: Record<string, number> = { ArrowRight: forward, ArrowLeft: -forward, ArrowDown: kColumns, ArrowUp: -kColumns };
    if (event.key === 'Escape') close();
    else if (event.key in step) go(at + step[event.key]!);
    else return;
    event.preventDefault();
  };
  return (
    <div class="emoji" role="group" aria-label={t('emoji')} ref={grid} onKeyDown={key}>
      {emoji.map((one, at) => <button type="button" key={one} tabIndex={at === 0 ? 0 : -1} onClick={() => pick(one)}>{one}</button>)}
    </div>
  );
}
