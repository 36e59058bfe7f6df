// Small pictures beside words; never the only bearer of a meaning, so screen readers skip them.
const paths = {
  bell: 'M12 2a2 2 0 0 0-2 2v.6a6 6 0 0 0-4 5.700V15l-2 3v1h16v-1l-2-3v-4.700A6 6 0 0 0 14 4.600V4a2 2 0 0 0-2-2zM9.5 20a2.5 2.5 0 0 0 5 0z',
  clock: 'M12 3a9 9 0 1 0 0 18 9 9 0 0 0 0-18zm0 2a7 7 0 1 1 0 14 7 7 0 0 1 0-14zm-1 2v6l4.5 2.6 1-1.7-3.5-2V7z',
  check: 'M9 16.2 4.8 12l-1.4 1.400L9 19 21 7l-1.4-1.400z',
  checks: 'm18 7-1.4-1.4-6.3 6.3 1.4 1.400zm4.2-1.400L11.7 16.200l-4.2-4.2-1.4 1.4 5.6 5.6 12-12zM.4 13.4 6 19l1.4-1.4-5.6-5.600z',
  warning: 'M12 2 1 21h22zm0 4 7.5 13h-15zm-1 4v5h2v-5zm0 6v2h2v-2z',
  question: 'M12 3a9 9 0 1 0 0 18 9 9 0 0 0 0-18zm-1 12h2v2h-2zm1-8a3.5 3.5 0 0 1 1.4 6.700c-.3.2-.4.3-.4.600V14h-2v-.7c0-1 .6-1.7 1.4-2.100A1.5 1.5 0 1 0 10.5 10h-2A3.5 3.5 0 0 1 12 7z',
  lock: 'M12 2a5 5 0 0 0-5 5v3H5v12h14V10h-2V7a5 5 0 0 0-5-5zm0 2a3 3 0 0 1 3 3v3H9V7a3 3 0 0 1 3-3z',
  back: 'M15.4 5.4 14 4l-8 8 8 8 1.4-1.400L8.8 12z',
  close: 'm6.4 5-1.4 1.4 5.6 5.600L5 17.6 6.4 19l5.6-5.6 5.6 5.6 1.4-1.4-5.6-5.600L19 6.4 17.6 5 12 10.600z',
  down: 'M12 16.5 5 9.5 6.4 8l5.6 5.600L17.6 8 19 9.500z',
  file: 'M6 2h8l5 5v15H5V2zm7 2H7v16h10V8h-4z',
  info: 'M12 3a9 9 0 1 0 0 18 9 9 0 0 0 0-18zm0 2a7 7 0 1 1 0 14 7 7 0 0 1 0-14zm-1 2v2h2V7zm0 4v6h2v-6z',
} as const;
export type IconName = keyof typeof paths;

export function Icon({ name, flips }: { name: IconName; flips?: boolean }) {
  return (
    <svg class={flips ? 'icon flips' : 'icon'} viewBox="0 0 24 24" width="16" height="16" aria-hidden="true" focusable="false">
      <path d={paths[name]} />
    </svg>
  );
}
