/** The map. */
import { effect } from '@preact/signals';
import { useEffect, useRef, useState } from 'preact/hooks';
import { HOUR } from '../../model/time.ts';
import { follow, loaded, onRows, table, tableVersion, watch, watched } from '../values/feed.ts';
import { nearBox } from '../values/near.ts';
import { judge, judged } from '../values/health.ts';
import { followHotspots, hotspots, stopHotspots, type Hotspot } from '../values/hotspots.ts';
import { followWind, stopWind, wind } from '../values/wind.ts';
import { t, num, words } from '../i18n/index.ts';
import { loadLand, type Land } from '../map/base.ts';
import { MapView, type Shown } from '../map/view.ts';
import { countyName, townAt, townName } from '../places/here.ts';
import type { Hit } from '../places/search.ts';
import { currentPalette, currentProperty, dataLevels, go, lang, view } from '../state/app.ts';
import { dark } from '../state/theme.ts';
import { minute } from '../state/time.ts';
import { Controls, Legend, MiniRamp, Strip } from '../ui/controls.tsx';
import { Glance, type Focus } from '../ui/glance.tsx';
import { Header } from '../ui/header.tsx';
import { Hotspots } from '../ui/hotspots.tsx';
import { List } from '../ui/list.tsx';
import { Panel } from '../ui/panel.tsx';
import { Search } from '../ui/search.tsx';
import { Tend } from '../ui/tend.tsx';
import { playRequested, Timeline } from '../ui/timeline.tsx';
import { Connection, Freshness, Ignored } from '../ui/status.tsx';

/** From this zoom on the middle of the map is a place one can speak of. */
const SPEAK_ZOOM = 9.3;

/** A map that rests so long is looked at: live values follow it. */
const WATCH_MS = 600;

const shown = (): Shown => ({
  view: view.value,
  palette: currentPalette.value,
  lang: lang.value,
  dark: dark.value,
  now: minute.value,
  hotspots: hotspots.value,
  wind: wind.value,
  judged: judged.value,
  siteWords: { indoor: t('health.indoor'), near_source: t('health.near_source') },
});

