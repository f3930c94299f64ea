/**
 * Loads and keeps up to date the latest values, away from the main thread: JSON is parsed here, live observations are
 * gathered and handed over as columns at most twice a second.
 */
import { RowIndex, type LatestFeature } from './features.ts';
import type { DataLevel, LevelColumns, ThingColumns } from './table.ts';

export interface FeedRequest {
  readonly property: string;
  readonly levels: readonly DataLevel[];
  /** west,south,east,north; '' = everywhere. */
  readonly bbox: string;
  /** What is in sight: loaded first, and alone followed live; '' = all of `bbox`. */
  readonly near: string;
}

export type FeedMessage =
  | {
      readonly kind: 'columns';
      readonly property: string;
      readonly things: ThingColumns;
      readonly values: LevelColumns;
      readonly snapshot: boolean;
    }
  | {
      readonly kind: 'state';
      readonly state: 'loading' | 'live' | 'away';
      readonly at: number;
      readonly detail: string;
    };

const BATCH_MS = 500;
const SLICE = 10_000;
/** Stations report hourly, many at once: after the first the others are waited for this long. */
const STATIONS_MS = 3000;
const MAX_WAIT_MS = 20_000;
const REST_AFTER_MS = 1500;

const scope = self as unknown as { postMessage(m: FeedMessage, transfer?: Transferable[]): void };
const rows = new RowIndex();
let request: FeedRequest | null = null;
/** Of what the whole snapshot is there. */
let whole = '';
const wholeOf = (r: FeedRequest): string => `${r.property} ${r.levels.join()} ${r.bbox}`;
let sources: EventSource[] = [];
let generation = 0;
let pending: LatestFeature[] = [];
let timer: ReturnType<typeof setTimeout> | undefined;
let retry: ReturnType<typeof setTimeout> | undefined;
let stationTimer: ReturnType<typeof setTimeout> | undefined;
let wait = 1000;

const state = (name: 'loading' | 'live' | 'away', detail = ''): void =>
  scope.postMessage({ kind: 'state', state: name, at: Date.now(), detail });

/** In slices, so that the main thread takes in a large network between two frames. */
function send(features: readonly LatestFeature[], level: DataLevel, property: string, snapshot: boolean): void {
  for (let from = 0; from === 0 || from < features.length; from += SLICE) {
    const { things, values } = rows.columns(features.slice(from, from + SLICE), level);
    scope.postMessage(
      { kind: 'columns', property, things, values, snapshot: snapshot && from + SLICE >= features.length },
      [
        things.lon.buffer,
        things.lat.buffer,
        values.row.buffer,
        values.value.buffer,
        values.lo90.buffer,
        values.hi90.buffer,
        values.time.buffer,
      ],
    );
  }
}

async function fetchFeatures(r: FeedRequest, level: DataLevel, where: string, more = ''): Promise<LatestFeature[]> {
  const response = await fetch(
    `/api/v1/latest.geojson?property=${encodeURIComponent(r.property)}&level=${level}${box(where)}${more}`,
  );
  if (!response.ok) throw new Error(`HTTP ${response.status}`);
  const body = (await response.json()) as { features?: LatestFeature[] };
  return Array.isArray(body.features) ? body.features : [];
}

/** A reference station is not corrected: beside corrected values its own one stands, without an interval. */
async function loadStations(r: FeedRequest, mine: number, where: string): Promise<void> {
  const stations = await fetchFeatures(r, 'raw', where, '&kind=station');
  if (mine === generation) send(stations.filter(isStation), 'corrected', r.property, true);
}
const isStation = (f: LatestFeature): boolean => f?.properties?.kind === 'station';
const uncorrected = (f: LatestFeature): boolean => isStation(f) && f.properties.value === null;

async function load(r: FeedRequest, mine: number, where: string): Promise<void> {
  for (const level of r.levels) {
    const features = await fetchFeatures(r, level, where);
    if (mine !== generation) return;
    if (level === 'raw') send(features, level, r.property, true);
    else {
      const missing = features.some(uncorrected);
      send(missing ? features.filter((f) => !uncorrected(f)) : features, level, r.property, true);
      if (missing) await loadStations(r, mine, where);
    }
  }
}

