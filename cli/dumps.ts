/**
 * The bulk files at `/dumps/`: a Parquet and a csv.gz a day, the boxes and stations, a manifest and a column dictionary. A
 * day's file never changes: when late data, a recomputation or a licence changed what it says, a new revision is written
 * beside it and the manifest names both.
 */
import { createHash } from 'node:crypto';
import {
  closeSync,
  createReadStream,
  existsSync,
  mkdirSync,
  openSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { basename, join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { FLAG } from '../model/flags.ts';
import { DAY, dayName, formatTime, startOfDay } from '../model/time.ts';
import { LICENCES } from '../registry/licences.ts';
import { publicPlace } from '../registry/place.ts';
import type { Registry, Thing } from '../registry/registry.ts';
import { placeLine, type DumpPlace, type PlacesQuery } from '../store/places.ts';
import type { RevisionEntry, RevisionReader } from '../api/options.ts';
import { revisionView, type RevisionView } from '../api/revision-view.ts';
import type { BulkStore, DumpEdition, DumpThing } from '../store/store.ts';

export const DUMP_FORMATS = ['parquet', 'csv.gz', 'csv'] as const;
export type DumpFormat = (typeof DUMP_FORMATS)[number];

/** Days looked at again each night: what came late, or was recomputed, is mostly younger. */
const LOOKED_AT_AGAIN = 35;
/** UTC hour from which the day before is dumped: boxes that buffered over midnight have sent by then. */
const NIGHTLY_HOUR = 1;

export interface DumpFile {
  /** Relative to `/dumps/`. */
  readonly file: string;
  readonly format: string;
  /** UTC day of the observations. */
  readonly day: string;
  readonly revision: number;
  /** False = a newer revision says otherwise; the file stays. */
  readonly current: boolean;
  readonly rows: number;
  readonly bytes: number;
  readonly sha256: string;
  readonly created: string;
  /** Which edition of the values: `archive` and `revised` when one revision covers the whole day, `live` when none does, else `mixed`. */
  readonly product: 'live' | 'revised' | 'archive' | 'mixed';
  /** The newest revision of values in it, 0 = none. */
  readonly valueRevision: number;
  /** How many of the columns of the dictionary it has: later ones come at the end. */
  readonly columns: number;
  /** Of what the rows say; the same content gives no new revision. */
  readonly fingerprint: string;
}

export interface Manifest {
  readonly title: string;
  readonly promise: string;
  readonly updated: string;
  /** UTC day of the last nightly look. */
  readonly checked: string;
  /** Where the files of one box by month are named; `{box}` is its id. */
  readonly byBox: string;
  readonly columns: string;
  readonly licences: typeof LICENCES;
  /** Changelog of values: each run of quality control and correction over history, and how much it moved. */
  readonly revisions: readonly RevisionView[];
  readonly files: readonly DumpFile[];
}

export const PROMISE =
  'A file named here is never changed and stays at its address for at least five years. What is learned later comes as a new revision (.r2, .r3 …), named here beside the old one with current = true.';

export async function sha256(file: string): Promise<string> {
  const hash = createHash('sha256');
  await pipeline(createReadStream(file), hash);
  return hash.digest('hex');
}

export function write(file: string, text: string): void {
  writeFileSync(`${file}.tmp`, text);
  renameSync(`${file}.tmp`, file);
}

export const dumpThing = ({ num, id, licence, attribution }: Thing): DumpThing => ({ num, id, licence, attribution });

/** Which edition the values of a span are: of everything, or of one box. */
export function editionOf(
  revisions: readonly RevisionEntry[],
  from: number,
  to: number,
  box = '',
): Pick<DumpFile, 'product' | 'valueRevision'> {
  const newest = revisions.findLast((r) => r.from < to && r.to > from && (box === '' || r.box === '' || r.box === box));
  if (!newest) return { product: 'live', valueRevision: 0 };
  const whole = (newest.box === '' || newest.box === box) && newest.from <= from && newest.to >= to;
  return { product: whole ? newest.product : 'mixed', valueRevision: newest.number };
}

/**
 * What speaks for the values of a span, newest first; left out is what newer ones of everything hide wholly. A value that came in
 * after a run was issued is live even where an older run covers the time: nothing older was issued later.
 */
export function editionsIn(
  revisions: readonly RevisionEntry[],
  from: number,
  to: number,
  numOf: (box: string) => number | null,
): DumpEdition[] {
  const found: DumpEdition[] = [];
  /** Spans that are hidden so far, joined and in order. */
  let hidden: (readonly [from: number, to: number])[] = [];
  for (const r of revisions.toReversed()) {
    const [start, end] = [Math.max(r.from, from), Math.min(r.to, to)];
    if (start >= end || hidden.some(([a, b]) => a <= start && end <= b)) continue;
    const num = r.box === '' ? null : numOf(r.box);
    if (r.box !== '' && num === null) continue;
    found.push({ revision: r.number, product: r.product, from: start, to: end, num, issuedAt: r.issuedAt });
    if (num !== null) continue;
    const joined: (readonly [number, number])[] = [];
    for (const [a, b] of [...hidden, [start, end] as const].sort((x, y) => x[0] - y[0])) {
      const last = joined.at(-1);
      if (last && a <= last[1]) joined[joined.length - 1] = [last[0], Math.max(last[1], b)];
      else joined.push([a, b]);
    }
    hidden = joined;
  }
  return found;
}

export class Dumps {
  readonly #folder: string;
  readonly #store: BulkStore;
  readonly #registry: Registry;
  readonly #clock: () => number;
  readonly #revisions: Pick<RevisionReader, 'list'> | null;

  constructor(
    folder: string,
    store: BulkStore,
    registry: Registry,
    clock: () => number = Date.now,
    revisions: Pick<RevisionReader, 'list'> | null = null,
  ) {
    this.#revisions = revisions;
    this.#folder = folder;
    this.#store = store;
    this.#registry = registry;
    this.#clock = clock;
  }

  manifest(): Manifest {
    const file = join(this.#folder, 'manifest.json');
    const known = existsSync(file) ? (JSON.parse(readFileSync(file, 'utf8')) as Manifest) : null;
    return {
      title: 'Observations of community sensor boxes and reference stations',
      promise: PROMISE,
      updated: known?.updated ?? '',
      checked: known?.checked ?? '',
      byBox: 'boxes/{box}/manifest.json',
      columns: 'csv-metadata.json',
      licences: LICENCES,
      revisions: (this.#revisions?.list() ?? []).map(revisionView),
      files: known?.files ?? [],
    };
  }

  /** Days of [from, to), the manifest and what goes with it. Returns the files that are current; unchanged days are not written again. */
  async write(
    from: number,
    to: number,
    formats: readonly DumpFormat[],
    done: (files: number) => void = () => undefined,
    signal: AbortSignal = new AbortController().signal,
  ): Promise<DumpFile[]> {
    const files = await this.#writeDays(from, to, formats, this.#things(), done, signal);
    await this.#writeThings();
    return files;
  }

  #editions(from: number, to: number): DumpEdition[] {
    const numOf = (box: string): number | null => this.#registry.get(box)?.num ?? null;
    return editionsIn(this.#revisions?.list() ?? [], from, to, numOf);
  }

  #things(): readonly DumpThing[] {
    return this.#registry.list({ includeRetired: true }).map(dumpThing);
  }

  async #writeDays(
    from: number,
    to: number,
    formats: readonly DumpFormat[],
    things: readonly DumpThing[],
    done: (files: number) => void,
    signal: AbortSignal,
  ): Promise<DumpFile[]> {
    mkdirSync(this.#folder, { recursive: true });
    const files: DumpFile[] = [];
    for (let start = from; start < to; start += DAY) {
      if ((await this.#store.count(start, start + DAY)) === 0) continue;
      const fingerprint = await this.#fingerprint(start, things);
      for (const format of formats) {
        signal.throwIfAborted();
        files.push(await this.#writeDay(start, format, fingerprint, things));
        done(files.length);
      }
    }
    return files;
  }

  /** Before the first night there is a manifest too, and the boxes. */
  async begin(): Promise<void> {
    if (this.begun()) return;
    mkdirSync(this.#folder, { recursive: true });
    this.#save(this.manifest());
    await this.#writeThings();
  }

  begun(): boolean {
    return existsSync(join(this.#folder, 'manifest.json'));
  }

  /** Whether `nightly` has anything to do; cheap. */
  due(): boolean {
    const now = this.#clock();
    const late = new Date(now).getUTCHours() >= NIGHTLY_HOUR && this.manifest().checked !== dayName(startOfDay(now));
    return late || !this.begun();
  }

  /** Once a UTC day: days without a file, and those looked at again. */
  async nightly(): Promise<void> {
    await this.begin();
    if (!this.due()) return;
    const today = startOfDay(this.#clock());
    const first = await this.#firstDay();
    if (first !== null) {
      const things = this.#things();
      const has = new Set(this.manifest().files.map((f) => f.day));
      const { signal } = new AbortController();
      for (let day = first; day < today; day += DAY)
        if (day >= today - LOOKED_AT_AGAIN * DAY || !has.has(dayName(day)))
          await this.#writeDays(day, day + DAY, ['parquet', 'csv.gz'], things, () => undefined, signal);
      await this.#writeThings();
    }
    this.#save({ ...this.manifest(), checked: dayName(today) });
  }

  async #firstDay(): Promise<number | null> {
    const answer = await this.#store.sql({
      text: 'SELECT min("phenomenonTime") FROM observation',
      from: 0,
      to: this.#clock(),
      timeoutMs: 120_000,
    });
    const first = answer.columns[0]?.[0];
    return typeof first === 'number' ? startOfDay(first) : null;
  }

  /** What a day's rows say, in any order, and the licences under which they say it. */
  async #fingerprint(start: number, things: readonly DumpThing[]): Promise<string> {
    const { columns } = await this.#store.sql({
      text: `SELECT count(*), CAST(bit_xor(hash(o.datastream, o."phenomenonTime", o."resultTime", o.raw, o.corrected, o.lo90, o.hi90, o.flag, o.reasons, o."level", o.model)) AS VARCHAR)
             FROM observation o`,
      from: start,
      to: start + DAY,
      timeoutMs: 300_000,
    });
    const present = await this.#store.sql({
      text: 'SELECT DISTINCT datastream // 64 AS num FROM observation ORDER BY num',
      from: start,
      to: start + DAY,
      timeoutMs: 300_000,
      maxRows: 5_000_000,
    });
    const nums = new Set((present.columns[0] ?? []).map(Number));
    const terms = things.filter((t) => nums.has(t.num)).map((t) => [t.id, t.licence, t.attribution]);
    return createHash('sha256')
      .update(JSON.stringify([columns.map((c) => c[0]), terms, this.#editions(start, start + DAY), COLUMNS.length]))
      .digest('hex')
      .slice(0, 32);
  }

  async #writeDay(
    start: number,
    format: DumpFormat,
    fingerprint: string,
    things: readonly DumpThing[],
  ): Promise<DumpFile> {
    const day = dayName(start);
    const before = this.manifest().files.filter((f) => f.day === day && f.format === format);
    const newest = before.find((f) => f.current);
    if (newest?.fingerprint === fingerprint && existsSync(join(this.#folder, newest.file))) return newest;
    const revision = Math.max(0, ...before.map((f) => f.revision)) + 1;
    const file = `observations-${day}${revision === 1 ? '' : `.r${revision}`}.${format}`;
    const path = join(this.#folder, file);
    const editions = this.#editions(start, start + DAY);
    const { rows, bytes } = await this.#store.dump({ from: start, to: start + DAY, file: path, things, editions });
    const made: DumpFile = {
      file,
      format,
      day,
      revision,
      current: true,
      rows,
      bytes,
      sha256: await sha256(path),
      created: formatTime(this.#clock()),
      ...editionOf(this.#revisions?.list() ?? [], start, start + DAY),
      columns: COLUMNS.length,
      fingerprint,
    };
    const manifest = this.manifest();
    const files = manifest.files.map((f) => (f.day === day && f.format === format ? { ...f, current: false } : f));
    this.#save({ ...manifest, files: [...files, made].sort((a, b) => (a.file < b.file ? -1 : 1)) });
    return made;
  }

  #save(manifest: Manifest): void {
    const updated: Manifest = { ...manifest, updated: formatTime(this.#clock()) };
    write(join(this.#folder, 'manifest.json'), `${JSON.stringify(updated, null, 1)}\n`);
    write(join(this.#folder, 'SHA256SUMS'), manifest.files.map((f) => `${f.sha256}  ${f.file}\n`).join(''));
    write(join(this.#folder, 'csv-metadata.json'), `${JSON.stringify(columnDictionary(manifest.files), null, 1)}\n`);
  }

  /** Boxes and stations as they are now: GeoParquet, GeoJSON and CSV. */
  async #writeThings(): Promise<void> {
    const file = (name: string): string => join(this.#folder, name);
    const [geojson, csv, places] = ['boxes.geojson', 'boxes.csv', 'boxes.places.tmp'].map((name) => new PieceFile(file(name))) as [PieceFile, PieceFile, PieceFile]; // prettier-ignore
    const names = ['id', 'name', 'kind', 'lat', 'lon', 'exposure', 'project', 'sensors', 'claimed', 'retired', 'licence', 'attribution'] as const; // prettier-ignore
    let bbox: [number, number, number, number] | null = null;
    try {
      geojson.add('{"type":"FeatureCollection","features":[');
      csv.add(`${names.join(',')}\r\n`);
      let first = true;
      for (let after = 0; ;) {
        const page = this.#registry.list({ includeRetired: true, after, limit: PAGE });
        for (const t of page) {
          const row = placeOf(t);
          const { lat, lon, ...properties } = row;
          const placed = lat !== null && lon !== null;
          if (placed)
            bbox = bbox
              ? [Math.min(bbox[0], lon), Math.min(bbox[1], lat), Math.max(bbox[2], lon), Math.max(bbox[3], lat)]
              : [lon, lat, lon, lat];
          const geometry = placed ? { type: 'Point', coordinates: [lon, lat] } : null;
          const feature = JSON.stringify({ type: 'Feature', id: t.id, geometry, properties });
          geojson.add(first ? feature : `,${feature}`);
          csv.add(`${names.map((n) => cell(row[n])).join(',')}\r\n`);
          places.add(placeLine(row));
          first = false;
        }
        if (page.length < PAGE) break;
        after = page.at(-1)?.num ?? after;
        await pause();
      }
      geojson.add(']}');
      geojson.end();
      csv.end();
      places.end();
      const query: PlacesQuery = { from: 0, to: 0, file: file('boxes.parquet'), things: [], places: places.path, bbox };
      await this.#store.dump(query);
    } finally {
      for (const piece of [geojson, csv, places]) piece.drop();
      rmSync(places.path, { force: true });
    }
  }
}

/** Boxes read and written at a time: a million of them at once are more than a gigabyte. */
const PAGE = 5000;
const pause = async (): Promise<unknown> => new Promise(setImmediate);

function placeOf(t: Thing): DumpPlace {
  const place = publicPlace(t);
  return {
    id: t.id,
    name: t.name,
    kind: t.kind,
    lat: place?.lat ?? null,
    lon: place?.lon ?? null,
    exposure: t.exposure,
    project: t.project,
    sensors: t.sensors.join(';'),
    claimed: t.claimed,
    retired: t.retired,
    licence: t.licence,
    attribution: t.attribution,
  };
}

/** A text written in pieces beside its place, and put there when it is whole. */
class PieceFile {
  readonly path: string;
  #fd: number | null;
  #text = '';

  constructor(path: string) {
    this.path = path;
    this.#fd = openSync(`${path}.new`, 'w');
  }
  add(text: string): void {
    this.#text += text;
    if (this.#text.length > 1 << 20) this.#flush();
  }
  #flush(): void {
    if (this.#fd === null) return;
    writeFileSync(this.#fd, this.#text);
    this.#text = '';
  }
  end(): void {
    this.#flush();
    this.#close();
    renameSync(`${this.path}.new`, this.path);
  }
  #close(): void {
    if (this.#fd !== null) closeSync(this.#fd);
    this.#fd = null;
  }
  /** Takes away what was not ended. */
  drop(): void {
    this.#close();
    rmSync(`${this.path}.new`, { force: true });
  }
}

/** RFC 4180; a cell that a spreadsheet would take for a formula is prefixed with an apostrophe. */
function cell(value: string | number | boolean | null): string {
  if (value === null) return '';
  const text = typeof value === 'string' && /^[=+\-@\t\r]/.test(value) ? `'${value}` : String(value);
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}

const FLAGS = Object.entries(FLAG)
  .map(([name, n]) => `${n} ${name}`)
  .join(', ');

/** Name, datatype and meaning of each column, in the order of the files. */
const COLUMNS: readonly (readonly [name: string, datatype: string, description: string])[] = [
  ['box', 'string', 'Id of the box or reference station; see boxes.csv'],
  ['property', 'string', 'What was measured: pm25, pm10, temperature, humidity …'],
  ['unit', 'string', 'UCUM code of the unit of raw, corrected, lo90, hi90'],
  ['phenomenonTime', 'datetime', 'When it was measured, UTC'],
  ['resultTime', 'datetime', 'When the server received it, UTC'],
  ['raw', 'double', 'Value as the box sent it; empty where it sent none'],
  ['corrected', 'double', 'Value corrected against reference stations; empty where none can be given'],
  ['lo90', 'double', 'Lower end of the 90 % interval of the corrected value'],
  ['hi90', 'double', 'Upper end of the 90 % interval of the corrected value'],
  ['flag', 'integer', `Quality flag after QARTOD: ${FLAGS}`],
  ['reasons', 'string', 'Why flagged or not corrected: property.code, separated by ;'],
  ['correctionLevel', 'string', 'How the correction was learned'],
  ['model', 'string', 'Id of the correction model; /api/v1/models/{id} describes it'],
  ['licence', 'string', 'SPDX identifier of the licence of the box; empty = not stated, ask before you republish'],
  ['attribution', 'string', 'Who is to be named'],
  ['product', 'string', 'Edition of the value: live (as answered at its time), revised (run again an hour later or by the operator), archive (run again after a day, and after 30)'],
  ['revision', 'integer', 'Number of the revision that speaks for it, in revisions of manifest.json and at /api/v1/revisions; 0 = live'],
]; // prettier-ignore

const BOX_COLUMNS: readonly (readonly [name: string, datatype: string, description: string])[] = [
  ['id', 'string', 'Id of the box or reference station; /api/v1/boxes/{id} describes it'],
  ['name', 'string', 'Name its owner gave'],
  ['kind', 'string', 'box, or station for a reference station'],
  ['lat', 'double', 'Latitude, WGS 84; empty where no place is known'],
  ['lon', 'double', 'Longitude, WGS 84'],
  ['exposure', 'string', 'outdoor, indoor, mobile or unknown'],
  ['project', 'string', 'Project or fleet it belongs to'],
  ['sensors', 'string', 'Models of its sensors, separated by ;'],
  ['claimed', 'boolean', 'Whether somebody answers for it'],
  ['retired', 'boolean', 'Whether it has been taken down'],
  ['licence', 'string', 'SPDX identifier of the licence of its data; empty = not stated'],
  ['attribution', 'string', 'Who is to be named'],
];

/** CSV on the Web (W3C tabular metadata): the boxes and all current csv.gz files. */
function columnDictionary(files: readonly DumpFile[]): object {
  return {
    '@context': ['http://www.w3.org/ns/csvw', { '@language': 'en' }],
    'dc:title': 'Observations of community sensor boxes and reference stations',
    dialect: { header: true, encoding: 'utf-8', delimiter: ',' },
    tables: [
      {
        url: 'boxes.csv',
        tableSchema: {
          columns: BOX_COLUMNS.map(([name, datatype, description]) => ({
            name,
            titles: name,
            datatype,
            'dc:description': description,
            required: name === 'id',
          })),
          primaryKey: ['id'],
        },
      },
      ...files
        .filter((f) => f.current && f.format.startsWith('csv'))
        .map((f) => ({
          url: basename(f.file),
          // Files of before the last columns; every other has the schema below.
          ...(f.columns === COLUMNS.length ? {} : { tableSchema: rowSchema(f.columns ?? FIRST_COLUMNS) }),
        })),
    ],
    tableSchema: rowSchema(COLUMNS.length),
  };
}

const rowSchema = (columns: number): object => ({
  columns: COLUMNS.slice(0, columns).map(([name, datatype, description]) => ({
    name,
    titles: name,
    datatype,
    'dc:description': description,
    required: ['box', 'property', 'unit', 'phenomenonTime', 'resultTime', 'flag'].includes(name),
  })),
  primaryKey: ['box', 'property', 'phenomenonTime'],
});
/** Of files whose entry does not say. */
const FIRST_COLUMNS = 15;

export const DUMP_COLUMNS: readonly string[] = COLUMNS.map(([name]) => name);
