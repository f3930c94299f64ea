/** How the steps of compaction (`compaction.ts`) are done: new files, and what changes in the list of files. */
import type { DuckDBConnection } from '@duckdb/node-api';
import { DAY, HOUR, startOfDay, type EpochMs } from '../../model/time.ts';
import { bucketOf, hourRows, ranges, type CompactionLimits, type Range, type Step } from './compaction.ts';
import { numbers, one, quote } from './database.ts';
import { encode, PARQUET } from './encoding.ts';
import { extendFromRecent } from './extents.ts';
import { rollUp } from './hours.ts';
import {
  ANY_DATASTREAM,
  endOfMonth,
  manifestOf,
  ofSeveralDays,
  startOfMonth,
  type Manifest,
  type Part,
  type PartFolder,
  type PartPlan,
  type Rolled,
  type Written,
} from './parts.ts';
import { fromParts, inHours, observations, rectangle, within, type Span } from './source.ts';

export interface Change {
  readonly made: readonly Part[];
  /** Files that count no longer. */
  readonly gone: readonly Part[];
  /** Files of which only datastreams from `cut` on go on counting. */
  readonly trimmed?: readonly Part[];
  readonly rolled?: ReadonlyMap<string, Rolled>;
  /** Days without recomputed values in waiting. */
  readonly folded?: readonly EpochMs[];
}

/** What a step works with; `generation` is the one it makes. */
export interface Workshop {
  readonly connection: DuckDBConnection;
  readonly folder: PartFolder;
  readonly manifest: Manifest;
  readonly generation: number;
  readonly limits: CompactionLimits;
}

/**
 * Rows of a row group. In a file where many datastreams lie side by side, finding one costs DuckDB some 85 µs a row group and as much
 * again for 2000 rows of the one that holds it.
 */
const ROW_GROUP = { days: 61_440, several: 30_720, hours: 30_720 } as const;

/** Writes one file; `layout` is how its columns lie. */
export async function copy(
  connection: DuckDBConnection,
  select: string,
  path: string,
  plan: Pick<Part, 'kind' | 'start' | 'end'>,
): Promise<Written> {
  const rowGroup = plan.kind === 'days' && ofSeveralDays(plan) ? ROW_GROUP.several : ROW_GROUP[plan.kind];
  const layout = plan.kind === 'days' ? 'observations' : 'hours';
  const [rows = 0] = await one(connection, `COPY (${select}) TO ${quote(path)} ${PARQUET(layout, rowGroup)}`);
  if (rows === 0) return { rows, ...ANY_DATASTREAM, exact: false };
  const ids = `CASE WHEN path_in_schema = 'datastream' THEN`;
  const [lowest = 0, highest = 0, exact = 1] = await one(
    connection,
    `SELECT min(${ids} stats_min_value::INTEGER END), max(${ids} stats_max_value::INTEGER END),
       bool_or(path_in_schema LIKE '%Exact' AND coalesce(stats_null_count, 0) < num_values)::INTEGER
     FROM parquet_metadata(${quote(path)})`,
  );
  return { rows, lowest, highest, exact: exact === 1 };
}

const make = async (
  { connection, folder, generation }: Workshop,
  plan: Omit<PartPlan, 'version' | 'index'>,
  select: string,
  index = 0,
): Promise<Part> =>
  folder.make({ ...plan, version: generation, index }, async (path) => copy(connection, select, path, plan));

const inRange = ({ lowest, highest }: Range): string => `datastream BETWEEN ${lowest} AND ${highest}`;
const SORTED = { days: 'ORDER BY datastream, "phenomenonTime"', hours: 'ORDER BY datastream, hour' } as const;

/** Inside a transaction: all that a day has into one file, day by day. */
export async function whole(shop: Workshop, step: Extract<Step, { kind: 'whole' }>): Promise<Change> {
  const { connection, folder, manifest } = shop;
  const made: Part[] = [];
  try {
    for (const { day, parts } of step.days) {
      const span: Span = { from: day, to: day + DAY };
      const rolled = parts.every((p) => p.rolled === 'no') ? 'no' : 'stale';
      const source = encode(observations(folder, manifest, { span, days: parts }));
      made.push(await make(shop, { kind: 'days', start: span.from, end: span.to, merged: true, rolled }, source));
      await extendFromRecent(connection, within(span));
      await connection.run(`DELETE FROM recent WHERE ${within(span)}`);
      await connection.run(`DELETE FROM amended WHERE ${within(span)}`);
    }
  } catch (error) {
    for (const part of made) folder.remove(part.name);
    throw error;
  }
  return { made, gone: step.days.flatMap((d) => d.parts), folded: step.days.map((d) => d.day) };
}

