/**
 * The bulk files of one box by month, at `/dumps/boxes/{id}/`: a Parquet and a csv.gz each, named in a manifest of the box.
 * They are made when the manifest is first asked for, since most of a million boxes will never be; looked at again once a
 * day. As with the daily files a file never changes: what is learned later is a new revision beside it.
 */
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { RevisionEntry, RevisionReader } from '../api/options.ts';
import { PROPERTY_SLOTS } from '../model/properties.ts';
import { dayName, formatTime } from '../model/time.ts';
import type { Registry, Thing } from '../registry/registry.ts';
import type { BulkStore } from '../store/store.ts';
import { DUMP_COLUMNS, dumpThing, editionOf, editionsIn, PROMISE, sha256, write, type DumpFile } from './dumps.ts';

const FORMATS = ['parquet', 'csv.gz'] as const;
/** Months written for one request; the next request goes on. */
const MAX_MONTHS = 6;
/** Requests that wait for their files. */
const MAX_WAITING = 20;

export interface BoxDumpFile extends Omit<DumpFile, 'day'> {
  /** UTC month of the observations: `2026-10`. */
  readonly month: string;
}

export interface BoxManifest {
  readonly box: string;
  readonly promise: string;
  readonly updated: string;
  /** UTC day of the last look. */
  readonly checked: string;
  readonly columns: string;
  readonly licence: string;
  readonly attribution: string;
  /** Full months that are not written yet: ask again. */
  readonly pending: readonly string[];
  readonly files: readonly BoxDumpFile[];
}

const monthName = (t: number): string => new Date(t).toISOString().slice(0, 7);
const monthStart = (t: number, after = 0): number => {
  const d = new Date(t);
  return Date.UTC(d.getUTCFullYear(), d.getUTCMonth() + after);
};

export class BoxDumps {
  readonly #folder: string;
  readonly #store: BulkStore;
  readonly #registry: Registry;
  readonly #clock: () => number;
  readonly #revisions: () => readonly RevisionEntry[];
  #turn: Promise<unknown> = Promise.resolve();
  #waiting = 0;

  constructor(
    folder: string,
    store: BulkStore,
    registry: Registry,
    clock: () => number = Date.now,
    revisions: Pick<RevisionReader, 'list'> | null = null,
  ) {
    this.#folder = folder;
    this.#store = store;
    this.#registry = registry;
    this.#clock = clock;
    this.#revisions = () => revisions?.list() ?? [];
  }

  /** The manifest with the files of all full months; null = no such box, `busy` = too many ask at once. */
  async manifest(id: string): Promise<BoxManifest | 'busy' | null> {
    const thing = this.#registry.get(id);
    if (!thing) return null;
    const known = this.#read(thing);
    if (known.checked === dayName(this.#clock()) && known.pending.length === 0) return known;
    if (this.#waiting >= MAX_WAITING) return 'busy';
    this.#waiting++;
    // One at a time: the store has other work.
    const mine = this.#turn.then(() => this.#look(thing));
    this.#turn = mine.catch(() => undefined);
    try {
      return await mine;
    } finally {
      this.#waiting--;
    }
  }

  #path = (thing: Thing, file: string): string => join(this.#folder, 'boxes', thing.id, file);

  #read(thing: Thing): BoxManifest {
    const file = this.#path(thing, 'manifest.json');
    const known = existsSync(file) ? (JSON.parse(readFileSync(file, 'utf8')) as BoxManifest) : null;
    return {
      box: thing.id,
      promise: PROMISE,
      updated: known?.updated ?? '',
      checked: known?.checked ?? '',
      columns: '../../csv-metadata.json',
      licence: thing.licence,
      attribution: thing.attribution,
      pending: known?.pending ?? [],
      files: known?.files ?? [],
    };
  }

  async #ask(thing: Thing, what: string, from: number, to: number): Promise<unknown[]> {
    const first = thing.num * PROPERTY_SLOTS;
    const { columns } = await this.#store.sql({
      text: `SELECT ${what} FROM observation o WHERE o.datastream BETWEEN $1 AND $2`,
      params: [first, first + PROPERTY_SLOTS - 1],
      from,
      to,
      timeoutMs: 60_000,
      only: { things: [thing.num] },
    });
    return columns.map((c) => c[0]);
  }

  async #look(thing: Thing): Promise<BoxManifest> {
    const now = this.#clock();
    const thisMonth = monthStart(now);
    let manifest = this.#read(thing);
    const [oldest] = await this.#ask(thing, 'min(o."phenomenonTime")', 0, thisMonth);
    const pending: string[] = [];
    let written = 0;
    mkdirSync(this.#path(thing, ''), { recursive: true });
    // Newest first: they are asked for most.
    const first = typeof oldest === 'number' ? monthStart(oldest) : thisMonth;
    for (let from = monthStart(thisMonth, -1); from >= first; from = monthStart(from, -1)) {
      if (written >= MAX_MONTHS) {
        if (!manifest.files.some((f) => f.month === monthName(from))) pending.push(monthName(from));
        continue;
      }
      const made = await this.#writeMonth(thing, from, manifest.files);
      if (made.length === 0) continue;
      written++;
      const replaced = (f: BoxDumpFile): BoxDumpFile => (f.month === monthName(from) ? { ...f, current: false } : f);
      manifest = { ...manifest, files: [...manifest.files.map(replaced), ...made] };
    }
    manifest = {
      ...manifest,
      pending,
      updated: formatTime(now),
      checked: dayName(now),
      files: manifest.files.toSorted((a, b) => (a.file < b.file ? -1 : 1)),
    };
    write(this.#path(thing, 'manifest.json'), `${JSON.stringify(manifest, null, 1)}\n`);
    return manifest;
  }

  /** The new files of a month; none where it says what it said. */
  async #writeMonth(thing: Thing, from: number, before: readonly BoxDumpFile[]): Promise<BoxDumpFile[]> {
    const to = monthStart(from, 1);
    const month = monthName(from);
    const [rows, hash] = await this.#ask(
      thing,
      'count(*), CAST(bit_xor(hash(o.datastream, o."phenomenonTime", o."resultTime", o.raw, o.corrected, o.lo90, o.hi90, o.flag, o.reasons, o."level", o.model)) AS VARCHAR)',
      from,
      to,
    );
    if (Number(rows) === 0) return [];
    const editions = editionsIn(this.#revisions(), from, to, (box) => (box === thing.id ? thing.num : null));
    const fingerprint = createHash('sha256')
      .update(JSON.stringify([String(hash), thing.licence, thing.attribution, editions, DUMP_COLUMNS.length]))
      .digest('hex')
      .slice(0, 32);
    const own = before.filter((f) => f.month === month);
    if (own.some((f) => f.current && f.fingerprint === fingerprint)) return [];
    const revision = Math.max(0, ...own.map((f) => f.revision)) + 1;
    const made: BoxDumpFile[] = [];
    for (const format of FORMATS) {
      const file = `observations-${thing.id}-${month}${revision === 1 ? '' : `.r${revision}`}.${format}`;
      const path = this.#path(thing, file);
      const size = await this.#store.dump({ from, to, file: path, things: [dumpThing(thing)], editions });
      made.push({
        file,
        format,
        month,
        revision,
        current: true,
        ...size,
        sha256: await sha256(path),
        created: formatTime(this.#clock()),
        ...editionOf(this.#revisions(), from, to, thing.id),
        columns: DUMP_COLUMNS.length,
        fingerprint,
      });
    }
    return made;
  }
}
