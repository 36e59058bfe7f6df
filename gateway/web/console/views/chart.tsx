// A chart of lines over time. uPlot is fetched when the first one is drawn; its table beside it says the same to who cannot see it.
import { useEffect, useRef } from 'preact/hooks';
import type uPlot from 'uplot';
import { language } from '../../shared/i18n.ts';

export interface Drawn {
  label: string;
  values: (number | null)[];
}

const kHeight = 220;
// Told apart by dash and by mark as well as by colour.
const dashes: readonly number[][] = [[], [8, 4], [2, 4], [12, 4, 2, 4], [4, 2], [16, 6]];

// `least`: the axis reaches at least so far, so that one conversation does not look like a flood.
export function Chart({ at, lines, unit, least, dark }: { at: readonly number[]; lines: readonly Drawn[]; unit(value: number): string; least: number; dark: boolean }) {
  const box = useRef<HTMLDivElement>(null);
  const tag = language.value;
  useEffect(() => {
    let plot: uPlot | undefined;
    let gone = false;
    let observer: ResizeObserver | undefined;
    void import('uplot').then(({ default: Plot }) => {
      const place = box.current;
      if (gone || !place) return;
      const style = getComputedStyle(place);
      const colour = (name: string): string => style.getPropertyValue(name).trim();
      const strokes = ['--line-1', '--line-2', '--line-3', '--line-4', '--line-5', '--line-6'].map(colour);
      const soft = colour('--soft');
      const grid = { stroke: colour('--line'), width: 1 };
      const width = (): number => Math.max(200, place.clientWidth);
      plot = new Plot({
        width: width(), height: kHeight,
        legend: { show: false }, // ours is below, in words
        cursor: { show: false },
        scales: { x: { time: true }, y: { range: (_, min, max) => [Math.min(0, min ?? 0), Math.max(least, (max ?? 0) * 1.1)] } },
        axes: [
          { stroke: soft, grid, ticks: grid, font: '12px system-ui', values: (_, splits) => splits.map((each) => shortDate(each * 1000, at, tag)) },
          { stroke: soft, grid, ticks: grid, font: '12px system-ui', size: 64, incrs: [1, 2, 5, 10, 20, 30, 60, 120, 300, 600, 1200, 1800, 3600, 7200, 14400, 28800, 86400, 1e5, 1e6], values: (_, splits) => splits.map(unit) },
        ],
        series: [{}, ...lines.map((_, nth) => {
          const stroke = strokes[nth % strokes.length] || soft;
          return { stroke, width: 2, dash: dashes[nth % dashes.length]!, spanGaps: false, points: { show: at.length <= 62, size: 5 + (nth % 3) * 2, stroke, fill: nth % 2 === 0 ? stroke : colour('--sheet') } };
        })],
      }, [at.map((each) => each / 1000), ...lines.map(({ values }) => values)] as uPlot.AlignedData, place);
      observer = new ResizeObserver(() => plot?.setSize({ width: width(), height: kHeight }));
      observer.observe(place);
    });
    return () => {
      gone = true;
      observer?.disconnect();
      plot?.destroy();
    };
  }, [at, lines, tag, dark]);
  return <div ref={box} class="plot" dir="ltr" aria-hidden="true" />;
}

function shortDate(ms: number, at: readonly number[], tag: string): string {
  const span = (at[at.length - 1] ?? ms) - (at[0] ?? ms);
  return new Intl.DateTimeFormat(tag, span <= 2 * 86_400_000 ? { hour: 'numeric', minute: '2-digit' } : { day: 'numeric', month: 'short' }).format(ms);
}
