/** One line a box: the chart of the comparison. Lines differ in dash as well as colour. */
import uPlot from 'uplot';
import 'uplot/dist/uPlot.min.css';
import { useEffect, useRef } from 'preact/hooks';
import { clock, day, dayAndClock, num, t, TIME_ZONE } from '../i18n/index.ts';
import { lang } from '../state/app.ts';
import { dark } from '../state/theme.ts';

/** Okabe & Ito's colours for all kinds of colour vision, the yellow left out (too light on paper). */
export const LINE_COLOURS = ['#0072b2', '#d55e00', '#009e73', '#cc79a7', '#56b4e9', '#e69f00'];
export const LINE_DASHES = [[], [8, 4], [2, 3], [10, 3, 2, 3], [5, 5], [14, 4]];

export interface Line {
  readonly name: string;
  readonly points: readonly { readonly time: number; readonly value: number | null }[];
}

export function Lines({
  lines,
  unit,
  resolution,
  label,
  from,
  to,
}: {
  lines: readonly Line[];
  unit: string;
  resolution: number;
  label: string;
  from: number;
  to: number;
}) {
  const host = useRef<HTMLDivElement>(null);
  useEffect(() => {
    const el = host.current;
    if (!el) return undefined;
    const style = getComputedStyle(document.documentElement);
    const css = (name: string): string => style.getPropertyValue(name).trim();
    const times = [...new Set(lines.flatMap((l) => l.points.map((p) => p.time)))].sort((a, b) => a - b);
    const columns = lines.map((l) => {
      const at = new Map(l.points.map((p) => [p.time, p.value]));
      // A time that only another line has is no gap of this one (`undefined`); a gap of its own is `null`.
      return times.map((time) => at.get(time));
    });
    const long = to - from > 3 * 86_400_000;
    const axis = {
      stroke: css('--ink-2'),
      font: '11px system-ui, sans-serif',
      grid: { stroke: css('--line'), width: 1 },
      ticks: { show: false },
    };
    const chart = new uPlot(
      {
        width: el.clientWidth,
        height: 320,
        padding: [16, 10, 0, 0],
        tzDate: (s) => uPlot.tzDate(new Date(s * 1000), TIME_ZONE),
        cursor: { drag: { x: false, y: false } },
        scales: { x: { min: from / 1000, max: to / 1000 } },
        axes: [
          {
            ...axis,
            size: 30,
            values: (_u, s) =>
              s.map((x) => (long ? day(x * 1000).replace(/^\d{4}年|,? ?\d{4}$/g, '') : clock(x * 1000))),
          },
          { ...axis, size: 46 },
        ],
        series: [
          { label: t('chart.time'), value: (_u, s) => (s === null || s === undefined ? '–' : dayAndClock(s * 1000)) },
          ...lines.map((l, i) => ({
            label: l.name,
            stroke: LINE_COLOURS[i % LINE_COLOURS.length] as string,
            dash: LINE_DASHES[i % LINE_DASHES.length] as number[],
            width: 2,
            spanGaps: false,
            points: { show: times.length < 60 },
            value: (_u: uPlot, v: number | null) => (v === null || v === undefined ? '–' : num(v, resolution)),
          })),
        ],
      },
      [times.map((x) => x / 1000), ...columns] as uPlot.AlignedData,
      el,
    );
    const observer = new ResizeObserver(() => {
      if (el.clientWidth > 0 && el.clientWidth !== chart.width) chart.setSize({ width: el.clientWidth, height: 320 });
    });
    observer.observe(el);
    return () => {
      observer.disconnect();
      chart.destroy();
    };
  }, [lines, lang.value, dark.value, from, to]);
  return (
    <div class="chart plain">
      <p class="unit">{unit}</p>
      <div ref={host} role="img" aria-label={label} />
    </div>
  );
}
