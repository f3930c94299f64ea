/** A time chart (uPlot) with the interval as a band, raw as a thin line and flagged readings as marks. */
import uPlot from 'uplot';
import 'uplot/dist/uPlot.min.css';
import { useEffect, useRef } from 'preact/hooks';
import { lang } from '../state/app.ts';
import { dark } from '../state/theme.ts';
import { clock, day, dayAndClock, num, t, TIME_ZONE } from '../i18n/index.ts';
import type { Series } from '../values/series.ts';

export interface ChartProps {
  readonly series: Series;
  readonly unit: string;
  readonly resolution: number;
  readonly label: string;
  /** What the thick line is called. */
  readonly main: string;
  readonly from: number;
  readonly to: number;
  readonly height?: number;
  readonly showRaw?: boolean;
  /** Guideline or class limit drawn as a dashed line. */
  readonly limit?: number | undefined;
  /** Further lines: neighbours, a station. Times in seconds. */
  readonly others?: readonly ChartLine[];
}

export interface ChartLine {
  readonly label: string;
  readonly time: readonly number[];
  readonly value: readonly (number | null)[];
  /** Name of a colour of `tokens.css`. */
  readonly colour: string;
  readonly dash: number[];
}

const NO_LINES: readonly ChartLine[] = [];

const css = (name: string): string => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

export function Chart({
  series,
  unit,
  resolution,
  label,
  main,
  from,
  to,
  height = 190,
  showRaw = true,
  limit,
  others = NO_LINES,
}: ChartProps) {
  const host = useRef<HTMLDivElement>(null);
  useEffect(() => {
    const el = host.current;
    if (!el) return;
    const font = '11px system-ui, sans-serif';
    const long = to - from > 3 * 86_400_000;
    const ink = css('--ink-2');
    const dots = series.time.length < 60;
    const axis = {
      stroke: ink,
      font,
      grid: { stroke: css('--line'), width: 1 },
      ticks: { stroke: css('--line'), width: 1, size: 4 },
    };
    const text = (v: number | null | undefined): string => (v === null || v === undefined ? '–' : num(v, resolution));
    const options: uPlot.Options = {
      width: el.clientWidth,
      height,
      padding: [16, 8, 0, 0],
      tzDate: (s) => uPlot.tzDate(new Date(s * 1000), TIME_ZONE),
      cursor: { points: { size: 6 }, drag: { x: false, y: false } },
      legend: { live: true },
      scales: { x: { min: from / 1000, max: to / 1000 }, y: { range: (_u, min, max) => range(min, max, limit) } },
      axes: [
        {
          ...axis,
          size: 30,
          space: long ? 60 : 48,
          values: (_u, s) => s.map((x) => (long ? day(x * 1000).replace(/^\d{4}年|,? ?\d{4}$/g, '') : clock(x * 1000))),
        },
        { ...axis, size: 44, values: (_u, s) => s.map((x) => num(x, Number.isInteger(x) ? 1 : 0.1)) },
      ],
      series: [
        { label: t('chart.time'), value: (_u, s) => (s === null || s === undefined ? '–' : dayAndClock(s * 1000)) },
        { label: '', stroke: 'transparent', points: { show: false } },
        { label: '', stroke: 'transparent', points: { show: false } },
        {
          label: t('chart.raw'),
          show: showRaw,
          stroke: css('--raw'),
          width: 1,
          dash: [3, 3],
          points: { show: false },
          value: (_u, v) => text(v),
        },
        {
          label: main,
          stroke: css('--data'),
          width: 2,
          points: { show: dots, size: 4, fill: css('--data') },
          value: (_u, v) => text(v),
        },
        {
          label: t('chart.flagged'),
          stroke: css('--flag'),
          width: 0,
          paths: () => null,
          points: { show: true, size: 7, width: 1.5, fill: css('--card'), stroke: css('--flag') },
          value: (_u, v) => text(v),
        },
        ...others.map((o): uPlot.Series => ({
          label: o.label,
          stroke: css(o.colour),
          width: 1.75,
          dash: o.dash,
          points: { show: false },
          value: (_u, v) => text(v),
        })),
      ],
      bands: [{ series: [2, 1], fill: css('--band') }],
      hooks: {
        draw: [
          (u) => {
            if (limit === undefined) return;
            const y = u.valToPos(limit, 'y', true);
            u.ctx.save();
            u.ctx.strokeStyle = css('--flag');
            u.ctx.setLineDash([6, 4]);
            u.ctx.beginPath();
            u.ctx.moveTo(u.bbox.left, y);
            u.ctx.lineTo(u.bbox.left + u.bbox.width, y);
            u.ctx.stroke();
            u.ctx.restore();
          },
        ],
      },
    };
    const own = [series.time, series.lo, series.hi, series.raw, series.corrected, series.flagged] as uPlot.AlignedData;
    // Joined, a line goes on over the times of the others and still breaks where it has a gap of its own.
    const data =
      others.length === 0
        ? own
        : uPlot.join([own, ...others.map((o) => [o.time, o.value] as unknown as uPlot.AlignedData)]);
    const chart = new uPlot(options, data, el);
    const observer = new ResizeObserver(() => {
      if (el.clientWidth > 0 && el.clientWidth !== chart.width) chart.setSize({ width: el.clientWidth, height });
    });
    observer.observe(el);
    return () => {
      observer.disconnect();
      chart.destroy();
    };
  }, [series, others, lang.value, dark.value, height, showRaw, limit, from, to]);
  return (
    <div class="chart">
      <p class="unit">{unit}</p>
      <div ref={host} role="img" aria-label={label} />
    </div>
  );
}

/** Room above and below, zero in sight where it is near, never a flat line on the frame. */
function range(min: number | null, max: number | null, limit: number | undefined): [number, number] {
  if (min === null || max === null) return [0, limit === undefined ? 1 : limit * 1.2];
  const high = Math.max(max, limit ?? max);
  const span = Math.max(high - min, Math.abs(high) * 0.1, 1);
  const low = min >= 0 && min < span * 1.5 ? 0 : min - span * 0.1;
  return [low, high + span * 0.1];
}
