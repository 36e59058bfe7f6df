// Small pictures beside words or labels; never the only bearer of a meaning, so screen readers skip them.
const paths = {
  check: 'M9 16 5 12l-1 1 5 5L20 7l-1-1z',
  checks: 'M7 16 3 12l-1 1 5 5 1-1zm4 0L21 6l1 1-11 11-4-4 1-1z',
  clock: 'M12 3a9 9 0 1 0 0 18 9 9 0 0 0 0-18zm0 2a7 7 0 1 1 0 14 7 7 0 0 1 0-14zm-1 2v6l4 3 1-2-3-2V7z',
  clip: 'M16 6v10a4 4 0 0 1-8 0V5a3 3 0 0 1 5 0v10a1 1 0 0 1-2 0V6H9v9a3 3 0 0 0 6 0V5a5 5 0 0 0-9 0v11a6 6 0 0 0 12 0V6z',
  smile: 'M12 3a9 9 0 1 0 0 18 9 9 0 0 0 0-18zm0 2a7 7 0 1 1 0 14 7 7 0 0 1 0-14zM8 9v2h2V9zm6 0v2h2V9zm-7 4a5 5 0 0 0 10 0h-2a3 3 0 0 1-6 0z',
  send: 'M3 4v6l11 2-11 2v6l19-8z',
  more: 'M10 4h4v4h-4zm0 6h4v4h-4zm0 6h4v4h-4z',
  close: 'm6 5-1 1 6 6-6 6 1 1 6-6 6 6 1-1-6-6 6-6-1-1-6 6z',
  file: 'M6 2h8l5 5v15H5V2zm7 2H7v16h10V8h-4z',
  down: 'M12 17 5 10l1-2 6 6 6-6 1 2z',
  warning: 'M12 2 1 21h22zm0 4 7 13H5zm-1 4v5h2v-5zm0 6v2h2v-2z',
} as const;

export const Icon = ({ name }: { name: keyof typeof paths }) => (
  <svg class={`icon icon-${name}`} viewBox="0 0 24 24" aria-hidden="true"><path d={paths[name]} /></svg>
);