/** Ranges of datastreams that are moved one after the other. */
export const rangesToMove = async (
  connection: DuckDBConnection,
  step: Extract<Step, { kind: 'move' }>,
  limits: CompactionLimits,
): Promise<Range[]> =>
  ranges(
    connection,
    `SELECT datastream FROM recent WHERE ${within({ from: step.day, to: step.to })}`,
    step.rows,
    limits.fileRows,
  );

/** Inside a transaction: rows of a range out of `recent` into a file of their own. */
export async function move(shop: Workshop, step: Extract<Step, { kind: 'move' }>, range: Range): Promise<Change> {
  const { connection } = shop;
  const condition = `${within({ from: step.day, to: step.to })} AND ${inRange(range)}`;
  const [rows = 0, first = 0, last = 0] = await one(
    connection,
    `SELECT count(*), coalesce(min("phenomenonTime"), 0), coalesce(max("phenomenonTime"), 0) FROM recent WHERE ${condition}`,
  );
  if (rows === 0) return { made: [], gone: [] };
  const part = await make(
    shop,
    { kind: 'days', start: first, end: last + 1, merged: false, rolled: 'no' },
    encode(`SELECT * FROM recent WHERE ${condition}`),
  );
  await extendFromRecent(connection, condition);
  await connection.run(`DELETE FROM recent WHERE ${condition}`);
  return { made: [part], gone: [] };
}

/** Inside a transaction: recomputed values into a file of a large day or of several days. */
export async function amend(shop: Workshop, step: Extract<Step, { kind: 'amend' }>): Promise<Change> {
  const { connection, folder, manifest } = shop;
  const { part } = step;
  const { kind, start, end, merged } = part;
  const span: Span = { from: startOfDay(start), to: startOfDay(end - 1) + DAY };
  const made = await make(
    shop,
    { kind, start, end, merged, rolled: part.rolled === 'no' ? 'no' : 'stale' },
    encode(observations(folder, manifest, { span, days: [part], filesOnly: true })),
  );
  await connection.run(
    `DELETE FROM amended USING (SELECT datastream, "phenomenonTime" FROM ${folder.table([made])}) f
     WHERE amended.datastream = f.datastream AND amended."phenomenonTime" = f."phenomenonTime"`,
  );
  const left = await numbers(
    connection,
    `SELECT DISTINCT ("phenomenonTime" // ${DAY}) * ${DAY} FROM amended WHERE ${within(span)}`,
  );
  const waiting = new Set(left.map(([day]) => day));
  const folded = [...manifest.amended].filter((d) => d >= span.from && d < span.to && !waiting.has(d));
  return { made: [made], gone: [part], folded };
}

/** Ranges of datastreams that a merge takes one after the other. */
export const rangesToMerge = async (
  { connection, folder }: Pick<Workshop, 'connection' | 'folder'>,
  parts: readonly Part[],
  fileRows: number,
): Promise<Range[]> => {
  const datastreams = fromParts(folder, parts, 'datastream', 'true').join(' UNION ALL ');
  // Files of the second schema version do not say what they hold.
  const known = parts.every((p) => p.highest < ANY_DATASTREAM.highest);
  const [lowest = 0, highest = 0] = known
    ? []
    : await one(connection, `SELECT min(datastream), max(datastream) FROM (${datastreams})`);
  return ranges(
    connection,
    datastreams,
    parts.reduce((n, p) => n + p.rows, 0),
    fileRows,
    { from: Math.max(...parts.map((p) => p.cut)), bucket: bucketOf(known ? parts : [{ lowest, highest }]) },
  );
};

/** One range of datastreams out of several files into one; the files go on counting for what lies behind. */
export async function merge(shop: Workshop, parts: readonly Part[], range: Range): Promise<Change> {
  const { folder } = shop;
  const [{ kind, rolled }] = parts as [Part];
  const last = range.highest === ANY_DATASTREAM.highest;
  const start = Math.min(...parts.map((p) => p.start));
  const rows = (columns: string): string => fromParts(folder, parts, columns, inRange(range)).join(' UNION ALL ');
  // As they lie: each row says itself how it is encoded.
  const select = `SELECT * FROM (${rows('*')}) ${SORTED[kind]}`;
  const made = await make(
    shop,
    { kind, start, end: Math.max(...parts.map((p) => p.end)), merged: true, rolled },
    select,
  );
  const used = made.rows === 0 ? [] : [made];
  if (made.rows === 0) folder.remove(made.name);
  return last ? { made: used, gone: parts } : { made: used, ...(await trim(shop, parts, range)) };
}

