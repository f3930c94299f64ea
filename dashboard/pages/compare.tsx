/** Several boxes and stations over one another. */
import { useEffect, useMemo, useState } from 'preact/hooks';
import { isPropertyKey, property, PROPERTIES, type PropertyKey } from '../../model/properties.ts';
import { DAY, HOUR, MINUTE } from '../../model/time.ts';
import { details, observations, ownLevel, type Observation } from '../values/api.ts';
import { num, t, words, type Key } from '../i18n/index.ts';
import { BOX_ID, MAX_COMPARE } from '../state/url.ts';
import { LINE_COLOURS, LINE_DASHES, Lines } from '../ui/lines.tsx';
import { Page } from '../ui/page.tsx';

const SPANS = {
  '24h': { ms: DAY, interval: 'PT10M', step: 10 * MINUTE },
  '7d': { ms: 7 * DAY, interval: 'PT1H', step: HOUR },
  '30d': { ms: 30 * DAY, interval: 'PT3H', step: 3 * HOUR },
} as const;
type SpanKey = keyof typeof SPANS;

interface Compared {
  readonly id: string;
  readonly name: string;
  readonly station: boolean;
  /** Of one value [ms]. */
  readonly step: number;
  readonly items: readonly Observation[];
}

/** In the middle of their times; where one or more are missing the line breaks. */
function points(c: Compared): { time: number; value: number | null }[] {
  return c.items.flatMap((o, i) => {
    const point = { time: o.time + c.step / 2, value: o.value };
    const next = c.items[i + 1];
    return next && next.time - o.time > 1.5 * c.step ? [point, { time: point.time + c.step, value: null }] : [point];
  });
}

const fromAddress = (): { ids: string[]; key: PropertyKey } => {
  const q = new URLSearchParams(location.search);
  const p = q.get('p') ?? '';
  return {
    ids: [...new Set((q.get('ids') ?? '').split(','))].filter((id) => BOX_ID.test(id)).slice(0, MAX_COMPARE),
    key: isPropertyKey(p) ? p : 'pm25',
  };
};

export default function ComparePage() {
  const [{ ids, key }, setAsked] = useState(fromAddress);
  const [span, setSpan] = useState<SpanKey>('24h');
  const [found, setFound] = useState<readonly Compared[] | 'failed' | null>(null);
  const { ms, interval, step } = SPANS[span];
  const to = useMemo(() => Math.ceil(Date.now() / step) * step, [span]);
  const ask = (next: { ids: string[]; key: PropertyKey }): void => {
    const url = new URL(location.href);
    url.searchParams.set('ids', next.ids.join(','));
    url.searchParams.set('p', next.key);
    history.replaceState(null, '', url);
    setAsked(next);
  };
  useEffect(() => {
    const abort = new AbortController();
    const one = async (id: string): Promise<Compared | null> => {
      try {
        const d = await details(id, undefined, abort.signal);
        const station = d.kind === 'station';
        // A station says one value an hour.
        const own = station && step < HOUR ? { interval: 'PT1H', step: HOUR } : { interval, step };
        const items = await observations(
          id,
          key,
          ownLevel(d.kind),
          { from: to - ms, to, interval: own.interval },
          abort.signal,
        );
        return { id, name: d.name.trim() || id, station, step: own.step, items };
      } catch {
        return null;
      }
    };
    Promise.all(ids.map(one))
      .then((list) => {
        if (abort.signal.aborted) return undefined;
        const good = list.filter((c) => c !== null);
        setFound(ids.length > 0 && good.length === 0 ? 'failed' : good);
        return undefined;
      })
      .catch(() => setFound('failed'));
    return () => abort.abort();
  }, [ids.join(), key, span]);
  const p = property(key);
  const list = found === null || found === 'failed' ? [] : found;
  const lines = useMemo(() => list.map((c) => ({ name: c.name, points: points(c) })), [found]);
  const value = (x: number): string => num(x, p.resolution);
  return (
    <Page title={t('compare.title')} wide>
      {ids.length === 0 && <p>{t('compare.empty', { n: MAX_COMPARE })}</p>}
      {ids.length > 0 && (
        <>
          <div class="row">
            <label class="field">
              <span>{t('controls.property')}</span>
              <select value={key} onChange={(e) => ask({ ids, key: e.currentTarget.value as PropertyKey })}>
                {PROPERTIES.map((q) => (
                  <option key={q.key} value={q.key}>
                    {words(q.name)}
                  </option>
                ))}
              </select>
            </label>
            <fieldset class="segments">
              <legend>{t('chart.range')}</legend>
              {(Object.keys(SPANS) as SpanKey[]).map((s) => (
                <label key={s}>
                  <input type="radio" name="span" checked={span === s} onChange={() => setSpan(s)} />
                  <span>{t(`chart.${s}` as Key)}</span>
                </label>
              ))}
            </fieldset>
          </div>
          {found === null && <p>{t('panel.loading')}</p>}
          {found === 'failed' && <p role="alert">{t('panel.failed')}</p>}
          {list.length > 0 && (
            <>
              <Lines
                lines={lines}
                unit={`${p.unitLabel} · ${t('level.corrected')}`}
                resolution={p.resolution}
                label={`${t('compare.title')}: ${list.map((c) => c.name).join(', ')}`}
                from={to - ms}
                to={to}
              />
              <div class="scroll" tabIndex={0} role="region" aria-label={t('compare.title')}>
                <table>
                  <thead>
                    <tr>
                      <th scope="col">{t('list.name')}</th>
                      <th scope="col">{t('compare.latest')}</th>
                      <th scope="col">{t('compare.mean')}</th>
                      <th scope="col">{t('compare.max')}</th>
                      <th scope="col">{t('compare.coverage')}</th>
                      <th scope="col">
                        <span class="hidden">{t('compare.clear')}</span>
                      </th>
                    </tr>
                  </thead>
                  <tbody>
                    {list.map((c, i) => {
                      const values = c.items.flatMap((o) => (o.value === null ? [] : [o.value]));
                      return (
                        <tr key={c.id}>
                          <th scope="row">
                            <svg width="34" height="8" aria-hidden="true">
                              <line
                                x1="0"
                                y1="4"
                                x2="34"
                                y2="4"
                                stroke={LINE_COLOURS[i]}
                                stroke-width="3"
                                stroke-dasharray={LINE_DASHES[i]?.join(' ')}
                              />
                            </svg>{' '}
                            <a href={`/boxes/${c.id}?p=${key}`}>
                              <bdi>{c.name}</bdi>
                            </a>{' '}
                            {c.station && <span class="tag">{t('legend.station')}</span>}
                          </th>
                          <td>{values.length === 0 ? '–' : value(values.at(-1) as number)}</td>
                          <td>
                            {values.length === 0 ? '–' : value(values.reduce((a, b) => a + b, 0) / values.length)}
                          </td>
                          <td>{values.length === 0 ? '–' : value(Math.max(...values))}</td>
                          <td>{Math.min(100, Math.round((100 * values.length) / (ms / c.step)))} %</td>
                          <td>
                            <button
                              type="button"
                              class="link"
                              aria-label={t('compare.remove', { name: c.name })}
                              onClick={() => ask({ ids: ids.filter((x) => x !== c.id), key })}
                            >
                              ×
                            </button>
                          </td>
                        </tr>
                      );
                    })}
                  </tbody>
                </table>
              </div>
            </>
          )}
        </>
      )}
    </Page>
  );
}
