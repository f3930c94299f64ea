/** Reading rows back: fields of many points become columns again. */
import { flux, fluxExpression, type FluxParameterLike } from '@influxdata/influxdb-client';
import { PROPERTIES, PROPERTY_SLOTS } from '../../model/properties.ts';
import type { EpochMs } from '../../model/time.ts';
import { allocateColumns, type ObservationColumns } from '../store.ts';
import type { Connection } from './connection.ts';
import type { TableRow } from './tables.ts';
import {
  ASPECTS,
  SERIES,
  SLOTS,
  FIRST_TIME,
  LAST_TIME,
  MEASUREMENT,
  fieldName,
  fieldOf,
  levelIn,
  modelIn,
  type Aspect,
} from './schema.ts';

export interface Span {
  /** inclusive */
  readonly from: EpochMs;
  /** exclusive */
  readonly to: EpochMs;
}

/** What is asked for; `boxes` null = all of them. */
export interface Wanted extends Span {
  readonly boxes: readonly number[] | null;
  /** Numbers of properties; null = all of them. */
  readonly properties: readonly number[] | null;
  /** null = everything that is kept. */
  readonly aspects: readonly Aspect[] | null;
}

/** Boxes named in one question; more are asked in turn. */
export const BOXES_AT_ONCE = 250;

const clip = (t: EpochMs): EpochMs => Math.max(FIRST_TIME, Math.min(LAST_TIME, t));
const literal = (t: EpochMs): FluxParameterLike => fluxExpression(new Date(clip(Math.ceil(t))).toISOString());

/** Numbers only, so there is nothing to escape. */
const anyOf = (column: string, values: readonly (string | number)[]): string =>
  `(${values.map((v) => `r["${column}"] == "${v}"`).join(' or ')})`;

/** The fields whose name a regular expression of our own making tells best. */
function fieldsCondition({ properties, aspects }: Wanted): string {
  if (!properties && !aspects) return 'true';
  const nums = properties ?? PROPERTIES.map((p) => p.num);
  const wanted = nums.flatMap((num) => (aspects ?? ASPECTS).map((aspect) => fieldName(num, aspect)));
  return wanted.length <= 40 ? anyOf('_field', wanted) : `r._field =~ /^(${wanted.join('|')})$/`;
}

/** `from |> range |> filter` of what is wanted; `condition` is one more, on `r`. */
export function source(connection: Connection, wanted: Wanted, condition = ''): FluxParameterLike {
  const conditions = [`r._measurement == "${MEASUREMENT}"`];
  const { series } = connection;
  if (wanted.boxes) conditions.push(anyOf('box', [...new Set(wanted.boxes.map((box) => box % series))]));
  const fields = fieldsCondition(wanted);
  if (fields !== 'true') conditions.push(fields);
  if (condition !== '') conditions.push(condition);
  return fluxExpression(
    flux`from(bucket: ${connection.address.bucket})
  |> range(start: ${literal(wanted.from)}, stop: ${literal(wanted.to)})
  |> filter(fn: (r) => ${fluxExpression(conditions.join(' and '))})`.toString(),
  );
}

const KEPT = '|> keep(columns: ["_time", "_value", "_field", "box"])';

/** One field of one datastream, ascending by time. */
interface Series {
  readonly times: number[];
  readonly values: number[];
}

/** Fields by datastream as they come in. */
export class Gathered {
  readonly #fields = new Map<number, Partial<Record<Aspect, Series>>>();
  readonly #only: ReadonlySet<number> | null;
  readonly #perSeries: number;
  /** Rows: values of the field `flag`. */
  rows = 0;
  #box = '';
  #slot = 0;
  #field = '';
  #series: Series | null = null;
  #counts = false;

  /** @param series of the connection, to make numbers of boxes from tag and slot */
  constructor(only: readonly number[] | null, series = SERIES) {
    this.#only = only ? new Set(only) : null;
    this.#perSeries = series;
  }

