/** The map on the page: base map, points, labels; draws from the table and the view state, reports clicks and moves. */
import {
  Map as MapLibre,
  NavigationControl,
  ScaleControl,
  AttributionControl,
  setWorkerUrl,
  type GeoJSONSource,
} from 'maplibre-gl';
import workerUrl from 'maplibre-gl/dist/maplibre-gl-worker.mjs?worker&url';
import 'maplibre-gl/dist/maplibre-gl.css';
import places from 'virtual:towns';
import { HOUR } from '../../model/time.ts';
import { notBelowZero, t as say } from '../i18n/index.ts';
import { KIND, type BoxTable } from '../values/table.ts';
import type { Palette } from '../scales/scales.ts';
import type { ViewState } from '../state/url.ts';
import { baseStyle, DARK, LIGHT, loadLand, type Land } from './base.ts';
import { FieldLayer } from './fieldlayer.ts';
import { TownIndex, ENOUGH, type TownStat } from './townstats.ts';
import { cluster, type Clustering, type Cluster } from './clusters.ts';
import { LabelCanvas, type EventPlace, type HotspotMark, type Label } from './labels.ts';
import { LOW_SCORE, type Judged } from '../values/health.ts';
import { spotAt, type Hotspot } from '../values/hotspots.ts';
import type { Wind } from '../values/wind.ts';
import {
  colours,
  freshness,
  GREY,
  HEALTH,
  isHidden,
  rgb,
  rowView,
  SHAPE,
  shapeOf,
  statusAt,
  valueAt,
  type RowView,
} from './marks.ts';
import { ORIGIN } from './mercator.ts';
import { PointLayer, radiusAt, type PointArrays } from './points.ts';

setWorkerUrl(workerUrl);

/** More boxes than this in sight, below this zoom: they are gathered. */
const CLUSTER_ABOVE = 260;
const CLUSTER_BELOW_ZOOM = 12;
const LABELS_FROM_ZOOM = 12.2;
const MAX_LABELS = 500;
const PICK_PX = 22;
/** Beside crowds a single box and a station are large enough to carry their value. */
const ALONE_PX = 10;
const ALONE_FROM_ZOOM = 8.4;
const EVENT_CELL_PX = 80;
/** The address follows the map when it rests; browsers refuse to change it many times a second. */
const MOVED_MS = 200;
/** Medians of clusters follow live values at most this often. */
const CLUSTERS_MS = 3000;

export interface MapEvents {
  readonly moved: (lat: number, lon: number, zoom: number, byUser: boolean) => void;
  readonly picked: (row: number) => void;
  readonly hovered: (row: number, x: number, y: number) => void;
}

export interface Shown {
  readonly view: ViewState;
  readonly palette: Palette;
  readonly lang: 'zh-TW' | 'en';
  readonly dark: boolean;
  readonly now: number;
  readonly hotspots?: readonly Hotspot[];
  readonly wind?: readonly Wind[];
  readonly judged?: ReadonlyMap<string, Judged>;
  /** Words of site classes, short. */
  readonly siteWords?: Readonly<Record<'indoor' | 'near_source', string>>;
}

/** The way of a hot spot is shown this far back; one that is over for longer is not shown [ms]. */
const TRAIL_MS = 6 * HOUR;

/** What the points are painted from; everything else of a view (place, open box, minute of a playback) leaves them alone. */
const painted = ({ view: v, dark }: Shown): string =>
  [v.layer, v.property, v.level, v.scale, v.safe, v.hide.join(), v.time === null, dark].join(' ');
/** Rows painted in one go while nothing waits for them: values grow pale, nobody sees when within a second. */
const SLOW_ROWS = 8000;

/** What the map's own buttons are called; they keep the language in which the page was opened. */
const mapWords = (): Record<string, string> => ({
  'Map.Title': say('map.title'),
  'NavigationControl.ZoomIn': say('map.zoomin'),
  'NavigationControl.ZoomOut': say('map.zoomout'),
  'AttributionControl.ToggleAttribution': say('map.sources'),
});

export const formatShort = (value: number): string => {
  const a = Math.abs(value);
  const text = a >= 99.5 ? value.toFixed(0) : a >= 9.95 ? value.toFixed(0) : value.toFixed(1);
  return /^-?0(\.0)?$/.test(text) ? '0' : text.replace('-', '−');
};

