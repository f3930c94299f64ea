/** The files of a backtest as values. */
import type { EpochMs } from '../../model/time.ts';
import type { Colocation, StageBox, StageStation } from '../stage.ts';
import { InputError, readCsv, type Row } from './csv.ts';

/** Readings as columns, in the order of the file. NaN = missing. */
export interface ReadingTable {
  length: number;
  readonly boxes: string[];
  /** Index into `boxes`. */
  readonly box: number[];
  readonly time: number[];
  /** As written in the file. */
  readonly timeText: string[];
  readonly pm25: number[];
  /** Second channel; null when the file has no such column. */
  readonly pm25b: number[] | null;
  readonly pm10: number[];
  readonly pm1: number[];
  readonly temperature: number[];
  readonly humidity: number[];
}

export interface ReferenceRow {
  readonly station: string;
  readonly time: EpochMs;
  readonly pm25: number;
}

export interface BacktestInput {
  readonly boxes: readonly StageBox[];
  readonly stations: readonly StageStation[];
  readonly readings: ReadingTable;
  readonly reference: readonly ReferenceRow[];
  readonly colocations: readonly Colocation[] | null;
}

function place(row: Row): { lat: number | null; lon: number | null } {
  const lat = row.number('lat');
  const lon = row.number('lon');
  if (Number.isNaN(lat) && Number.isNaN(lon)) return { lat: null, lon: null };
  if (!(Math.abs(lat) <= 90)) throw row.error('lat', 'must lie between -90 and 90, or lat and lon both be empty');
  if (!(Math.abs(lon) <= 180)) throw row.error('lon', 'must lie between -180 and 180, or lat and lon both be empty');
  // 0,0 is what a box without a GPS fix sends; nothing hangs there.
  return lat === 0 && lon === 0 ? { lat: null, lon: null } : { lat, lon };
}

export async function readBoxes(file: string): Promise<StageBox[]> {
  const boxes = new Map<string, StageBox>();
  for await (const row of readCsv(file, ['box', 'lat', 'lon', 'sensor'])) {
    const id = row.needed('box');
    const field = row.text('field').toLowerCase();
    if (field !== '' && field !== 'cf1' && field !== 'atm') throw row.error('field', 'must be cf1, atm or empty');
    if (boxes.has(id)) throw row.error('box', `"${id}" is listed twice`);
    boxes.set(id, {
      id,
      num: boxes.size + 1,
      ...place(row),
      sensor: row.text('sensor'),
      field,
      trusted: true,
      exposure: 'unknown',
    });
  }
  return [...boxes.values()];
}

export async function readStations(file: string): Promise<StageStation[]> {
  const stations = new Map<string, StageStation>();
  for await (const row of readCsv(file, ['station', 'lat', 'lon'])) {
    const id = row.needed('station');
    if (stations.has(id)) throw row.error('station', `"${id}" is listed twice`);
    stations.set(id, { id, num: stations.size + 1, ...place(row) });
  }
  return [...stations.values()];
}

export async function readReference(file: string): Promise<ReferenceRow[]> {
  const rows: ReferenceRow[] = [];
  for await (const row of readCsv(file, ['station', 'time', 'pm25'])) {
    const pm25 = row.number('pm25');
    const value = { station: row.needed('station'), time: row.time('time'), pm25 };
    if (!Number.isNaN(pm25)) rows.push(value);
  }
  return rows;
}

export async function readColocations(file: string): Promise<Colocation[]> {
  const pairs: Colocation[] = [];
  for await (const row of readCsv(file, ['box', 'station'])) {
    const from = row.text('from') === '' ? undefined : row.time('from');
    const to = row.text('to') === '' ? undefined : row.time('to');
    if (from !== undefined && to !== undefined && to <= from) throw row.error('to', 'must be after from');
    pairs.push({
      box: row.needed('box'),
      station: row.needed('station'),
      ...(from === undefined ? {} : { from }),
      ...(to === undefined ? {} : { to }),
    });
  }
  return pairs;
}