  add({ box, slot, field, time, value }: Omit<TableRow, 'result'>): void {
    if (box !== this.#box || slot !== this.#slot || field !== this.#field) this.#turnTo(box, slot, field);
    if (!this.#series) return;
    this.#series.times.push(time);
    this.#series.values.push(value);
    if (this.#counts) this.rows++;
  }

  #turnTo(box: string, slot: number, field: string): void {
    this.#box = box;
    this.#slot = slot;
    this.#field = field;
    this.#series = null;
    this.#counts = false;
    const known = fieldOf(field);
    if (!known) return;
    const id = (slot * this.#perSeries + Number(box)) * PROPERTY_SLOTS + known.property;
    if (!Number.isInteger(id) || (this.#only && !this.#only.has(id))) return;
    let fields = this.#fields.get(id);
    if (!fields) this.#fields.set(id, (fields = {}));
    this.#series = fields[known.aspect] ??= { times: [], values: [] };
    this.#counts = known.aspect === 'flag';
  }

  *series(aspect: Aspect): Generator<[datastream: number, series: Series]> {
    for (const [id, fields] of this.#fields) if (fields[aspect]) yield [id, fields[aspect]];
  }

  /** Rows in the order (phenomenonTime, datastream). */
  columns(): ObservationColumns {
    const rows = this.#unsorted();
    const { phenomenonTime: t, datastream: d } = rows;
    return sorted(rows, (a, b) => (t[a] as number) - (t[b] as number) || (d[a] as number) - (d[b] as number));
  }

  /** Rows in the order of their datastreams, where each has one. */
  byDatastream(): ObservationColumns {
    const rows = this.#unsorted();
    const { datastream: d } = rows;
    return sorted(rows, (a, b) => (d[a] as number) - (d[b] as number));
  }

  #unsorted(): ObservationColumns {
    const length = this.rows;
    const rows = allocateColumns(length);
    let at = 0;
    for (const [id, fields] of this.#fields) {
      const flags = fields.flag;
      if (!flags) continue;
      const walk = ASPECTS.map((aspect) => ({ series: fields[aspect], next: 0 }));
      for (const time of flags.times) {
        /** The value of this very moment. */
        const value = (aspect: Aspect, none: number): number => {
          const w = walk[ASPECTS.indexOf(aspect)];
          if (!w?.series) return none;
          const { times, values } = w.series;
          while (w.next < times.length && (times[w.next] as number) < time) w.next++;
          return times[w.next] === time ? (values[w.next] as number) : none;
        };
        const model = value('model', 0);
        const kept = value('withdrawn', 0) !== 1;
        rows.datastream[at] = id;
        rows.phenomenonTime[at] = time;
        rows.resultTime[at] = time + value('latency', 0);
        rows.raw[at] = value('', NaN);
        rows.corrected[at] = kept ? value('corrected', NaN) : NaN;
        rows.lo90[at] = kept ? value('lo90', NaN) : NaN;
        rows.hi90[at] = kept ? value('hi90', NaN) : NaN;
        rows.flag[at] = value('flag', 0);
        rows.reasons[at] = value('reasons', 0);
        rows.level[at] = levelIn(model);
        rows.model[at] = modelIn(model);
        at++;
      }
    }
    return rows;
  }
}

function sorted(rows: ObservationColumns, compare: (a: number, b: number) => number): ObservationColumns {
  let inOrder = true;
  for (let i = 1; i < rows.length && inOrder; i++) inOrder = compare(i - 1, i) < 0;
  return inOrder ? rows : picked(rows, Uint32Array.from({ length: rows.length }, (_, i) => i).sort(compare));
}

/** These rows, in this order. */
export function picked(rows: ObservationColumns, order: ArrayLike<number>): ObservationColumns {
  const out = allocateColumns(order.length);
  for (const name of Object.keys(out) as (keyof ObservationColumns)[]) {
    if (name === 'length') continue;
    const [from, to] = [rows[name], out[name]];
    for (let i = 0; i < order.length; i++) to[i] = from[order[i] as number] as number;
  }
  return out;
}

/** Everything of a span about some datastreams (null = all), or null when that were more than `most` rows. */
export async function rowsOf(
  connection: Connection,
  datastreams: readonly number[] | null,
  span: Span,
  most: number,
  signal?: AbortSignal,
  aspects: readonly Aspect[] | null = null,
  properties: readonly number[] | null = null,
): Promise<ObservationColumns | null> {
  const gathered = new Gathered(datastreams, connection.series);
  for (const wanted of questions(datastreams, span, aspects, properties)) {
    const text = flux`${source(connection, wanted)} ${slotFilter(connection, wanted)} |> group() ${fluxExpression(KEPT)}`;
    await connection.query(
      text,
      (row) => {
        gathered.add(row);
        return gathered.rows <= most;
      },
      signal,
    );
    if (gathered.rows > most) return null;
  }
  return gathered.columns();
}

/** Of one box among those that share its series, sorted out by the server; of several, by us. */
function slotFilter({ series }: Connection, { boxes }: Wanted): FluxParameterLike {
  const [box = 0] = boxes ?? [];
  if (boxes?.length !== 1 || box < series) return fluxExpression('');
  return fluxExpression(`|> filter(fn: (r) => int(v: r._time) % ${SLOTS} == ${Math.floor(box / series)})`);
}

/** As many questions as it takes to name these datastreams. */
export function* questions(
  datastreams: readonly number[] | null,
  span: Span,
  aspects: readonly Aspect[] | null = null,
  ofAll: readonly number[] | null = null,
): Generator<Wanted> {
  if (!datastreams) {
    yield { ...span, boxes: null, properties: ofAll, aspects };
    return;
  }
  const boxes = [...new Set(datastreams.map((id) => Math.floor(id / PROPERTY_SLOTS)))];
  const properties = [...new Set(datastreams.map((id) => id % PROPERTY_SLOTS))];
  for (let i = 0; i < boxes.length; i += BOXES_AT_ONCE)
    yield { ...span, boxes: boxes.slice(i, i + BOXES_AT_ONCE), properties, aspects };
}

/** The newest row of each datastream with one in the span, where boxes share no series. */
export async function newest(connection: Connection, span: Span): Promise<Gathered> {
  const gathered = new Gathered(null, connection.series);
  // InfluxDB does not answer an empty span with nothing but with an error.
  if (!(span.from < span.to)) return gathered;
  const wanted = { ...span, boxes: null, properties: null, aspects: null };
  await connection.query(flux`${source(connection, wanted)} |> last() |> group() ${fluxExpression(KEPT)}`, (row) =>
    gathered.add(row),
  );
  return gathered;
}
