/** The chart of a box over a span that can be chosen, with its summary and table. */
import { useEffect, useMemo, useState } from 'preact/hooks';
import { property, type PropertyKey } from '../../model/properties.ts';
import { DAY } from '../../model/time.ts';
import { observations, observationsUrl, type Observation, type Span } from '../values/api.ts';
import { beside, type Beside } from '../values/beside.ts';
import { loaded, table } from '../values/feed.ts';
import { series, summary } from '../values/series.ts';
import { dayAndClock, distance, num, t, words, type Key } from '../i18n/index.ts';
import { Chart, type ChartLine } from './chart.tsx';
import { reasonWords } from './why.tsx';

const SPANS = {
  '24h': { ms: DAY, interval: '' },
  '7d': { ms: 7 * DAY, interval: 'PT1H' },
  '30d': { ms: 30 * DAY, interval: 'PT3H' },
  '1y': { ms: 365 * DAY, interval: 'P1D' },
} as const;
type SpanKey = keyof typeof SPANS;

export interface HistoryProps {
  readonly id: string;
  readonly property: PropertyKey;
  readonly now: number;
  /** A reference station has no corrected values: its own are the line. */
  readonly station?: boolean;
  readonly height?: number;
  readonly bare?: boolean;
}

export function History({ id, property: key, now, height, station = false, bare = false }: HistoryProps) {
  const [span, setSpan] = useState<SpanKey>('24h');
  const [data, setData] = useState<{ corrected: Observation[]; raw: Observation[] } | 'failed' | null>(null);
  const [attempt, setAttempt] = useState(0);
  // Whole minutes: a chart that asks anew every second would never be answered from a cache.
  const to = Math.ceil(now / 60_000) * 60_000;
  const chosen: Span = { from: to - SPANS[span].ms, to, interval: SPANS[span].interval };
  const stamp = Math.floor(to / 300_000);
  useEffect(() => {
    const abort = new AbortController();
    Promise.all([
      station ? [] : observations(id, key, 'corrected', chosen, abort.signal),
      observations(id, key, 'raw', chosen, abort.signal),
    ])
      .then(([corrected, raw]) => setData({ corrected, raw }))
      .catch((error: unknown) => {
        if (!abort.signal.aborted) setData('failed');
        else if (!(error instanceof DOMException)) throw error;
      });
    return () => abort.abort();
  }, [id, key, span, stamp, attempt, station]);
  const compared = useBeside(id, key, chosen, `${span} ${stamp}`, !bare);
  const [shown, setShown] = useState({ station: true, boxes: true });
  const others = useMemo(
    () =>
      compared
        .filter((c) => shown[c.kind])
        .map((c): ChartLine => ({
          label: t(`chart.beside.${c.kind}.short`),
          time: c.time.map((x) => x / 1000),
          value: c.value,
          ...BESIDE[c.kind],
        })),
    [compared, shown],
  );
  const p = property(key);
  return (
    <section class="history">
      {!bare && (
        <fieldset class="segments small-segments">
          <legend class="hidden">{t('chart.range')}</legend>
          {(Object.keys(SPANS) as SpanKey[]).map((s) => (
            <label key={s}>
              <input type="radio" name={`span-${id}`} checked={span === s} onChange={() => setSpan(s)} />
              <span>{t(`chart.${s}` as Key)}</span>
            </label>
          ))}
        </fieldset>
      )}
      {data === null && <div class="chart empty">{t('panel.loading')}</div>}
      {data === 'failed' && (
        <div class="chart empty">
          {t('panel.failed')}{' '}
          <button type="button" class="link" onClick={() => setAttempt((n) => n + 1)}>
            {t('panel.again')}
          </button>
        </div>
      )}
      {data !== null && data !== 'failed' && (
        <Drawn
          data={data}
          station={station}
          p={p}
          others={others}
          span={chosen}
          title={t('chart.title', { property: words(p.name), range: t(`chart.${span}` as Key) })}
          {...(height === undefined ? {} : { height })}
        />
      )}
      {compared.length > 0 && (
        <fieldset class="checks beside">
          <legend>{t('chart.beside')}</legend>
          {compared.map((c) => (
            <label key={c.kind}>
              <input
                type="checkbox"
                checked={shown[c.kind]}
                onChange={(e) => setShown({ ...shown, [c.kind]: e.currentTarget.checked })}
              />
              <span>{besideLabel(c)}</span>
            </label>
          ))}
        </fieldset>
      )}
      {!bare && (
        <p class="small links">
          <a href={observationsUrl(id, key, 'corrected', chosen, 'csv')}>
            {t('panel.download', { level: t('level.corrected') })}
          </a>{' '}
          <a href={observationsUrl(id, key, 'raw', chosen, 'csv')}>{t('panel.download', { level: t('level.raw') })}</a>
        </p>
      )}
    </section>
  );
}