/** A station spoke, maybe for the first time: many in one burst are one request. */
function stationsSoon(r: FeedRequest): void {
  const mine = generation;
  stationTimer ??= setTimeout(() => {
    stationTimer = undefined;
    void loadStations(r, mine, inSight(r)).catch(() => undefined);
  }, STATIONS_MS);
}

const box = (where: string): string => (where === '' ? '' : `&bbox=${encodeURIComponent(where)}`);
const inSight = (r: FeedRequest): string => (r.near === '' ? r.bbox : r.near);

function flush(): void {
  timer = undefined;
  const batch = pending;
  pending = [];
  if (!request || batch.length === 0) return;
  if (batch.some((f) => f.properties?.level === 'corrected' && uncorrected(f))) stationsSoon(request);
  for (const level of ['corrected', 'raw'] as const) {
    const own = batch.filter(
      (f) =>
        f.properties?.property === request?.property &&
        f.properties.level === level &&
        !(level === 'corrected' && uncorrected(f)),
    );
    if (own.length > 0) send(own, level, request.property, false);
  }
}

/** One stream a level; the server resumes each by itself after a short break, `again` closes longer gaps. */
function listen(r: FeedRequest, mine: number): void {
  let open = 0;
  sources = r.levels.map((level) => {
    const es = new EventSource(
      `/api/v1/stream?property=${encodeURIComponent(r.property)}&level=${level}${box(inSight(r))}`,
    );
    es.addEventListener('open', () => {
      if (mine !== generation) return;
      wait = 1000;
      if (++open === r.levels.length) state('live');
    });
    es.addEventListener('observation', (e) => {
      if (mine !== generation) return;
      try {
        pending.push(JSON.parse((e as MessageEvent<string>).data) as LatestFeature);
      } catch {
        return; // One unreadable event is not worth losing the stream for.
      }
      timer ??= setTimeout(flush, BATCH_MS);
    });
    es.addEventListener('error', () => {
      if (mine !== generation || !sources.includes(es)) return;
      for (const other of sources) other.close();
      sources = [];
      again(mine, 'stream');
    });
    return es;
  });
}

/** Starts over: snapshot first (it closes the gap), then the stream. */
function again(mine: number, detail: string): void {
  if (mine !== generation || !request) return;
  state('away', detail);
  clearTimeout(retry);
  const r = request;
  retry = setTimeout(() => void start(r, mine), wait);
  wait = Math.min(MAX_WAIT_MS, wait * 1.7);
}

async function start(r: FeedRequest, mine: number): Promise<void> {
  if (mine !== generation) return;
  try {
    await load(r, mine, inSight(r));
  } catch (error) {
    again(mine, error instanceof Error ? error.message : 'network');
    return;
  }
  if (mine !== generation) return;
  if (r.near === '') whole = wholeOf(r);
  listen(r, mine);
  if (whole !== wholeOf(r)) await loadRest(r, mine);
}

/** The country beyond the screen, for search and for zooming out, once what is in sight is there. */
async function loadRest(r: FeedRequest, mine: number): Promise<void> {
  try {
    await new Promise((done) => setTimeout(done, REST_AFTER_MS));
    if (mine !== generation) return;
    await load(r, mine, r.bbox);
    if (mine === generation) whole = wholeOf(r);
  } catch {
    return; // The stream says by itself when the server is away; the next start loads it.
  }
}

self.addEventListener('message', (e: MessageEvent<FeedRequest>): void => {
  const sameValues = request !== null && wholeOf(request) === wholeOf(e.data);
  if (!sameValues) whole = '';
  generation++;
  for (const es of sources) es.close();
  clearTimeout(retry);
  clearTimeout(stationTimer);
  stationTimer = undefined;
  pending = [];
  request = e.data;
  wait = 1000;
  if (!sameValues) state('loading');
  void start(e.data, generation);
});
