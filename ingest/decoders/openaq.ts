/**
 * OpenAQ archive CSV, one row a value: `location_id,sensors_id,location,datetime,lat,lon,parameter,units,value`; later files
 * quote the header and write `Z`; formats §8. −1 is its "missing". Gases in µg/m³ stay out: turning mass into mole
 * fraction needs a temperature and a pressure that the file does not say.
 */
import { parse } from 'csv-parse/sync';
import { toUnitOf } from '../../model/units.ts';
import type { Decoded, DecodedReading, Decoder } from '../decoder.ts';
import { propertyNamed } from './names.ts';
import {
  decimal,
  isPlace,
  MAX_PAYLOAD,
  nativeIdOf,
  note,
  publicName,
  put,
  rejected,
  shown,
  textOf,
  type Value,
} from './text.ts';
import { believable, moment } from './times.ts';

const MAX_ROWS = 100_000;
const NEEDED = ['location_id', 'datetime', 'parameter', 'units', 'value'] as const;

function decode(payload: Uint8Array): Decoded {
  if (payload.length > MAX_PAYLOAD) return rejected('too-long', `${payload.length} bytes`);
  let rows: Record<string, string>[];
  try {
    rows = parse<Record<string, string>>(textOf(payload), {
      columns: (header: string[]) => header.map((h) => h.trim().toLowerCase()),
      skip_empty_lines: true,
      relax_column_count: true,
      to: MAX_ROWS + 1,
    });
  } catch (error) {
    return rejected('bad-csv', shown((error as Error).message, 120));
  }
  const head = rows[0];
  if (!head) return rejected('no-values', 'no rows');
  for (const column of NEEDED)
    if (head[column] === undefined) return rejected('bad-csv', `the column ${column} is missing`);
  if (rows.length > MAX_ROWS) return rejected('too-long', `more than ${MAX_ROWS} rows`);
  interface Group {
    readonly reading: DecodedReading;
    readonly values: Value[];
  }
  const groups = new Map<string, Group>();
  const problems: string[] = [];
  for (const row of rows) {
    const value = decimal(row['value'] ?? '');
    const property = propertyNamed(row['parameter'] === 'relativehumidity' ? 'humidity' : (row['parameter'] ?? ''));
    if (property === null || Number.isNaN(value) || value === -1) continue;
    const converted = toUnitOf(property, value, row['units'] ?? '');
    if (converted === null) {
      note(problems, `${property} in ${shown(row['units'])} cannot be turned into its unit; not taken`);
      continue;
    }
    const id = nativeIdOf(row['location_id'] ?? '');
    const key = `${id}\0${row['datetime']}`;
    let group = groups.get(key);
    if (!group) {
      const values: Value[] = [];
      const [lat, lon] = [decimal(row['lat'] ?? ''), decimal(row['lon'] ?? '')];
      // The archive writes names as `Del Norte-2178`.
      const place = row['location'] ?? '';
      const name = publicName(place.endsWith(`-${id}`) ? place.slice(0, -id.length - 1) : place, id);
      group = {
        values,
        reading: {
          nativeId: id,
          time: believable(moment(row['datetime'] ?? '')),
          values,
          place: isPlace(lat, lon) ? { lat, lon, source: 'typed' } : null,
          hints: { licence: 'LicenseRef-OpenAQ-source', attribution: 'OpenAQ', ...(name ? { name } : {}) },
        },
      };
      groups.set(key, group);
    }
    put(group.values, property, converted);
  }
  const readings = [...groups.values()].map((g) => g.reading);
  const first = readings[0];
  if (!first) return rejected('no-values', problems.join('; ') || 'no row with a known parameter and a value');
  if (problems.length > 0) readings[0] = { ...first, notes: problems };
  return { ok: true, readings };
}

export const openaq: Decoder = { format: 'openaq', openTopics: ['feeds/openaq/#'], decode };