const townPlace = new Map(places.filter((p) => p[0] === 'town').map((p) => [p[1], { lon: p[6], lat: p[7] + 0.012 }]));

const healthColours = Object.fromEntries(
  Object.entries(HEALTH).map(([status, colour]) => [status, rgb(colour)]),
) as Record<keyof typeof HEALTH, [number, number, number]>;

const equal = (a: Uint8Array, b: Uint8Array): boolean => a.length === b.length && a.every((x, i) => x === b[i]);

const emptyArrays = (): PointArrays => ({
  length: 0,
  position: new Float32Array(0),
  colour: new Uint8Array(0),
  mark: new Uint8Array(0),
});

export class MapView {
  readonly map: MapLibre;
  readonly points = new PointLayer('lamppost-points');
  readonly clusterPoints = new PointLayer('lamppost-clusters');
  readonly field: FieldLayer;
  readonly labels: LabelCanvas;
  #land: Land | null = null;
  #towns: TownIndex | null = null;
  #townStats: readonly TownStat[] = [];
  #areaTimer: ReturnType<typeof setTimeout> | undefined;
  readonly #table: BoxTable;
  readonly #events: MapEvents;
  #shown: Shown;
  #arrays = emptyArrays();
  #clustering: Clustering | null = null;
  #clusterKey = '';
  #frame = 0;
  #labelFrame = 0;
  #pending: Set<number> | 'all' | null = null;
  #ready = false;
  #byUser = false;
  #movedTimer: ReturnType<typeof setTimeout> | undefined;
  #clusterTimer: ReturnType<typeof setTimeout> | undefined;
  #slowTimer: ReturnType<typeof setTimeout> | undefined;
  /** Milliseconds after navigation at which coloured points were first on the screen; 0 = not yet. */
  firstDrawn = 0;
  readonly #whenReady: (() => void)[] = [];