/** These files without a range of datastreams and what lies below it. */
async function trim(
  { connection, folder }: Workshop,
  parts: readonly Part[],
  range: Range,
): Promise<Pick<Change, 'gone'> & { trimmed: readonly Part[] }> {
  const cut = range.highest + 1;
  const trimmed: Part[] = [];
  for (const part of parts) {
    const [taken = 0] = await one(
      connection,
      `SELECT count(*) FROM (${fromParts(folder, [part], '1', `datastream < ${cut}`).join('')})`,
    );
    trimmed.push({ ...part, cut, rows: part.rows - taken });
  }
  return { gone: trimmed.filter((p) => p.rows === 0), trimmed: trimmed.filter((p) => p.rows > 0) };
}

/** Ranges of datastreams that go to one file of a past month each, ascending, without a gap. */
export function rangesToFold(pieces: readonly Part[]): { readonly range: Range; readonly piece: string }[] {
  const sorted = [...pieces].sort((a, b) => a.highest - b.highest);
  const { highest } = ANY_DATASTREAM;
  if (sorted.length === 0) return [{ range: { lowest: 0, highest }, piece: '' }];
  return sorted.map((p, i) => ({
    range: {
      lowest: i === 0 ? 0 : (sorted[i - 1] as Part).highest + 1,
      highest: i === sorted.length - 1 ? highest : p.highest,
    },
    piece: p.name,
  }));
}

/** All of one file and a range of datastreams of files of late rows into one; null = the file is gone or was never there. */
export async function fold(shop: Workshop, piece: Part | null, late: readonly Part[], range: Range): Promise<Change> {
  const { connection, folder } = shop;
  const rows = fromParts(folder, late, '*', inRange(range));
  const [added = 0] = await one(connection, `SELECT count(*) FROM (${rows.join(' UNION ALL ')})`);
  const made: Part[] = [];
  if (added > 0) {
    const sources = piece ? [piece, ...late] : late;
    const plan = {
      kind: 'days',
      start: Math.min(...sources.map((p) => p.start)),
      end: Math.max(...sources.map((p) => p.end)),
      merged: true,
      rolled: 'yes',
    } as const;
    if (piece) rows.push(...fromParts(folder, [piece], '*', 'true'));
    made.push(await make(shop, plan, `SELECT * FROM (${rows.join(' UNION ALL ')}) ${SORTED.days}`));
  }
  const rest = range.highest === ANY_DATASTREAM.highest ? { gone: late, trimmed: [] } : await trim(shop, late, range);
  return { made, gone: [...rest.gone, ...(piece && added > 0 ? [piece] : [])], trimmed: rest.trimmed };
}

/** Hours of files of observations. */
export async function sumUp(shop: Workshop, step: Extract<Step, { kind: 'rollUp' }>): Promise<Change> {
  const { connection, folder, manifest, limits } = shop;
  const { month, parts, stale } = step;
  const before = manifest.months.get(month) ?? [];
  const made: Part[] = [];
  const gone: Part[] = [];
  const plan = { kind: 'hours', start: month, end: endOfMonth(month), rolled: 'yes' } as const;
  const rolled = new Map<string, Rolled>([...parts, ...stale].map((p) => [p.name, 'yes']));
  const fromStale = stale.length === 0 ? [] : withinStale(shop, stale);
  const encoded = [...fromParts(folder, parts, '*', 'true'), ...fromStale].join(' UNION ALL ');
  const fresh = rollUp(`(${encoded})`);
  const former = stale.map((p) => `(${rectangle(p)} AND ${inHours(p)})`).join(' OR ');
  const kept = stale.length === 0 ? 'true' : `NOT (${former})`;
  const old = (p: readonly Part[]): string => fromParts(folder, p, '*', kept).join(' UNION ALL ');
  const [streams = 0] = await one(connection, `SELECT approx_count_distinct(datastream) FROM (${encoded})`);
  const days = new Set(parts.map((p) => startOfDay(p.start))).size;
  const rows = hourRows(
    parts.reduce((n, p) => n + p.rows, 0),
    streams,
    days,
  );
  const stored = before.reduce((n, p) => n + p.rows, 0);
  try {
    if (before.length > 0 && stored + rows <= limits.monthRows) {
      const all = `SELECT * FROM ((${old(before)}) UNION ALL (${fresh})) ${SORTED.hours}`;
      made.push(await make(shop, { ...plan, merged: true }, all));
      gone.push(...before);
    } else {
      if (stale.length > 0)
        for (const part of before) {
          const [count = 0] = await one(connection, `SELECT count(*) FROM ${folder.table([part])} WHERE ${former}`);
          if (count === 0) continue;
          const { merged } = part;
          made.push(await make(shop, { ...plan, merged }, `${old([part])} ${SORTED.hours}`, made.length));
          gone.push(part);
        }
      const merged = before.length === 0;
      made.push(await make(shop, { ...plan, merged }, `SELECT * FROM (${fresh}) ${SORTED.hours}`, made.length));
    }
  } catch (error) {
    for (const part of made) folder.remove(part.name);
    throw error;
  }
  return { made, gone, rolled };
}

