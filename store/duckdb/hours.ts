/**
 * Hour roll-ups: one row a datastream and UTC hour with what every coarser mean is made of. Sums are kept as whole steps in
 * the decimals of the row files where possible (see `encoding.ts`), else as doubles.
 */
import type { Partial } from '../bins.ts';

const HOUR_MS = 3_600_000;

/** Names of the numbers of a partial in the order every query here answers them, all DOUBLE, none NULL. */
export const PARTIAL_COLUMNS = [
  'start',
  'total',
  'rawCount',
  'rawSum',
  'rawMin',
  'rawMax',
  'correctedCount',
  'correctedSum',
  'correctedMin',
  'correctedMax',
  'lo90Sum',
  'hi90Sum',
] as const satisfies readonly (keyof Partial)[];

const USED = `(flag IN (1, 2) AND NOT isnan(raw))`;
const GIVEN = `(NOT isnan(corrected))`;
const orNaN = (x: string): string => `coalesce(${x}, 'NaN'::DOUBLE)`;

/** Partials of decoded rows, by bins of `unit` ms that lie at `phase + n × unit`. */
export function partialsOfRows(source: string, unit: number, phase: number, group = ''): string {
  return `SELECT ${group} ((("phenomenonTime" - ${phase}) // ${unit}) * ${unit} + ${phase})::DOUBLE AS start,
      count(*)::DOUBLE AS total,
      (count(*) FILTER ${where(USED)})::DOUBLE AS "rawCount",
      ${orNaN(`sum(raw) FILTER ${where(USED)}`)} AS "rawSum",
      ${orNaN(`min(raw) FILTER ${where(USED)}`)} AS "rawMin",
      ${orNaN(`max(raw) FILTER ${where(USED)}`)} AS "rawMax",
      (count(*) FILTER ${where(GIVEN)})::DOUBLE AS "correctedCount",
      ${orNaN(`sum(corrected) FILTER ${where(GIVEN)}`)} AS "correctedSum",
      ${orNaN(`min(corrected) FILTER ${where(GIVEN)}`)} AS "correctedMin",
      ${orNaN(`max(corrected) FILTER ${where(GIVEN)}`)} AS "correctedMax",
      ${orNaN(`sum(lo90) FILTER ${where(GIVEN)}`)} AS "lo90Sum",
      ${orNaN(`sum(hi90) FILTER ${where(GIVEN)}`)} AS "hi90Sum"
    FROM (${source}) GROUP BY ALL`;
}

function where(condition: string): string {
  return `(WHERE ${condition})`;
}

/** Roll-up rows of encoded row files, straight from their steps; an hour of two files with different decimals has a row of each. */
export function rollUp(encoded: string): string {
  const used = 'flag IN (1, 2)';
  // Where a single value of the hour is no decimal number, the whole hour is kept in doubles.
  const pair = (name: string, stepped: string, exact: string, odd: string): string =>
    `CASE WHEN ${odd} = 0 THEN ${stepped} END AS "${name}", CASE WHEN ${odd} > 0 THEN ${exact} END AS "${name}Exact"`;
  const raw = `"rawSteps" / f`;
  const oddRaw = `count("rawExact") FILTER ${where(used)}`;
  const oddCorrected = `count("correctedExact")`;
  const all = (column: string, exact: string): string => `coalesce(${column} / cf, ${exact})`;
  return `
    SELECT datastream, ("phenomenonTime" // ${HOUR_MS})::INTEGER AS hour, count(*)::INTEGER AS total,
      decimals, "correctedDecimals",
      (count("rawSteps") FILTER ${where(used)} + ${oddRaw})::INTEGER AS "rawCount",
      ${pair('rawSum', `(sum("rawSteps") FILTER ${where(used)})::BIGINT`, `sum(coalesce(${raw}, "rawExact")) FILTER ${where(used)}`, oddRaw)},
      ${pair('rawMin', `min("rawSteps") FILTER ${where(used)}`, `min(coalesce(${raw}, "rawExact")) FILTER ${where(used)}`, oddRaw)},
      ${pair('rawMax', `max("rawSteps") FILTER ${where(used)}`, `max(coalesce(${raw}, "rawExact")) FILTER ${where(used)}`, oddRaw)},
      (count("correctedSteps") + ${oddCorrected})::INTEGER AS "correctedCount",
      ${pair('correctedSum', `sum("correctedSteps")::BIGINT`, `sum(${all('"correctedSteps"', '"correctedExact"')})`, oddCorrected)},
      ${pair('correctedMin', `min("correctedSteps")`, `min(${all('"correctedSteps"', '"correctedExact"')})`, oddCorrected)},
      ${pair('correctedMax', `max("correctedSteps")`, `max(${all('"correctedSteps"', '"correctedExact"')})`, oddCorrected)},
      ${pair('belowSum', `sum(below)::BIGINT`, `sum(coalesce(below / cf, "correctedExact" - "lo90Exact"))`, oddCorrected)},
      ${pair('aboveSum', `sum(above)::BIGINT`, `sum(coalesce(above / cf, "hi90Exact" - "correctedExact"))`, oddCorrected)}
    FROM (SELECT *, power(10, decimals) AS f, power(10, "correctedDecimals") AS cf FROM ${encoded})
    GROUP BY datastream, hour, decimals, "correctedDecimals"`;
}

/** Partials out of roll-up rows. */
export function partialsOfHours(files: string, exact: boolean): string {
  const value = (name: string, decimals: string): string =>
    orNaN(`coalesce("${name}" / power(10, ${decimals})${exact ? `, "${name}Exact"` : ''})`);
  const rawOf = (name: string): string => `${value(name, 'decimals')} AS "${name}"`;
  const correctedOf = (name: string): string => `${value(name, '"correctedDecimals"')} AS "${name}"`;
  return `
    SELECT hour::DOUBLE * ${HOUR_MS} AS start, total::DOUBLE AS total, "rawCount"::DOUBLE AS "rawCount",
      ${rawOf('rawSum')}, ${rawOf('rawMin')}, ${rawOf('rawMax')},
      "correctedCount"::DOUBLE AS "correctedCount",
      ${correctedOf('correctedSum')}, ${correctedOf('correctedMin')}, ${correctedOf('correctedMax')},
      ${value('correctedSum', '"correctedDecimals"')} - ${value('belowSum', '"correctedDecimals"')} AS "lo90Sum",
      ${value('correctedSum', '"correctedDecimals"')} + ${value('aboveSum', '"correctedDecimals"')} AS "hi90Sum"
    FROM ${files}`;
}
