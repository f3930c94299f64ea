/** The page of one box or station. */
import { useEffect, useState } from 'preact/hooks';
import { ownLevel } from '../values/api.ts';
import { Care } from '../care/index.tsx';
import { distanceM } from '../../model/geo.ts';
import { isPropertyKey, property, type PropertyKey } from '../../model/properties.ts';
import { follow, table, tableVersion } from '../values/feed.ts';
import { KIND } from '../values/table.ts';
import { distance, num, t, words } from '../i18n/index.ts';
import { loadLand, type Land } from '../map/base.ts';
import { rowView, shapeOf } from '../map/marks.ts';
import { countyName, townAt, townName } from '../places/here.ts';
import { classOf } from '../scales/scales.ts';
import { currentPalette, lang, mapHref, view } from '../state/app.ts';
import { minute } from '../state/time.ts';
import { Calendar } from '../ui/calendar.tsx';
import { Header } from '../ui/header.tsx';
import { History } from '../ui/history.tsx';
import { About, kindWords, Now, Story, useDetails } from '../ui/panel.tsx';
import { ShapeIcon } from '../ui/shape.tsx';
import type { PageProps } from './index.ts';

/** Half-width of the square round the box from which neighbours come [°]. */
const AROUND = 0.12;
const NEIGHBOURS = 6;

export default function BoxPage({ params: [id = ''] }: PageProps) {
  const { details: d, problem, retry } = useDetails(id, undefined);
  const [land, setLand] = useState<Land | null>(null);
  void tableVersion.value;
  const key = view.value.property;
  const [lat, lon] = [d?.lat ?? NaN, d?.lon ?? NaN];
  useEffect(() => {
    loadLand().then(setLand, () => undefined);
  }, []);
  useEffect(() => {
    if (Number.isNaN(lat)) return;
    follow(
      key,
      ['corrected'],
      [lon - AROUND, lat - AROUND, lon + AROUND, lat + AROUND].map((x) => x.toFixed(4)).join(','),
    );
  }, [lat, lon, key]);
  useEffect(() => {
    if (d) document.title = `${d.name || d.id} · ${t('app.name')}`;
  }, [d, lang.value]);
  const row = table.row(id);
  const town = land && d ? land.towns.features[townAt(land.towns, lat, lon)]?.properties : undefined;
  const place = town
    ? lang.value === 'en'
      ? `${townName(town, 'en')}, ${countyName(town, 'en')}`
      : `${countyName(town, 'zh-TW')}${townName(town, 'zh-TW')}`
    : '';
  const choose = (k: PropertyKey): void => {
    const url = new URL(location.href);
    url.searchParams.set('p', k);
    history.replaceState(null, '', url);
    view.value = { ...view.value, property: k };
  };
  return (
    <>
      <Header />
      <main id="main" class="text wide boxpage" tabIndex={-1}>
        {problem === 'missing' && <h1>{t('panel.notfound', { id })}</h1>}
        {problem === 'failed' && (
          <p role="alert">
            {t('panel.failed')}{' '}
            <button type="button" class="link" onClick={retry}>
              {t('panel.again')}
            </button>
          </p>
        )}
        {d && (
          <>
            <p class="kind">{[kindWords(d.kind, d.claimed, d.exposure), place].filter(Boolean).join('・')}</p>
            <h1>
              <bdi>{d.name.trim() || d.id}</bdi>
            </h1>
            <p class="actions">
              <a
                class="button"
                href={mapHref({
                  box: d.id,
                  property: key,
                  ...(d.lat !== null && d.lon !== null ? { lat: d.lat, lon: d.lon, zoom: 13 } : {}),
                })}
              >
                {t('box.back')}
              </a>
              {d.properties.filter(isPropertyKey).map((k) => (
                <button key={k} type="button" class="chip" aria-pressed={k === key} onClick={() => choose(k)}>
                  {words(property(k).name)}
                </button>
              ))}
            </p>
            <div class="columns">
              <div>
                {row >= 0 && <Now row={row} />}
                <History id={id} property={key} now={minute.value} height={260} station={d.kind === 'station'} />
                <h2>{t('box.calendar')}</h2>
                <Calendar id={id} property={key} level={ownLevel(d.kind)} />
              </div>
              <div>
                {row >= 0 && <Story row={row} />}
                <Neighbours id={id} lat={lat} lon={lon} />
                <h2>{t('panel.about')}</h2>
                <About d={d} />
                <EmbedCode id={id} property={key} />
              </div>
            </div>
            <Care box={d} onChange={retry} />
          </>
        )}
      </main>
    </>
  );
}

function Neighbours({ id, lat, lon }: { id: string; lat: number; lon: number }) {
  void tableVersion.value;
  const p = property(view.value.property);
  const pal = currentPalette.value;
  const near: { row: number; d: number }[] = [];
  for (let row = 0; row < table.length; row++) {
    if (table.ids[row] === id) continue;
    const status = rowView(table, row, 'corrected', minute.value).status;
    if (status === 'ok') near.push({ row, d: distanceM(lat, lon, table.lat[row] as number, table.lon[row] as number) });
  }
  near.sort((a, b) => a.d - b.d);
  const station = near.find((n) => table.kind[n.row] === KIND.station);
  const list = near.slice(0, NEIGHBOURS);
  if (station && !list.includes(station)) list.push(station);
  if (list.length === 0) return null;
  return (
    <section>
      <h2>{t('panel.nearest')}</h2>
      <table>
        <tbody>
          {list.map(({ row, d }) => {
            const v = rowView(table, row, 'corrected', minute.value);
            return (
              <tr key={row}>
                <th scope="row">
                  <ShapeIcon
                    shape={shapeOf(table, row, v.status)}
                    colour={pal.classes[classOf(pal, v.value)]?.color ?? ''}
                    size={15}
                  />{' '}
                  <a href={`/boxes/${table.ids[row] as string}?lang=${lang.value}&p=${view.value.property}`}>
                    <bdi>{table.names[row]?.trim() || table.ids[row]}</bdi>
                  </a>
                </th>
                <td>{distance(d)}</td>
                <td>
                  {num(v.value, p.resolution)} {p.unitLabel}
                </td>
              </tr>
            );
          })}
        </tbody>
      </table>
      <p class="small">
        <a
          href={`/compare?ids=${[id, ...list.slice(0, 4).map((n) => table.ids[n.row] as string)].join(',')}&p=${view.value.property}&lang=${lang.value}`}
        >
          {t('compare.title')}
        </a>
      </p>
    </section>
  );
}

function EmbedCode({ id, property: key }: { id: string; property: PropertyKey }) {
  const code = (kind: 'value' | 'chart', height: number): string =>
    `<iframe src="${location.origin}/embed/${kind}?box=${id}&p=${key}&lang=${lang.value}" width="360" height="${height}" style="border:0" loading="lazy" title="Lamppost ${id}"></iframe>`;
  return (
    <section class="embedcode">
      <h2>{t('box.embed')}</h2>
      <p class="small">{t('box.embed.note')}</p>
      {(
        [
          ['value', 150],
          ['chart', 300],
        ] as const
      ).map(([kind, height]) => (
        <label key={kind} class="field">
          <span>{t(`box.embed.${kind}`)}</span>
          <textarea readOnly rows={3} value={code(kind, height)} onFocus={(e) => e.currentTarget.select()} />
        </label>
      ))}
    </section>
  );
}