/** Rows of files in the roll-ups that lie in the time and datastreams of one of these. */
function withinStale({ folder, manifest }: Workshop, stale: readonly Part[]): string[] {
  const rolled = manifest.days.filter((p) => p.rolled !== 'no');
  const touched = rolled.filter((p) => stale.some((s) => s.start < p.end && s.end > p.start && s.lowest <= p.highest && s.highest >= p.lowest)); // prettier-ignore
  const condition = stale.map((p) => `(${rectangle(p)} AND ${inHours(p, `"phenomenonTime" // ${HOUR}`)})`).join(' OR ');
  return fromParts(folder, touched, '*', `(${condition})`);
}

/** The roll-ups of a month, lost ones included, count no longer. */
export function forget({ manifest }: Workshop, step: Extract<Step, { kind: 'forget' }>): Change {
  const days = manifest.days.filter((p) => startOfMonth(p.start) === step.month);
  return {
    made: [],
    gone: manifest.parts.filter((p) => p.kind === 'hours' && p.start === step.month),
    rolled: new Map(days.map((p) => [p.name, 'no'])),
  };
}

/** Writes a change into the list of files, inside the transaction that is open. @returns the manifest that goes with it */
export async function list({ connection, manifest, generation }: Workshop, change: Change): Promise<Manifest> {
  const { made, gone, trimmed = [], rolled = new Map<string, Rolled>(), folded = [] } = change;
  const sources = [...gone, ...trimmed].filter((p) => p.kind === 'days').map((p) => quote(p.name));
  const [extended = 1] =
    sources.length === 0
      ? [1]
      : await one(
          connection,
          `SELECT coalesce(bool_and(extended), true)::INTEGER FROM part WHERE name IN (${sources.join(', ')})`,
        );
  for (const part of made) await connection.run(insertPart(part, extended === 1));
  for (const part of gone) await connection.run(`DELETE FROM part WHERE name = ${quote(part.name)}`);
  for (const { name, cut, rows } of trimmed)
    await connection.run(`UPDATE part SET cut = ${cut}, "rows" = ${rows} WHERE name = ${quote(name)}`);
  for (const [name, state] of rolled)
    await connection.run(`UPDATE part SET rolled = ${quote(state)} WHERE name = ${quote(name)}`);
  await connection.run(`UPDATE generation SET num = ${generation}`);
  const changed = new Map(trimmed.map((p) => [p.name, p]));
  const away = new Set(gone.map((p) => p.name));
  const parts = manifest.parts
    .filter((p) => !away.has(p.name))
    .map((p) => changed.get(p.name) ?? p)
    .map((p) => (rolled.has(p.name) ? { ...p, rolled: rolled.get(p.name) as Rolled } : p));
  const amended = [...manifest.amended].filter((day) => !folded.includes(day));
  return manifestOf(generation, [...parts, ...made], amended);
}

/** @param extended whether the rows are in the table `extent` */
export function insertPart(part: Part, extended: boolean): string {
  const { kind, start, end, version, name, rows, bytes, crc, lost, lowest, highest, cut, merged, exact, rolled } = part;
  return `INSERT INTO part VALUES (${quote(kind)}, ${start}, ${end}, ${version}, ${quote(name)}, ${rows}, ${bytes}, ${crc}, ${quote(lost)},
    ${lowest}, ${highest}, ${cut}, ${merged}, ${quote(rolled)}, ${extended || kind === 'hours'}, ${exact})`;
}

export async function readParts(connection: DuckDBConnection): Promise<Part[]> {
  const rows = (await connection.runAndReadAll('SELECT * FROM part')).getRowObjectsJS();
  const number = (row: Record<string, unknown>, name: string): number => Number(row[name]);
  return rows.map((row) => ({
    kind: row['kind'] === 'hours' ? 'hours' : 'days',
    start: number(row, 'start'),
    end: number(row, 'end'),
    version: number(row, 'version'),
    name: row['name'] as string,
    rows: number(row, 'rows'),
    bytes: number(row, 'bytes'),
    crc: number(row, 'crc'),
    lost: row['lost'] as string,
    lowest: number(row, 'lowest'),
    highest: number(row, 'highest'),
    cut: number(row, 'cut'),
    merged: row['merged'] === true,
    exact: row['exact'] === true,
    rolled: row['rolled'] as Rolled,
  }));
}
