/** Townships ranked by the median of their boxes, now. */
import { useEffect, useState } from 'preact/hooks';
import { property, type PropertyKey } from '../../model/properties.ts';
import { follow, loaded, table, tableVersion } from '../values/feed.ts';
import { num, t, words } from '../i18n/index.ts';
import { loadLand, type Land } from '../map/base.ts';
import { ENOUGH, TownIndex, type TownStat } from '../map/townstats.ts';
import { rowView } from '../map/marks.ts';
import { countyName, townName } from '../places/here.ts';
import { classOf, inkOn, palette } from '../scales/scales.ts';
import { currentPalette, lang, mapHref, view } from '../state/app.ts';
import { minute } from '../state/time.ts';
import { inside } from '../places/atlas.ts';
import { Page } from '../ui/page.tsx';
import { Freshness } from '../ui/status.tsx';

const KEYS: readonly PropertyKey[] = ['pm25', 'pm10', 'temperature', 'humidity'];

export default function TownshipsPage() {
  void tableVersion.value;
  const [land, setLand] = useState<{ land: Land; index: TownIndex } | null>(null);
  const [county, setCounty] = useState('');
  const [worst, setWorst] = useState(true);
  const key = view.value.property;
  useEffect(() => {
    loadLand().then(
      (l) => setLand({ land: l, index: new TownIndex(l.towns) }),
      () => undefined,
    );
  }, []);
  useEffect(() => follow(key, ['corrected']), [key]);
  let stats: TownStat[] = [];
  if (land && loaded.value) {
    land.index.advance(table, Infinity);
    stats = land.index.stats(table, 'corrected', minute.value);
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
    limit === undefined
      ? 0
      : s.rows.filter((row) => rowView(table, row, 'corrected', minute.value).value > limit).length;
  const href = (s: TownStat): string => {
    const f = land?.land.towns.features[s.town];
    const [lon, lat] = f ? inside(f.geometry) : [121, 24];
    return mapHref({ lat, lon, zoom: 11.5, property: key, layer: 'towns' });
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
        <td>
          {num(s.min, p.resolution)}–{num(s.max, p.resolution)}
        </td>
        <td>{s.n}</td>
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