const BESIDE = {
  station: { colour: '--station', dash: [] as number[] },
  boxes: { colour: '--beside', dash: [7, 4] },
};

const besideLabel = (c: Beside): string =>
  c.kind === 'station'
    ? t('chart.beside.station', { name: c.name, distance: distance(c.distanceM) })
    : t('chart.beside.boxes', { n: c.count, distance: distance(c.distanceM) });

const NONE: readonly Beside[] = [];
/** Once the table knows who stands round this box. */
function useBeside(id: string, key: PropertyKey, span: Span, stamp: string, wanted: boolean): readonly Beside[] {
  const of = `${id} ${key} ${stamp}`;
  const [found, setFound] = useState<{ of: string; list: readonly Beside[] }>({ of: '', list: NONE });
  useEffect(() => {
    if (!wanted || !loaded.value) return undefined;
    const abort = new AbortController();
    beside(table, id, key, span, abort.signal)
      .then((list) => {
        if (!abort.signal.aborted) setFound({ of, list });
        return undefined;
      })
      .catch(() => undefined); // The box's own line stands alone.
    return () => abort.abort();
  }, [of, wanted, loaded.value]);
  return found.of === of ? found.list : NONE;
}

function Drawn({
  data,
  others,
  station,
  p,
  span,
  title,
  height,
}: {
  data: { corrected: Observation[]; raw: Observation[] };
  others: readonly ChartLine[];
  station: boolean;
  p: ReturnType<typeof property>;
  span: Span;
  title: string;
  height?: number;
}) {
  const drawn = useMemo(() => (station ? series(data.raw, []) : series(data.corrected, data.raw)), [data, station]);
  const s = summary(data.corrected.some((o) => o.value !== null) ? data.corrected : data.raw);
  const value = (x: number): string => num(x, p.resolution);
  if (data.corrected.length === 0 && data.raw.length === 0) return <div class="chart empty">{t('chart.none')}</div>;
  const list = data.corrected.length > 0 ? data.corrected : data.raw;
  const first = list.find((o) => o.value !== null);
  const said =
    s.n === 0
      ? t('chart.flaggedonly')
      : s.n === 1 && first
        ? t('chart.one', { value: value(first.value as number), unit: p.unitLabel, time: dayAndClock(first.time) })
        : t('chart.summary', { n: s.n, min: value(s.min), max: value(s.max), mean: value(s.mean), unit: p.unitLabel });
  const shown = list.slice(-200).reverse();

  return (
    <>
      <Chart
        series={drawn}
        main={t(station ? 'chart.measured' : 'chart.corrected')}
        unit={p.unitLabel}
        others={others}
        resolution={p.resolution}
        label={`${title}. ${said}`}
        from={span.from}
        to={span.to}
        {...(height === undefined ? {} : { height })}
      />
      <p class="small">{said}</p>
      <details class="astable">
        <summary>{t('chart.table')}</summary>
        <div class="scroll" tabIndex={0} role="region" aria-label={title}>
          <table>
            <thead>
              <tr>
                <th scope="col">{t('chart.time')}</th>
                <th scope="col">{p.unitLabel || t('list.value')}</th>
                <th scope="col">{t('chart.band')}</th>
                <th scope="col">{t('chart.reasons')}</th>
              </tr>
            </thead>
            <tbody>
              {shown.map((o) => (
                <tr key={o.time}>
                  <th scope="row">{dayAndClock(o.time)}</th>
                  <td>{o.value === null ? '–' : value(o.value)}</td>
                  <td>{o.lo90 === null || o.hi90 === null ? '–' : `${value(o.lo90)}–${value(o.hi90)}`}</td>
                  <td>{o.reasons.map(reasonWords).join(t('list.comma'))}</td>
                </tr>
              ))}
            </tbody>
          </table>
        </div>
      </details>
    </>
  );
}
