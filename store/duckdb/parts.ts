/**
 * The Parquet files and the list of those that count (the table `part`).
 *
 *  - A file is written under a temporary name, fsynced, renamed, and counts from the commit that lists it. Names are never
 *    used twice (they end in a generation), so a listed file is never written again.
 *  - A file that is not listed is what a killed compaction left, and is removed at start.
 *  - A file that is listed but is not what was written (size, CRC-32) is renamed to `….corrupt` and reported; the rest goes on.
 */
import { createReadStream, existsSync, mkdirSync, readdirSync, renameSync, rmSync, statSync } from 'node:fs';
import { open } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { crc32 } from 'node:zlib';
import type { DatastreamId } from '../../model/datastream.ts';
import { DAY, dayName, startOfDay, type EpochMs } from '../../model/time.ts';
import { quote } from './database.ts';

/** `days`: observations of one UTC day, or of several of one month; `hours`: hour roll-ups of one UTC month. Each is a range of datastreams. */
export type PartKind = 'days' | 'hours';

export interface Part {
  readonly kind: PartKind;
  /** No row lies before. Inside the UTC month (days), its start (hours). */
  readonly start: EpochMs;
  /** exclusive */
  readonly end: EpochMs;
  /** Generation that made it. */
  readonly version: number;
  /** Below the folder `parquet`. */
  readonly name: string;
  readonly rows: number;
  readonly bytes: number;
  readonly crc: number;
  /** Why it is no longer read; '' = it is. */
  readonly lost: string;
  /** Datastreams of its rows lie in lowest … highest. */
  readonly lowest: DatastreamId;
  readonly highest: DatastreamId;
  /** Its rows of datastreams below this have been merged into another file and no longer count here; 0 = all count. */
  readonly cut: DatastreamId;
  /** Holds a range of datastreams of its whole time, as a merge made it. false = what was moved out of `recent` at one time. */
  readonly merged: boolean;
  /** Holds values that no steps can say (encoding.ts): only then their columns, nearly always empty, are read. */
  readonly exact: boolean;
  /** Are its rows in the roll-ups of the month? (days only) */
  readonly rolled: Rolled;
}

/** `stale`: the roll-ups hold former values of its datastreams in its time. */
export type Rolled = 'yes' | 'no' | 'stale';

/** What a part is known to be before it is written. */
export interface PartPlan extends Pick<Part, 'kind' | 'start' | 'end' | 'version' | 'merged' | 'rolled'> {
  /** Tells files of one day and generation apart. */
  readonly index: number;
}

/** What is found out about a file once it is written. */
export type Written = Pick<Part, 'rows' | 'lowest' | 'highest' | 'exact'>;

export const ANY_DATASTREAM = { lowest: 0, highest: 0x7fff_ffff } as const;

/** What a reader of one generation reads. */
export interface Manifest {
  readonly generation: number;
  /** All of them. */
  readonly parts: readonly Part[];
  /** Readable files of observations, of a day or of several, ascending by start. */
  readonly days: readonly Part[];
  /** Roll-ups by start of the month; a month of which one file is lost is not here. */
  readonly months: ReadonlyMap<EpochMs, readonly Part[]>;
  /** Starts of days with recomputed values that wait in the table `amended`. */
  readonly amended: ReadonlySet<EpochMs>;
  readonly lost: readonly Part[];
}

/** Does it reach over midnight? */
export const ofSeveralDays = (part: Pick<Part, 'start' | 'end'>): boolean =>
  startOfDay(part.start) !== startOfDay(part.end - 1);
/** A file of several days that a merge made: the final form of a past month. */
export const isPiece = (part: Part): boolean => part.merged && ofSeveralDays(part);
/** Starts of the UTC days that it reaches into. */
export function* daysOfPart(part: Pick<Part, 'start' | 'end'>): Generator<EpochMs> {
  for (let day = startOfDay(part.start); day < part.end; day += DAY) yield day;
}

export const startOfMonth = (t: EpochMs): EpochMs => {
  const d = new Date(t);
  return Date.UTC(d.getUTCFullYear(), d.getUTCMonth(), 1);
};
export const endOfMonth = (t: EpochMs): EpochMs => {
  const d = new Date(t);
  return Date.UTC(d.getUTCFullYear(), d.getUTCMonth() + 1, 1);
};

