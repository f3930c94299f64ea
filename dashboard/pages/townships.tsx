/** Townships ranked by the median of their boxes: now, or over the last day or week. */
import { useEffect, useState } from 'preact/hooks';
import { property, type PropertyKey } from '../../model/properties.ts';
import { HOUR } from '../../model/time.ts';
import { loadFrames } from '../values/frames.ts';
import { follow, loaded, table, tableVersion } from '../values/feed.ts';
import { num, t, words } from '../i18n/index.ts';
import { loadLand, type Land } from '../map/base.ts';
import { ENOUGH, TownIndex, type TownStat } from '../map/townstats.ts';
import { isIndoor, rowView } from '../map/marks.ts';
import { countyName, townName } from '../places/here.ts';
import { classOf, inkOn, palette } from '../scales/scales.ts';
import { currentPalette, lang, mapHref, view } from '../state/app.ts';
import { minute } from '../state/time.ts';
import { inside } from '../places/atlas.ts';
import { Page } from '../ui/page.tsx';
import { Freshness } from '../ui/status.tsx';

const PERIODS = ['now', '24h', '7d'] as const;
type Period = (typeof PERIODS)[number];
const HOURS: Record<Period, number> = { now: 0, '24h': 24, '7d': 168 };
/** A mean of a box counts from this share of the hours on (the rule of the Taiwanese and the US index for a day: 75 %). */
const ENOUGH_HOURS = 0.75;

/** Mean of each box over its hours, NaN where too many are missing; null while it is loaded. */
function useMeans(key: PropertyKey, period: Period): Float32Array | 'failed' | null {
  const [found, setFound] = useState<{ of: string; means: Float32Array | 'failed' } | null>(null);
  const of = `${key} ${period}`;
  useEffect(() => {
    if (period === 'now' || !loaded.value) return undefined;
    const abort = new AbortController();
    const to = Math.floor(Date.now() / HOUR) * HOUR;
    loadFrames(table, key, 'corrected', to - HOURS[period] * HOUR, to, () => [], abort.signal)
      .then((frames) => {
        const means = new Float32Array(table.length).fill(NaN);
        for (let row = 0; row < table.length; row++) {
          const hours = frames.byId.get(table.ids[row] as string)?.filter((v) => !Number.isNaN(v));
          if (!hours || hours.length < ENOUGH_HOURS * HOURS[period] || isIndoor(table, row)) continue;
          means[row] = hours.reduce((a, b) => a + b, 0) / hours.length;
        }
        setFound({ of, means });
        return undefined;
      })
      .catch(() => {
        if (!abort.signal.aborted) setFound({ of, means: 'failed' });
      });
    return () => abort.abort();
  }, [of, loaded.value]);
  return found?.of === of ? found.means : null;
}

const KEYS: readonly PropertyKey[] = ['pm25', 'pm10', 'temperature', 'humidity'];