  constructor(container: HTMLElement, table: BoxTable, shown: Shown, events: MapEvents, interactive = true) {
    this.#table = table;
    this.#events = events;
    this.#shown = shown;
    const custom = document.querySelector<HTMLMetaElement>('meta[name="lamppost-map-style"]')?.content ?? '';
    const external = /^https?:\/\//.test(custom);
    this.map = new MapLibre({
      container,
      style: external ? custom : baseStyle(shown.dark ? DARK : LIGHT, shown.lang),
      center: [shown.view.lon, shown.view.lat],
      zoom: shown.view.zoom,
      minZoom: 5,
      maxZoom: 18,
      pitchWithRotate: false,
      dragRotate: false,
      touchPitch: false,
      maxPitch: 0,
      renderWorldCopies: false,
      attributionControl: false,
      fadeDuration: 0,
      interactive,
      locale: mapWords(),
    });
    this.map.touchZoomRotate.disableRotation();
    this.map.keyboard.disableRotation();
    this.map.addControl(new AttributionControl({ compact: true }), 'bottom-right');
    if (interactive) {
      this.map.addControl(new NavigationControl({ showCompass: false }), 'bottom-right');
      this.map.addControl(new ScaleControl({ maxWidth: 90 }), 'bottom-right');
    }
    this.field = new FieldLayer(this.map);
    this.labels = new LabelCanvas(this.map);
    // The drawing is not kept between frames; paper gets one of its own.
    addEventListener('beforeprint', this.#print);
    // Not `load`: that waits for every tile and label, the boxes need not.
    this.map.once('style.load', () => this.#attach(!external));
    this.map.on('movestart', (e) => {
      this.#byUser = 'originalEvent' in e && e.originalEvent !== undefined;
    });
    this.map.on('moveend', () => {
      this.#recluster();
      this.#relabel();
      this.#areas();
      clearTimeout(this.#movedTimer);
      this.#movedTimer = setTimeout(() => {
        const c = this.map.getCenter();
        events.moved(c.lat, c.lng, this.map.getZoom(), this.#byUser);
      }, MOVED_MS);
    });
    this.map.on('render', () => {
      if (this.firstDrawn === 0 && this.#arrays.length > 0 && this.#ready) this.firstDrawn = performance.now();
    });
    this.map.on('zoom', () => this.#recluster());
    this.map.on('click', (e) => this.#click(e.point.x, e.point.y));
    let hover = 0;
    this.map.on('mousemove', (e) => {
      cancelAnimationFrame(hover);
      hover = requestAnimationFrame(() => {
        const row = this.pick(e.point.x, e.point.y);
        this.map.getCanvas().style.cursor = row >= 0 || this.#pickCluster(e.point.x, e.point.y) ? 'pointer' : '';
        events.hovered(row, e.point.x, e.point.y);
      });
    });
    this.map.on('mouseout', () => events.hovered(-1, 0, 0));
  }

  #attach(builtIn: boolean): void {
    this.map.addLayer(this.field.points, this.map.getLayer('shore') ? 'shore' : undefined);
    this.map.addLayer(this.points);
    this.map.addLayer(this.clusterPoints);
    this.#ready = true;
    this.redraw();
    for (const f of this.#whenReady) f();
    if (!builtIn) return;
    void this.#drawLand();
  }

  async #drawLand(): Promise<void> {
    const set = (id: string, data: GeoJSON.GeoJSON): void => void this.map.getSource<GeoJSONSource>(id)?.setData(data);
    try {
      const land = await loadLand();
      this.#land = land;
      this.#towns = new TownIndex(land.towns);
      this.#areas();
      set('nation', land.nation);
      set('county-lines', { type: 'Feature', properties: {}, geometry: land.countyLines });
      set('town-lines', { type: 'Feature', properties: {}, geometry: land.townLines });
    } catch {
      return; // The points are worth showing without land; the next page load tries again.
    }
  }

  readonly #print = (): void => {
    this.map.resize();
    this.map.redraw();
  };

  /** Runs `f` once layers can be added. */
  ready(f: () => void): void {
    if (this.#ready) f();
    else this.#whenReady.push(f);
  }

  show(shown: Shown): void {
    const old = this.#shown;
    this.#shown = shown;
    if (old.dark !== shown.dark || old.lang !== shown.lang) this.#restyle();
    if (painted(old) !== painted(shown) || old.judged !== shown.judged) this.redraw();
    else {
      if (old.now !== shown.now) this.#repaintSlowly();
      if (old.view.time !== shown.view.time || old.hotspots !== shown.hotspots || old.wind !== shown.wind)
        this.#relabel();
    }
  }

  /** All rows, a few thousand a task, so that no frame waits for a hundred thousand boxes. */
  #repaintSlowly(): void {
    clearTimeout(this.#slowTimer);
    const step = (from: number): void => {
      const to = Math.min(this.#arrays.length, from + SLOW_ROWS);
      const paint = this.#painter();
      for (let row = from; row < to; row++) paint(row);
      this.points.touchRun(from, to);
      if (to < this.#arrays.length) this.#slowTimer = setTimeout(step, 30, to);
      else if (this.#clustering) this.#reclusterLater();
      else this.#relabel();
    };
    step(0);
  }

  #restyle(): void {
    const c = this.#shown.dark ? DARK : LIGHT;
    for (const layer of baseStyle(c, this.#shown.lang).layers) {
      if (!this.map.getLayer(layer.id)) continue;
      for (const [key, value] of Object.entries(layer.paint ?? {}))
        this.map.setPaintProperty(layer.id, key as 'line-color', value as string);
      if (layer.type === 'symbol') this.map.setLayoutProperty(layer.id, 'text-field', layer.layout?.['text-field']);
    }
  }

  /** Some rows changed; drawn with the next frame. */
  changed(rows: Int32Array | null): void {
    if (rows === null || this.#pending === 'all') this.#pending = 'all';
    else {
      this.#pending ??= new Set();
      for (const row of rows) this.#pending.add(row);
    }
    this.#frame ||= requestAnimationFrame(() => {
      this.#frame = 0;
      const pending = this.#pending;
      this.#pending = null;
      if (pending === 'all' || this.#table.length !== this.#arrays.length) this.redraw();
      else if (pending) {
        const list = Int32Array.from(pending);
        const paint = this.#painter();
        for (const row of list) paint(row);
        this.points.touch(list);
        if (this.#clustering) this.#reclusterLater();
        this.#relabel();
        this.#areas(3000);
      }
    });
  }

  redraw(): void {
    const t = this.#table;
    if (this.#arrays.position.length < t.length * 2) {
      const capacity = Math.max(1024, Math.ceil(t.length * 1.5));
      this.#arrays = {
        length: 0,
        position: new Float32Array(capacity * 2),
        colour: new Uint8Array(capacity * 4),
        mark: new Uint8Array(capacity * 4),
      };
    }
    const { position } = this.#arrays;
    for (let row = this.#arrays.length; row < t.length; row++) {
      position[row * 2] = t.x[row] as number;
      position[row * 2 + 1] = t.y[row] as number;
    }
    this.#arrays = { ...this.#arrays, length: t.length };
    this.#clusterKey = '';
    this.#recluster(false);
    const paint = this.#painter();
    for (let row = 0; row < t.length; row++) paint(row);
    this.points.ink = this.#shown.dark ? [0.93, 0.95, 0.96] : [0.09, 0.14, 0.18];
    this.points.paper = this.#shown.dark ? [0.1, 0.15, 0.19] : [1, 0.99, 0.96];
    this.clusterPoints.paper = this.points.paper;
    this.points.set(this.#arrays);
    this.#relabel();
    this.#areas();
  }

  /** Field and townships follow the values, but not with every one of them. */
  #areas(delayMs = 120): void {
    if (!this.#ready || this.#areaTimer !== undefined) return;
    this.#areaTimer = setTimeout(() => {
      this.#areaTimer = undefined;
      const { view, palette, now } = this.#shown;
      const at = view.time ?? now;
      if (view.layer === 'field') this.field.update(this.#table, view.level, palette, at);
      else if (this.field.drawn > 0) this.field.clear();
      this.#drawTowns(view.layer === 'towns', at);
    }, delayMs);
  }

  #drawTowns(wanted: boolean, at: number): void {
    const id = 'town-values';
    if (!wanted) {
      this.#townStats = [];
      if (this.map.getLayer(id)) this.map.setLayoutProperty(id, 'visibility', 'none');
      return;
    }
    if (!this.#land || !this.#towns) return;
    if (!this.#towns.advance(this.#table, 4000)) this.#areas(0);
    this.#townStats = this.#towns.stats(this.#table, this.#shown.view.level, at);
    const ramp = colours(this.#shown.palette);
    const towns = this.#land.towns;
    const data = {
      type: 'FeatureCollection' as const,
      features: this.#townStats.flatMap((s) => {
        const f = towns.features[s.town];
        return f
          ? [
              {
                type: 'Feature' as const,
                geometry: f.geometry,
                properties: { colour: `rgb(${ramp.of(s.median).join()})`, opacity: s.n < ENOUGH ? 0.3 : 0.78 },
              },
            ]
          : [];
      }),
    };
    const source = this.map.getSource<GeoJSONSource>(id);
    if (source) void source.setData(data);
    else {
      this.map.addSource(id, { type: 'geojson', data });
      this.map.addLayer(
        {
          id,
          type: 'fill',
          source: id,
          paint: { 'fill-color': ['get', 'colour'], 'fill-opacity': ['get', 'opacity'] },
        },
        this.map.getLayer('shore') ? 'shore' : undefined,
      );
    }
    this.map.setLayoutProperty(id, 'visibility', 'visible');
    this.#relabel();
  }

  #painter(): (row: number) => void {
    const t = this.#table;
    const { view, palette, now, judged } = this.#shown;
    const at = view.time ?? now;
    const ramp = colours(palette);
    const { colour, mark } = this.#arrays;
    const inside = this.#clustering?.inside;
    const alone = inside && this.map.getZoom() >= ALONE_FROM_ZOOM ? ALONE_PX * 8 : 0;
    const health = view.layer === 'health';
    const stationsOnly = view.layer === 'stations';
    const noBoxes = (view.layer === 'towns' || view.layer === 'field') && this.map.getZoom() < 11;
    const times = t.levels[view.level === 'raw' ? 'raw' : 'corrected'].time;
    return (row) => {
      if (inside?.[row] === 1) {
        mark[row * 4 + 3] = 0;
        return;
      }
      const value = valueAt(t, row, view.level);
      const status = statusAt(t, row, view.level, at, value);
      const station = t.kind[row] === KIND.station;
      const shape = shapeOf(t, row, status);
      const grey = status !== 'ok' && status !== 'suspect';
      const low = health && status === 'ok' && (judged?.get(t.ids[row] as string)?.score ?? 100) < LOW_SCORE;
      const [r, g, b] = low ? healthColours.suspect : health ? healthColours[status] : grey ? GREY : ramp.of(value);
      const hidden =
        (!health && isHidden(t, row, status, view.hide)) || (stationsOnly && !station) || (noBoxes && !station);
      colour[row * 4] = r;
      colour[row * 4 + 1] = g;
      colour[row * 4 + 2] = b;
      colour[row * 4 + 3] = Math.round(255 * (grey ? 0.75 : freshness(t, row, times[row] as number, at)));
      mark[row * 4] = SHAPE[low && shape === 'circle' ? 'triangle' : shape];
      mark[row * 4 + 1] = t.claimed[row] === 0 ? 1 : 0;
      mark[row * 4 + 2] = grey ? 0 : alone;
      mark[row * 4 + 3] = hidden ? 0 : station ? 3 : grey ? 1 : 2;
    };
  }

  /** Rows in sight, with a margin; the table is scanned, which takes a third of a millisecond for 100,000 rows. */
  rowsInSight(marginPx = 0): number[] {
    const t = this.#table;
    const { clientWidth: w, clientHeight: h } = this.map.getContainer();
    const sw = this.map.unproject([-marginPx, h + marginPx]);
    const ne = this.map.unproject([w + marginPx, -marginPx]);
    const found: number[] = [];
    for (let row = 0; row < t.length; row++) {
      const lon = t.lon[row] as number;
      const lat = t.lat[row] as number;
      if (lon >= sw.lng && lon <= ne.lng && lat >= sw.lat && lat <= ne.lat) found.push(row);
    }
    return found;
  }

  /** @param repaint false where the caller paints every row anyway */
  #recluster(repaint = true): void {
    if (!this.#ready) return;
    const { view, now } = this.#shown;
    const zoom = Math.floor(this.map.getZoom() * 2) / 2;
    const wanted =
      (view.layer === 'boxes' || view.layer === 'hotspots') &&
      zoom < CLUSTER_BELOW_ZOOM &&
      this.rowsInSight().length > CLUSTER_ABOVE;
    const area = (view.layer === 'towns' || view.layer === 'field') && this.map.getZoom() < 11;
    const key = wanted ? `${zoom}` : area ? 'area' : 'none';
    if (key === this.#clusterKey) return;
    const before = this.#clustering;
    this.#clusterKey = key;
    this.#clustering = wanted ? cluster(this.#table, zoom, view.level, view.hide, view.time ?? now) : null;
    if (this.#clustering) {
      const free = this.#besideStations(this.#clustering.clusters);
      this.#clustering = { ...this.#clustering, clusters: free };
    }
    this.#drawClusters(this.#clustering?.clusters ?? []);
    // New medians of the same crowds: no point changes.
    if (!repaint || (before && this.#clustering && equal(before.inside, this.#clustering.inside))) return;
    if (before || this.#clustering || view.layer === 'towns' || view.layer === 'field') {
      const paint = this.#painter();
      for (let row = 0; row < this.#arrays.length; row++) paint(row);
      this.points.set(this.#arrays);
    }
  }

  /** Crowds that would lie on a reference station step aside: both are to be read. */
  #besideStations(list: readonly Cluster[]): Cluster[] {
    const t = this.#table;
    const world = 512 * 2 ** this.map.getZoom();
    const stations: number[] = [];
    for (let row = 0; row < t.length; row++) if (t.kind[row] === KIND.station) stations.push(row);
    return list.map((c) => {
      let { x, y } = c;
      for (const row of stations) {
        const dx = (x - (t.x[row] as number)) * world;
        const dy = (y - (t.y[row] as number)) * world;
        const clear = this.#clusterRadius(c) + ALONE_PX * 1.15;
        const d = Math.hypot(dx, dy);
        if (d >= clear) continue;
        const [ux, uy] = d < 1 ? [1, 0] : [dx / d, dy / d];
        x += (ux * (clear - d)) / world;
        y += (uy * (clear - d)) / world;
      }
      return { ...c, x, y };
    });
  }

  #reclusterLater(): void {
    this.#clusterTimer ??= setTimeout(() => {
      this.#clusterTimer = undefined;
      this.#clusterKey = '';
      this.#recluster();
      this.#relabel();
    }, CLUSTERS_MS);
  }

  #clusterRadius(c: Cluster): number {
    return Math.min(23, 11 + Math.log2(c.boxes) * 1.4);
  }

  #drawClusters(list: readonly Cluster[]): void {
    const n = list.length;
    const arrays: PointArrays = {
      length: n,
      position: new Float32Array(n * 2),
      colour: new Uint8Array(n * 4),
      mark: new Uint8Array(n * 4),
    };
    const ramp = colours(this.#shown.palette);
    list.forEach((c, i) => {
      arrays.position.set([c.x, c.y], i * 2);
      const [r, g, b] = Number.isNaN(c.median) ? GREY : ramp.of(c.median);
      arrays.colour.set([r, g, b, Number.isNaN(c.median) ? 150 : 255], i * 4);
      arrays.mark.set([SHAPE.cluster, 0, Math.round(this.#clusterRadius(c) * 8), 2], i * 4);
    });
    this.clusterPoints.set(arrays);
  }

  #relabel(): void {
    this.#labelFrame ||= requestAnimationFrame(() => {
      this.#labelFrame = 0;
      this.labels.set(this.#makeLabels());
      const marks = this.#hotspotMarks();
      this.labels.hotspots(marks);
      this.labels.wind(this.#shown.wind ?? []);
      this.labels.events(this.#eventPlaces(marks));
    });
  }

  /** Where boxes in sight are part of a real event, near ones as one: a plume is seen as its rings moving over the map. */
  #eventPlaces(marks: readonly HotspotMark[]): EventPlace[] {
    const t = this.#table;
    if (t.past || marks.some((m) => m.radiusKm > 0)) return [];
    const { view, now } = this.#shown;
    const reasons = t.levels[view.level === 'raw' ? 'raw' : 'corrected'].reasons;
    const cells = new Map<string, { lon: number; lat: number; n: number }>();
    for (const row of this.rowsInSight(20)) {
      if (!(reasons[row] ?? '').includes('.event') || rowView(t, row, view.level, now).status === 'silent') continue;
      const [lon, lat] = [t.lon[row] as number, t.lat[row] as number];
      const p = this.map.project([lon, lat]);
      const key = `${Math.round(p.x / EVENT_CELL_PX)} ${Math.round(p.y / EVENT_CELL_PX)}`;
      const cell = cells.get(key);
      if (!cell) cells.set(key, { lon, lat, n: 1 });
      else {
        cell.lon += (lon - cell.lon) / (cell.n + 1);
        cell.lat += (lat - cell.lat) / (cell.n + 1);
        cell.n++;
      }
    }
    return [...cells.values()].map((c) => ({ lon: c.lon, lat: c.lat, radius: Math.min(40, 18 + 4 * Math.log2(c.n)) }));
  }

  /** What the nights say of where boxes hang. */
  #siteLabels(): Label[] {
    const t = this.#table;
    const { judged, siteWords, dark } = this.#shown;
    if (!judged || !siteWords) return [];
    const under = dark ? DARK.land : LIGHT.land;
    return this.rowsInSight().flatMap((row): Label[] => {
      const site = judged.get(t.ids[row] as string)?.siteClass;
      if (!site) return [];
      // Beside its mark, which says the state.
      const p = this.map.project([t.lon[row] as number, t.lat[row] as number]);
      const { lng, lat } = this.map.unproject([p.x + radiusAt(this.map.getZoom()) + 9, p.y - 8]);
      return [{ lon: lng, lat, text: siteWords[site], under, size: 12, alpha: 1 }];
    });
  }

  #hotspotMarks(): HotspotMark[] {
    const { view, hotspots = [], now } = this.#shown;
    if (view.layer !== 'hotspots' && view.time === null) return [];
    if (view.property !== 'pm25') return [];
    const at = view.time ?? now;
    return hotspots.flatMap((h): HotspotMark[] => {
      const trail = h.path.filter((p) => p.time <= at && p.time > at - TRAIL_MS);
      const last = trail.at(-1);
      if (!last) return [];
      const there = spotAt(h, at);
      if (!there && (view.layer !== 'hotspots' || view.time !== null)) return [];
      return [{ lon: last.lon, lat: last.lat, radiusKm: there?.radiusKm ?? 0, text: formatShort(last.peak), trail }];
    });
  }

  #makeLabels(): Label[] {
    const t = this.#table;
    const { view, palette, now } = this.#shown;
    const at = view.time ?? now;
    const ramp = colours(palette);
    const hex = (c: readonly [number, number, number]): string =>
      `#${c.map((x) => x.toString(16).padStart(2, '0')).join('')}`;
    // Of a difference the sign is what matters.
    const short = (value: number): string =>
      formatShort(view.level === 'difference' ? value : notBelowZero(value, view.property));
    const labels: Label[] = [];
    if (this.#clustering)
      for (const c of this.#clustering.clusters) {
        if (labels.length >= MAX_LABELS) break;
        if (Number.isNaN(c.median)) continue;
        const p = this.#clusterPlace(c);
        labels.push({
          ...p,
          text: short(c.median),
          under: hex(ramp.of(c.median)),
          size: this.#clusterRadius(c) > 17 ? 14 : 12,
          alpha: 1,
        });
      }
    const zoom = this.map.getZoom();
    if (view.layer === 'health') return zoom < 10 ? labels : [...labels, ...this.#siteLabels()];
    if (view.layer === 'towns' && zoom >= 9 && zoom < LABELS_FROM_ZOOM)
      for (const s of this.#townStats) {
        const code = this.#land?.towns.features[s.town]?.properties.TOWNCODE;
        const place = code === undefined ? undefined : townPlace.get(code);
        if (place)
          labels.push({
            ...place,
            text: short(s.median),
            under: s.n < ENOUGH ? '#f7f3e9' : hex(ramp.of(s.median)),
            size: 13,
            alpha: 1,
          });
      }
    const beside = this.#clustering !== null && zoom >= ALONE_FROM_ZOOM;
    if (zoom < LABELS_FROM_ZOOM && !beside) return labels;
    const taken: { x: number; y: number }[] = [];
    const radius = beside ? Math.max(ALONE_PX, radiusAt(zoom)) : radiusAt(zoom);
    const rows = this.rowsInSight(20);
    rows.sort((a, b) => (t.kind[b] as number) - (t.kind[a] as number));
    for (const row of rows) {
      if (labels.length >= MAX_LABELS) break;
      const v = rowView(t, row, view.level, at);
      if (
        (v.status !== 'ok' && v.status !== 'suspect') ||
        (this.#arrays.mark[row * 4 + 3] ?? 0) === 0 ||
        t.claimed[row] === 0
      )
        continue;
      const place = { lon: t.lon[row] as number, lat: t.lat[row] as number };
      const p = this.map.project(place);
      if (taken.some((q) => Math.abs(q.x - p.x) < radius * 1.6 && Math.abs(q.y - p.y) < radius * 1.2)) continue;
      taken.push(p);
      labels.push({
        ...place,
        text: short(v.value),
        under: hex(ramp.of(v.value)),
        size: radius > 13 ? 12 : 10.5,
        alpha: Math.max(0.75, freshness(t, row, v.time, at)),
      });
    }
    return labels;
  }

  #clusterPlace(c: Cluster): { lon: number; lat: number } {
    const y = c.y + ORIGIN.y;
    return {
      lon: (c.x + ORIGIN.x) * 360 - 180,
      lat: (Math.atan(Math.exp(Math.PI * (1 - 2 * y))) * 360) / Math.PI - 90,
    };
  }

  /** The drawn Thing under a pixel, the nearest one; −1 = none. */
  pick(x: number, y: number): number {
    const t = this.#table;
    const reach = Math.max(PICK_PX * 0.6, radiusAt(this.map.getZoom()) + 4);
    const at = this.map.unproject([x, y]);
    const edge = this.map.unproject([x + reach, y + reach]);
    const dLon = Math.abs(edge.lng - at.lng);
    const dLat = Math.abs(edge.lat - at.lat);
    let best = -1;
    let bestDistance = Infinity;
    for (let row = 0; row < this.#arrays.length; row++) {
      const ex = ((t.lon[row] as number) - at.lng) / dLon;
      const ey = ((t.lat[row] as number) - at.lat) / dLat;
      const d = ex * ex + ey * ey;
      if (d > 1 || (this.#arrays.mark[row * 4 + 3] ?? 0) === 0) continue;
      // What is drawn on top wins between two that are about as near.
      const rank = d - 0.15 * (this.#arrays.mark[row * 4 + 3] as number);
      if (rank < bestDistance) {
        bestDistance = rank;
        best = row;
      }
    }
    return best;
  }

  #pickCluster(x: number, y: number): Cluster | undefined {
    return this.#clustering?.clusters.find((c) => {
      const p = this.map.project(this.#clusterPlace(c));
      return Math.hypot(p.x - x, p.y - y) <= this.#clusterRadius(c);
    });
  }

  #click(x: number, y: number): void {
    const row = this.pick(x, y);
    if (row >= 0) return this.#events.picked(row);
    const hit = this.#pickCluster(x, y);
    if (hit)
      this.map.easeTo({
        center: this.#clusterPlace(hit),
        zoom: Math.min(CLUSTER_BELOW_ZOOM + 0.3, this.map.getZoom() + 2),
      });
  }

  describe(row: number): RowView {
    const { view, now } = this.#shown;
    return rowView(this.#table, row, view.level, view.time ?? now);
  }

  choose(row: number): void {
    this.labels.choose(
      row < 0
        ? null
        : {
            lon: this.#table.lon[row] as number,
            lat: this.#table.lat[row] as number,
            radius: radiusAt(this.map.getZoom()) + 7,
            colour: this.#shown.dark ? '#ffc861' : '#17242f',
          },
    );
  }

  /** Moves the map so that a Thing is not under panel or sheet; does nothing when it is in the free part already. */
  bringIntoSight(row: number): void {
    const place: [number, number] = [this.#table.lon[row] as number, this.#table.lat[row] as number];
    const p = this.map.project(place);
    const { clientWidth: w, clientHeight: h } = this.map.getContainer();
    const narrow = w < 760;
    const free = narrow
      ? { left: 30, right: w - 30, top: 70, bottom: h * 0.26 }
      : { left: 400, right: w - 460, top: 40, bottom: h - 40 };
    if (p.x > free.left && p.x < free.right && p.y > free.top && p.y < free.bottom) return;
    const offset: [number, number] = [(free.left + free.right - w) / 2, (free.top + free.bottom - h) / 2];
    this.map.easeTo({ center: place, offset, zoom: Math.max(this.map.getZoom(), 11), duration: 600 });
  }

  /** Shows where the boxes are, when they fill only a part of the country. */
  fitNetwork(): void {
    const t = this.#table;
    if (t.length === 0) return;
    const at = (list: Float64Array, share: number): number => list[Math.floor((list.length - 1) * share)] as number;
    const lat = t.lat.slice(0, t.length).sort();
    const lon = t.lon.slice(0, t.length).sort();
    // A box whose position is wrong must not decide what everybody sees.
    const [south, north, west, east] = [at(lat, 0.03), at(lat, 0.97), at(lon, 0.03), at(lon, 0.97)];
    if (north - south > 1.5 || east - west > 1.5) return;
    const wide = this.map.getContainer().clientWidth >= 760;
    this.map.fitBounds([west, south, east, north], {
      padding: wide ? { left: 410, right: 60, top: 60, bottom: 110 } : { left: 24, right: 24, top: 230, bottom: 110 },
      maxZoom: 12.5,
      duration: 0,
    });
  }

  fly(lat: number, lon: number, zoom: number): void {
    const calm = matchMedia('(prefers-reduced-motion: reduce)').matches;
    if (calm) this.map.jumpTo({ center: [lon, lat], zoom });
    else this.map.flyTo({ center: [lon, lat], zoom, speed: 1.8 });
  }

  close(): void {
    cancelAnimationFrame(this.#frame);
    clearTimeout(this.#areaTimer);
    clearTimeout(this.#movedTimer);
    clearTimeout(this.#clusterTimer);
    clearTimeout(this.#slowTimer);
    this.field.close();
    cancelAnimationFrame(this.#labelFrame);
    removeEventListener('beforeprint', this.#print);
    this.map.remove();
  }
}