export function manifestOf(generation: number, parts: readonly Part[], amended: Iterable<EpochMs>): Manifest {
  const readable = parts.filter((p) => p.lost === '');
  const days = readable.filter((p) => p.kind === 'days').sort((a, b) => a.start - b.start || a.lowest - b.lowest);
  const lost = parts.filter((p) => p.lost !== '');
  const months = new Map<EpochMs, Part[]>();
  for (const part of readable) {
    if (part.kind !== 'hours' || lost.some((p) => p.kind === 'hours' && p.start === part.start)) continue;
    const month = months.get(part.start);
    if (month) month.push(part);
    else months.set(part.start, [part]);
  }
  return { generation, parts, days, months, amended: new Set(amended), lost };
}

export const readableParts = (manifest: Manifest): Part[] => manifest.parts.filter((p) => p.lost === '');

const FOLDERS = ['days', 'months', 'hours'] as const;
const PART_NAME = /^\d{4}-\d{2}(-\d{2})?\.\d+(-\d+)?\.parquet(\.tmp)?$/;

export class PartFolder {
  readonly folder: string;

  constructor(dataFolder: string) {
    this.folder = join(dataFolder, 'parquet');
    for (const name of FOLDERS) mkdirSync(join(this.folder, name), { recursive: true });
  }

  path(part: Pick<Part, 'name'>): string {
    return join(this.folder, part.name);
  }

  static nameOf(plan: Pick<PartPlan, 'kind' | 'start' | 'end' | 'version' | 'index'>): string {
    const { kind, start, version, index } = plan;
    const folder = kind === 'days' && ofSeveralDays(plan) ? 'months' : kind;
    const when = dayName(start).slice(0, folder === 'days' ? 10 : 7);
    return `${folder}/${when}.${version}${index === 0 ? '' : `-${index}`}.parquet`;
  }

  /** All files that look like ours, by name. */
  list(): string[] {
    return FOLDERS.flatMap((folder) =>
      readdirSync(join(this.folder, folder))
        .filter((name) => PART_NAME.test(name))
        .map((name) => `${folder}/${name}`),
    );
  }

  /** Makes a file with `write(temporary path)`, which answers what is in it, and gives it its name once it is safe on disk. */
  async make(plan: PartPlan, write: (path: string) => Promise<Written>): Promise<Part> {
    const { kind, start, end, version, merged, rolled } = plan;
    const name = PartFolder.nameOf(plan);
    const path = join(this.folder, name);
    const temporary = `${path}.tmp`;
    try {
      const written = await write(temporary);
      await sync(temporary);
      const { size, crc } = await checksum(temporary);
      renameSync(temporary, path);
      await sync(dirname(path));
      return { kind, start, end, version, name, ...written, bytes: size, crc, lost: '', cut: 0, merged, rolled };
    } catch (error) {
      rmSync(temporary, { force: true });
      throw error;
    }
  }

  remove(name: string): void {
    rmSync(join(this.folder, name), { force: true });
  }

  /** A look that costs nothing: is it there and as long as it was? @returns what is wrong, '' = nothing */
  glance(part: Part): string {
    const path = this.path(part);
    if (!existsSync(path)) return 'the file is missing';
    const { size } = statSync(path);
    return size === part.bytes ? '' : `the file has ${size} bytes where ${part.bytes} were written`;
  }

  /** Reads the whole file. @returns what is wrong, '' = nothing */
  async verify(part: Part): Promise<string> {
    const seen = this.glance(part);
    if (seen !== '') return seen;
    const { crc } = await checksum(this.path(part));
    return crc === part.crc ? '' : 'its bytes are not those that were written (CRC-32 differs)';
  }

  setAside(part: Part): void {
    if (existsSync(this.path(part))) renameSync(this.path(part), `${this.path(part)}.corrupt`);
  }

  /** SQL that reads these files as one table. */
  table(parts: readonly Part[]): string {
    return `read_parquet([${parts.map((p) => quote(this.path(p))).join(', ')}], union_by_name = false)`;
  }
}

async function sync(path: string): Promise<void> {
  const handle = await open(path, 'r');
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

async function checksum(path: string): Promise<{ size: number; crc: number }> {
  let size = 0;
  let crc = 0;
  for await (const block of createReadStream(path, { highWaterMark: 1 << 20 })) {
    size += (block as Buffer).length;
    crc = crc32(block as Buffer, crc);
  }
  return { size, crc };
}
