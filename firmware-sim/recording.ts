/**
 * Recorded readings as messages that boxes could have sent: a `readings.csv[.gz]` (with `boxes.csv` for the places) becomes
 * LASS version 3 strings, a record of a portal file `last-all-*.json[.gz]` is sent as it stands. Times, sentinels, duplicates
 * and gaps stay as recorded.
 */
import { createReadStream } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { createGunzip, gunzipSync } from 'node:zlib';
import { parse } from 'csv-parse';

export interface RecordedMessage {
  /** When the box measured it [epoch ms]. */
  readonly time: number;
  readonly topic: string;
  readonly payload: string;
}

export interface Recording {
  readonly boxes: number;
  /** In order of time; equal times in file order. */
  readonly messages: readonly RecordedMessage[];
  /** Records that could not be turned into a message, by reason. */
  readonly left: ReadonlyMap<string, number>;
}

type Row = Record<string, string | undefined>;

async function* csvRows(file: string): AsyncIterable<Row> {
  const source = createReadStream(file);
  const text = file.endsWith('.gz') ? source.pipe(createGunzip()) : source;
  const rows = text.pipe(parse({ columns: true, bom: true, skip_empty_lines: true, relax_column_count: false }));
  // pipe() does not carry errors on; without this a missing file would wait for ever.
  source.on('error', (e: Error) => rows.destroy(e));
  if (text !== source) text.on('error', (e: Error) => rows.destroy(e));
  for await (const row of rows) yield row as Row;
}

/** LASS v3 sensor codes: s_d0 PM2.5, s_d1 PM10, s_d2 PM1, s_t0, s_h0. */
const LASS_CODES = [
  ['s_d0', 'pm25'],
  ['s_d1', 'pm10'],
  ['s_d2', 'pm1'],
  ['s_t0', 'temperature'],
  ['s_h0', 'humidity'],
] as const;

function lassString(row: Row, place: { lat: string; lon: string } | undefined): string {
  const [date, clock] = [String(row['time']).slice(0, 10), String(row['time']).slice(11, 19)];
  const values = LASS_CODES.filter(([, column]) => row[column]).map(([code, column]) => `${code}=${row[column]}`);
  // FAKE_GPS=1: the owner typed decimal degrees.
  const where = place ? [`gps_lat=${place.lat}`, `gps_lon=${place.lon}`, 'gps_fix=1', 'gps_num=9', 'gps_alt=2'] : [];
  return `|${['ver_format=3', 'FAKE_GPS=1', 'app=AirBox', 'ver_app=replay', `device_id=${row['box']}`, `date=${date}`, `time=${clock}`, ...values, ...where].join('|')}`;
}

/** @throws Error naming file and column when a needed column is missing, or the file cannot be read */
export async function readRecordedCsv(readings: string, boxes?: string): Promise<Recording> {
  const places = new Map<string, { lat: string; lon: string }>();
  if (boxes)
    for await (const row of csvRows(boxes))
      if (row['box'] && row['lat'] && row['lon']) places.set(row['box'], { lat: row['lat'], lon: row['lon'] });
  const messages: RecordedMessage[] = [];
  const left = new Map<string, number>();
  const names = new Set<string>();
  let checked = false;
  for await (const row of csvRows(readings)) {
    if (!checked) {
      for (const column of ['box', 'time', 'pm25'])
        if (!(column in row))
          throw new Error(`${readings}: column "${column}" is missing; it has ${Object.keys(row).join(', ')}`);
      checked = true;
    }
    const time = Date.parse(row['time'] ?? '');
    if (!row['box'] || Number.isNaN(time)) {
      const why = row['box'] ? 'time is not RFC 3339' : 'no box';
      left.set(why, (left.get(why) ?? 0) + 1);
      continue;
    }
    names.add(row['box']);
    messages.push({
      time,
      topic: `LASS/Test/AirBox/${topicLevel(row['box'])}`,
      payload: lassString(row, places.get(row['box'])),
    });
  }
  messages.sort((a, b) => a.time - b.time);
  return { boxes: names.size, messages, left };
}

/** MQTT 3.1.1 §4.7.3: a level may not hold `/`, `+` or `#`. */
const topicLevel = (name: string): string => name.replace(/[/+#\0]/g, '_');

export async function readPortalJson(file: string): Promise<Recording> {
  const bytes = await readFile(file);
  const text = (file.endsWith('.gz') ? gunzipSync(bytes) : bytes).toString('utf8');
  const document = JSON.parse(text) as { feeds?: unknown };
  if (!Array.isArray(document.feeds))
    throw new Error(`${file}: has no "feeds" array; is it a last-all-*.json of the LASS portal?`);
  const names = new Set<string>();
  const left = new Map<string, number>();
  const messages: RecordedMessage[] = [];
  for (const record of document.feeds as Record<string, unknown>[]) {
    const device = record['device_id'];
    if (typeof device !== 'string' || device === '') {
      left.set('no device_id', (left.get('no device_id') ?? 0) + 1);
      continue;
    }
    names.add(device);
    const time = Date.parse(String(record['timestamp']));
    messages.push({
      time: Number.isNaN(time) ? 0 : time,
      topic: `LASS/AirBox/${topicLevel(device)}`,
      payload: JSON.stringify(record),
    });
  }
  messages.sort((a, b) => a.time - b.time);
  return { boxes: names.size, messages, left };
}