export default function TownshipsPage() {
  void tableVersion.value;
  const [land, setLand] = useState<{ land: Land; index: TownIndex } | null>(null);
  const [county, setCounty] = useState('');
  const [worst, setWorst] = useState(true);
  const [period, setPeriod] = useState<Period>('now');
  const key = view.value.property;
  useEffect(() => {
    loadLand().then(
      (l) => setLand({ land: l, index: new TownIndex(l.towns) }),
      () => undefined,
    );
  }, []);
  useEffect(() => follow(key, ['corrected']), [key]);
  const means = useMeans(key, period);
  let stats: TownStat[] = [];
  const valueOf = (row: number): number =>
    period === 'now'
      ? rowView(table, row, 'corrected', minute.value).value
      : typeof means === 'object' && means
        ? (means[row] ?? NaN)
        : NaN;
  if (land && loaded.value) {
    land.index.advance(table, Infinity);
    stats = period === 'now' ? land.index.stats(table, 'corrected', minute.value) : land.index.statsOf(table, valueOf);
  }
  const p = property(key);
  const pal = currentPalette.value;
  const who = palette('who', key, false, false);
  const limit = who.scale.id === 'who' ? who.classes[0]?.to : undefined;
  const of = (s: TownStat) => land?.land.towns.features[s.town]?.properties;
  const counties = [...new Set(stats.map((s) => of(s)?.COUNTYNAME ?? ''))].sort((a, b) => a.localeCompare(b, 'zh-TW'));
  const shown = stats.filter((s) => county === '' || of(s)?.COUNTYNAME === county);
  const ranked = shown.filter((s) => s.n >= ENOUGH).sort((a, b) => (worst ? b.median - a.median : a.median - b.median));
  const few = shown.filter((s) => s.n < ENOUGH);
  const above = (s: TownStat): number =>
    limit === undefined ? 0 : s.rows.filter((row) => valueOf(row) > limit).length;
  const href = (s: TownStat): string => {
    const f = land?.land.towns.features[s.town];
    const [lon, lat] = f ? inside(f.geometry) : [121, 24];
    return mapHref({ lat, lon, zoom: 11.5, property: key, layer: 'towns' });
  };
  const csv = (): string => {
    const quote = (x: string): string => `"${x.replaceAll('"', '""')}"`;
    const digits = (x: number): string => x.toFixed(2);
    const lines = [...ranked, ...few].map((s) => {
      const town = of(s);
      const words = [town?.TOWNCODE, town?.COUNTYNAME, town?.TOWNNAME, town?.TOWNENG].map((x) => quote(x ?? ''));
      return [
        ...words,
        key,
        period,
        digits(s.median),
        digits(s.min),
        digits(s.max),
        s.n,
        s.stations,
        limit === undefined ? '' : above(s),
      ].join(',');
    });
    const head =
      'town_code,county,town,town_en,property,period,median,lowest,highest,sites,stations,sites_above_who_24h';
    return `data:text/csv;charset=utf-8,${encodeURIComponent(`\ufeff${head}\r\n${lines.join('\r\n')}\r\n`)}`;
  };
  const row = (s: TownStat, rank: number | null) => {
    const town = of(s);
    if (!town) return null;
    const colour = pal.classes[classOf(pal, s.median)]?.color ?? '#888888';
    return (
      <tr key={s.town}>
        <td>{rank ?? '–'}</td>
        <th scope="row">
          <a href={href(s)}>{townName(town, lang.value)}</a> <span class="small">{countyName(town, lang.value)}</span>
        </th>
        <td>
          <span class="pill" style={{ background: colour, color: inkOn(colour) }}>
            {num(s.median, p.resolution)}
          </span>
        </td>
        <td class="range">
          {num(s.min, p.resolution)}–{num(s.max, p.resolution)}
        </td>
        <td>
          {s.n}
          {s.stations > 0 && <span class="small"> {t('towns.stations', { n: s.stations })}</span>}
        </td>
        {limit !== undefined && (
          <td>
            {above(s)} / {s.n}
          </td>
        )}
      </tr>
    );
  };
  return (
    <Page title={t('towns.title')} lead={t('towns.note', { n: ENOUGH })} wide>
      <div class="row">
        <label class="field">
          <span>{t('controls.property')}</span>
          <select
            value={key}
            onChange={(e) => (view.value = { ...view.value, property: e.currentTarget.value as PropertyKey })}
          >
            {KEYS.map((k) => (
              <option key={k} value={k}>
                {words(property(k).name)}
              </option>
            ))}
          </select>
        </label>
        <label class="field">
          <span>{t('towns.county')}</span>
          <select value={county} onChange={(e) => setCounty(e.currentTarget.value)}>
            <option value="">{t('towns.all')}</option>
            {counties.map((c) => (
              <option key={c} value={c}>
                {lang.value === 'en'
                  ? (stats.map(of).find((o) => o?.COUNTYNAME === c)?.COUNTYENG ?? c)
                  : c.replaceAll('台', '臺')}
              </option>
            ))}
          </select>
        </label>
        <fieldset class="segments">
          <legend>{t('towns.period')}</legend>
          {PERIODS.map((x) => (
            <label key={x}>
              <input type="radio" name="period" checked={period === x} onChange={() => setPeriod(x)} />
              <span>{t(`towns.period.${x}`)}</span>
            </label>
          ))}
        </fieldset>
        <fieldset class="segments">
          <legend>{t('towns.sort')}</legend>
          {[true, false].map((w) => (
            <label key={String(w)}>
              <input type="radio" name="sort" checked={worst === w} onChange={() => setWorst(w)} />
              <span>{t(w ? 'towns.sort.worst' : 'towns.sort.best')}</span>
            </label>
          ))}
        </fieldset>
      </div>
      <Freshness />
      {period !== 'now' && (
        <p role="status">
          {means === null ? t('panel.loading') : means === 'failed' ? t('panel.failed') : t('towns.means')}
        </p>
      )}
      {limit !== undefined && shown.length > 0 && (
        <p class="summary">
          {t('towns.summary', {
            towns: ranked.length,
            above: ranked.filter((s) => s.median > limit).length,
            limit: `${num(limit, 1)} ${p.unitLabel}`,
            boxes: shown.reduce((n, s) => n + s.n, 0),
            boxesAbove: shown.reduce((n, s) => n + above(s), 0),
          })}{' '}
          {period === 'now' && <span class="small">{t('towns.latest')}</span>}
        </p>
      )}
      <div class="scroll" tabIndex={0} role="region" aria-label={t('towns.title')}>
        <table class="ranking">
          <thead>
            <tr>
              <th scope="col">{t('towns.rank')}</th>
              <th scope="col">{t('towns.name')}</th>
              <th scope="col">
                {t('towns.median')} {p.unitLabel}
              </th>
              <th scope="col">{t('towns.range')}</th>
              <th scope="col">{t('towns.count')}</th>
              {limit !== undefined && <th scope="col">{t('towns.above')}</th>}
            </tr>
          </thead>
          <tbody>{ranked.map((s, i) => row(s, i + 1))}</tbody>
        </table>
      </div>
      {ranked.length > 0 && (
        <p class="small">
          <a download={`townships-${key}-${period}.csv`} href={csv()}>
            {t('towns.csv')}
          </a>
        </p>
      )}
      {few.length > 0 && (
        <details>
          <summary>
            {t('towns.few')} ({few.length})
          </summary>
          <table>
            <tbody>{few.map((s) => row(s, null))}</tbody>
          </table>
        </details>
      )}
    </Page>
  );
}
