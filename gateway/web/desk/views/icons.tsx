// Small pictures beside words; never the only bearer of a meaning, so screen readers skip them.
const paths = {
  bell: 'M12 2a2 2 0 0 0-2 2v.6a6 6 0 0 0-4 5.700V15l-2 3v1h16v-1l-2-3v-4.700A6 6 0 0 0 14 4.600V4a2 2 0 0 0-2-2zM9.500 20a2.500 2.500 0 0 0 5 0z',
  clock: 'M12 3a9 9 0 1 0 0 18 9 9 0 0 0 0-18zm0 2a7 7 0 1 1 0 14 7 7 0 0 1 0-14zm-1 2v6l4.500 2.600 1-1.700-3.500-2V7z',
  check: 'M9 16.200 4.800 12l-1.400 1.400L9 19 21 7l-1.400-1.400z',
  checks: 'm18 7-1.400-1.400-6.300 6.300 1.400 1.400zm4.200-1.400L11.700 16.200l-4.200-4.200-1.400 1.400 5.600 5.600 12-12zM.4 13.400 6 19l1.400-1.400-5.600-5.600z',
  warning: 'M12 2 1 21h22zm0 4 7.500 13h-15zm-1 4v5h2v-5zm0 6v2h2v-2z',
  question: 'M12 3a9 9 0 1 0 0 18 9 9 0 0 0 0-18zm-1 12h2v2h-2zm1-8a3.500 3.500 0 0 1 1.400 6.700c-.3.200-.4.300-.4.600V14h-2v-.7c0-1 .6-1.700 1.400-2.100A1.500 1.500 0 1 0 10.500 10h-2A3.500 3.500 0 0 1 12 7z',
  lock: 'M12 2a5 5 0 0 0-5 5v3H5v12h14V10h-2V7a5 5 0 0 0-5-5zm0 2a3 3 0 0 1 3 3v3H9V7a3 3 0 0 1 3-3z',
  back: 'M15.400 5.400 14 4l-8 8 8 8 1.400-1.400L8.800 12z',
  close: 'm6.400 5-1.400 1.400 5.600 5.600L5 17.600 6.400 19l5.600-5.600 5.600 5.600 1.400-1.400-5.600-5.600L19 6.400 17.600 5 12 10.600z',
  down: 'M12 16.500 5 9.500 6.400 8l5.600 5.600L17.600 8 19 9.500z',
  file: 'M6 2h8l5 5v15H5V2zm7 2H7v16h10V8h-4z',
  note: 'M4 3h16v12l-6 6H4zm2 2v14h7v-5h5V5z',
} as const;
export type IconName = keyof typeof paths;

export function Icon({ name, flips }: { name: IconName; flips?: boolean }) {
  return (
    <svg class={flips ? 'icon flips' : 'icon'} viewBox="0 0 24 24" width="16" height="16" aria-hidden="true" focusable="false">
      <path d={paths[name]} />
    </svg>
  );
}