export default function MapPage() {
  const host = useRef<HTMLDivElement>(null);
  const map = useRef<MapView | null>(null);
  const [land, setLand] = useState<Land | null>(null);
  const [chosenPlace, setChosenPlace] = useState<(Focus & { zoom: number }) | null>(null);
  const [sheet, setSheet] = useState<'none' | 'legend' | 'list'>('none');
  const [hover, setHover] = useState<{ row: number; x: number; y: number } | null>(null);
  const [notice, setNotice] = useState('');
  const v = view.value;

  useEffect(() => {
    let watchTimer: ReturnType<typeof setTimeout> | undefined;
    const m = new MapView(host.current as HTMLElement, table, shown(), {
      moved: (lat, lon, zoom, byUser) => {
        if (byUser)
          setChosenPlace((p) => (p && (Math.abs(p.lat - lat) > 0.05 || Math.abs(p.lon - lon) > 0.05) ? null : p));
        go({ lat, lon, zoom: Math.round(zoom * 100) / 100 }, false);
        clearTimeout(watchTimer);
        watchTimer = setTimeout(() => {
          const { clientWidth, clientHeight } = m.map.getContainer();
          watch(nearBox({ lat, lon, zoom }, clientWidth, clientHeight, watched()));
        }, WATCH_MS);
      },
      picked: (row) => go({ box: table.ids[row] ?? '' }),
      hovered: (row, x, y) => setHover((h) => (row < 0 ? null : h?.row === row ? h : { row, x, y })),
    });
    map.current = m;
    let brought = '';
    let fitted = false;
    // Tests and the bench ask the page itself whether it has drawn.
    Object.assign(window, { lamppostMap: m });
    const stops = [
      onRows((rows) => m.changed(rows)),
      effect(() => follow(view.value.property, dataLevels.value)),
      effect(() => {
        const s = shown();
        const c = m.map.getCenter();
        // The back button and links move the map; the map's own moves are already there.
        if (
          Math.abs(c.lat - s.view.lat) > 1e-4 ||
          Math.abs(c.lng - s.view.lon) > 1e-4 ||
          Math.abs(m.map.getZoom() - s.view.zoom) > 0.02
        ) {
          if (!m.map.isMoving()) m.map.jumpTo({ center: [s.view.lon, s.view.lat], zoom: s.view.zoom });
        }
        m.show(s);
      }),
      effect(() => {
        void tableVersion.value;
        const row = table.row(view.value.box);
        m.choose(row);
        if (row >= 0 && brought !== view.value.box) m.bringIntoSight(row);
        brought = row >= 0 || view.value.box === '' ? view.value.box : brought;
      }),
    ];
    // Without a place in the address the map opens where the boxes are.
    if (!/[?&](at|box)=/.test(location.search))
      stops.push(
        effect(() => {
          if (!loaded.value || fitted) return;
          fitted = true;
          m.fitNetwork();
        }),
      );
    loadLand().then(setLand, () => undefined);
    return () => {
      for (const stop of stops) stop();
      clearTimeout(watchTimer);
      m.close();
    };
  }, []);

  // Hot spots are looked for where they are shown: in their layer, and in every playback.
  const spotsWanted = (v.layer === 'hotspots' || v.time !== null) && v.property === 'pm25';
  useEffect(() => {
    if (spotsWanted) followHotspots(v.level === 'raw' ? 'raw' : 'corrected', v.time);
    else stopHotspots();
  }, [spotsWanted, v.level, v.time]);
  useEffect(() => {
    if (v.layer !== 'health') return;
    const { clientWidth, clientHeight } = map.current?.map.getContainer() ?? { clientWidth: 0, clientHeight: 0 };
    void judge(v, clientWidth, clientHeight);
  }, [v.layer, v.lat, v.lon, v.zoom]);
  // Wind is of now: over the past it would mislead.
  const windWanted = v.layer === 'hotspots' && v.time === null;
  useEffect(() => {
    if (!windWanted) return undefined;
    followWind();
    return stopWind;
  }, [windWanted]);
  const showSpot = (h: Hotspot, time: number | null): void => {
    const place = (time === null ? h.path.at(-1) : h.path.find((p) => p.time >= time)) ?? h.path[0];
    go({ time, layer: 'hotspots' });
    map.current?.fly(place.lat, place.lon, Math.max(11, Math.min(13, v.zoom)));
  };
  const playSpot = (h: Hotspot): void => {
    // From before it was there until it is gone, as far as whole hours have been.
    showSpot(h, h.start - HOUR);
    playRequested.value = { until: Math.min(h.end, Math.floor(Date.now() / HOUR - 1) * HOUR) + HOUR };
  };

  const nameOf = (lat: number, lon: number): string => {
    const i = land ? townAt(land.towns, lat, lon) : -1;
    const p = land?.towns.features[i]?.properties;
    return p ? (lang.value === 'en' ? townName(p, 'en') : `${countyName(p, 'zh-TW')}${townName(p, 'zh-TW')}`) : '';
  };
  const focus: Focus | null =
    chosenPlace ??
    (v.zoom >= SPEAK_ZOOM ? { lat: v.lat, lon: v.lon, name: nameOf(v.lat, v.lon) || t('glance.centre') } : null);

  const goTo = (hit: Hit): void => {
    setChosenPlace(
      hit.kind === 'box'
        ? null
        : {
            lat: hit.lat,
            lon: hit.lon,
            name: lang.value === 'en' ? hit.name : hit.kind === 'county' ? hit.name : hit.within.slice(0, 3) + hit.name,
            zoom: hit.zoom,
          },
    );
    if (hit.box !== '') go({ box: hit.box });
    map.current?.fly(hit.lat, hit.lon, hit.zoom);
  };
  const locate = (): void => {
    navigator.geolocation.getCurrentPosition(
      ({ coords }) => {
        setNotice('');
        if (coords.latitude < 21 || coords.latitude > 27 || coords.longitude < 117 || coords.longitude > 123)
          setNotice(t('position.outside'));
        map.current?.labels.me({ lat: coords.latitude, lon: coords.longitude });
        setChosenPlace({ lat: coords.latitude, lon: coords.longitude, name: t('position.me'), zoom: 13 });
        map.current?.fly(coords.latitude, coords.longitude, 13);
      },
      () => setNotice(t('position.denied')),
      { maximumAge: 300_000, timeout: 15_000 },
    );
  };
  const closePanel = (): void => {
    go({ box: '' });
    map.current?.map.getCanvas().focus();
  };
  const row = table.row(v.box);
  const hovered = hover && hover.row < table.length ? map.current?.describe(hover.row) : undefined;
  const p = currentProperty.value;
  return (
    <>
      <Header />
      <main id="main" class={`mapscreen${v.box === '' ? '' : ' with-panel'}`} tabIndex={-1}>
        <div ref={host} class="map" data-loaded={loaded.value ? 'yes' : 'no'} />
        <div class="dock">
          <Search onPlace={goTo} onPosition={locate} />
          <Connection />
          {notice !== '' && (
            <div class="banner" role="status">
              {notice}
            </div>
          )}
          <Ignored />
          <Glance
            focus={focus}
            brief={v.layer === 'hotspots' || v.layer === 'health'}
            onBoxes={() => setSheet('list')}
          />
          {v.layer === 'health' && (
            <Tend inSight={() => map.current?.rowsInSight() ?? []} onPick={(id) => go({ box: id })} />
          )}
          {v.layer === 'hotspots' && <Hotspots nameOf={nameOf} onShow={showSpot} onPlay={playSpot} />}
          <section class={`card tools${sheet === 'legend' ? ' open' : ''}`} aria-label={t('controls.title')}>
            <Controls />
            <Legend />
          </section>
          <Freshness />
        </div>
        <div class="foot-tools">
          <Strip />
          {v.compare.length > 0 && (
            <a class="timebutton" href={`/compare?ids=${v.compare.join(',')}&p=${v.property}&lang=${lang.value}`}>
              {t('compare.open', { n: v.compare.length })}
            </a>
          )}
          <Timeline inSight={() => map.current?.rowsInSight() ?? []} />
        </div>
        <div class="bar">
          <button
            type="button"
            onClick={() => setSheet(sheet === 'legend' ? 'none' : 'legend')}
            aria-expanded={sheet === 'legend'}
          >
            {sheet === 'legend' ? t('legend.close') : t('legend.open')}
          </button>
          <MiniRamp />
        </div>
        <button
          type="button"
          class="listbutton"
          onClick={() => setSheet(sheet === 'list' ? 'none' : 'list')}
          aria-expanded={sheet === 'list'}
        >
          {t('list.open')}
        </button>
        {sheet === 'list' && (
          <List
            lat={focus?.lat ?? v.lat}
            lon={focus?.lon ?? v.lon}
            onPick={(id) => go({ box: id })}
            onClose={() => setSheet('none')}
          />
        )}
        {hover && hovered && (
          <div class="tip" style={{ left: `${hover.x}px`, top: `${hover.y}px` }} aria-hidden="true">
            <bdi>{table.names[hover.row] || table.ids[hover.row]}</bdi>
            <b>
              {hovered.status === 'ok' || hovered.status === 'suspect'
                ? `${num(hovered.value, p.resolution)} ${p.unitLabel}`
                : t(`status.${hovered.status}`)}
            </b>
            {hovered.status === 'suspect' && (
              <small>{words({ zh: t('status.suspect'), en: t('status.suspect') })}</small>
            )}
          </div>
        )}
        {v.box !== '' && (
          <Panel
            id={v.box}
            place={row >= 0 ? nameOf(table.lat[row] as number, table.lon[row] as number) : ''}
            onClose={closePanel}
          />
        )}
      </main>
    </>
  );
}