const KNOWN = new Set(['box', 'time', 'pm25', 'pm25_b', 'pm10', 'pm1', 'temperature', 'humidity']);

/** @param say hears of columns that are not used: `rh` for `humidity` would cost every answer, unnoticed */
export async function readReadings(
  file: string,
  onBytes?: (bytes: number) => void,
  say?: (note: string) => void,
): Promise<ReadingTable> {
  const look = (columns: readonly string[]): void => {
    const unused = columns.filter((name) => name !== '' && !KNOWN.has(name));
    if (unused.length > 0) say?.(`${file}: not used: column ${unused.join(', ')}; known are ${[...KNOWN].join(', ')}`);
  };
  const index = new Map<string, number>();
  const table: ReadingTable = {
    length: 0,
    boxes: [],
    box: [],
    time: [],
    timeText: [],
    pm25: [],
    pm25b: [],
    pm10: [],
    pm1: [],
    temperature: [],
    humidity: [],
  };
  let dual = false;
  for await (const row of readCsv(file, ['box', 'time', 'pm25'], onBytes, look)) {
    const id = row.needed('box');
    let at = index.get(id);
    if (at === undefined) {
      at = index.size;
      index.set(id, at);
      table.boxes.push(id);
    }
    table.box.push(at);
    table.time.push(row.time('time'));
    table.timeText.push(row.text('time'));
    table.pm25.push(row.number('pm25'));
    const b = row.number('pm25_b');
    if (!Number.isNaN(b)) dual = true;
    (table.pm25b as number[]).push(b);
    table.pm10.push(row.number('pm10'));
    table.pm1.push(row.number('pm1'));
    table.temperature.push(row.number('temperature'));
    table.humidity.push(row.number('humidity'));
    table.length++;
  }
  return dual ? table : { ...table, pm25b: null };
}

export interface InputFiles {
  readonly boxes: string;
  readonly readings: string;
  readonly stations?: string;
  readonly reference?: string;
  readonly colocation?: string;
}

/** @throws InputError */
export async function readInput(
  files: InputFiles,
  onBytes?: (bytes: number) => void,
  say?: (note: string) => void,
): Promise<BacktestInput> {
  if (files.reference !== undefined && files.stations === undefined) {
    throw new InputError('--reference needs --stations: the list of the stations it speaks of');
  }
  const boxes = await readBoxes(files.boxes);
  const stations = files.stations === undefined ? [] : await readStations(files.stations);
  const reference = files.reference === undefined ? [] : await readReference(files.reference);
  const colocations = files.colocation === undefined ? null : await readColocations(files.colocation);
  const readings = await readReadings(files.readings, onBytes, say);
  const input = { boxes, stations, reference, colocations, readings };
  if (say) for (const note of strangers(input)) say(note);
  return input;
}

/** Names that one file knows and another does not: allowed, and mostly a slip that takes a sensor's name or a station away. */
function strangers({ boxes, stations, reference, colocations, readings }: BacktestInput): string[] {
  const compare = (what: string, names: Iterable<string>, known: Iterable<string>, list: string): string[] => {
    const there = new Set(known);
    const odd = [...new Set(names)].filter((name) => !there.has(name)).sort();
    return odd.length === 0
      ? []
      : [`${odd.length} ${what} not in ${list}: ${odd.slice(0, 5).join(', ')}${odd.length > 5 ? ', …' : ''}`];
  };
  const listed = boxes.map((b) => b.id);
  const ids = stations.map((s) => s.id);
  return [
    ...compare('boxes of the readings are', readings.boxes, listed, 'the list of boxes (no place, no sensor)'),
    ...compare(
      'stations of the reference are',
      reference.map((r) => r.station),
      ids,
      'the list of stations (no place)',
    ),
    ...compare(
      'boxes of the co-location are',
      (colocations ?? []).map((c) => c.box),
      readings.boxes,
      'the readings',
    ),
    ...compare(
      'stations of the co-location are',
      (colocations ?? []).map((c) => c.station),
      reference.map((r) => r.station),
      'the reference',
    ),
  ];
}
