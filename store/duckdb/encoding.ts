/**
 * How observations lie in a Parquet file. Decimal numbers become whole steps (12.3 µg/m³ with one decimal = 123), because
 * sorted by datastream and time these differ little from row to row and pack into a few bits; doubles do not.
 * `decimals` is the smallest number (0–4) that suits all values of the datastream in the file that the row was first written to. A value that is no such
 * decimal number is kept as a double in `…Exact`, so every value comes back to the last bit.
 *
 *   raw        = rawSteps / 10^decimals, else rawExact, else none (flag 9)
 *   corrected  = correctedSteps / 10^correctedDecimals, lo90 = (correctedSteps − below) / 10^…, hi90 = (… + above) / 10^…,
 *                else the three …Exact, else none
 *   resultTime = phenomenonTime + latency [ms]
 *
 * Measured on a synthetic day of minutes with sensor noise (DuckDB 1.5, zstd): 3.5 bytes a row; plain readable columns 6.7.
 */
const DECIMALS = 4;
/** Steps fit into 32 bits. */
const LARGEST = 2e9;

const steps = (x: string, d: number): string => `round(${x} * ${10 ** d})`;
const suits = (x: string, d: number): string =>
  `(abs(${x}) < ${LARGEST / 10 ** d} AND ${steps(x, d)} / ${10 ** d} = ${x})`;

/** The decimals this value needs, -1 when none up to DECIMALS will do. */
const needed = (x: string): string =>
  `CASE ${Array.from({ length: DECIMALS + 1 }, (_, d) => `WHEN ${suits(x, d)} THEN ${d}`).join(' ')} ELSE -1 END`;

const scale = (d: string): string =>
  `CASE ${d} ${[0, 1, 2, 3].map((n) => `WHEN ${n} THEN ${10 ** n}`).join(' ')} ELSE 1e${DECIMALS} END`;

/** Has this value been kept as steps with these decimals? NaN has not. */
const isSteps = (x: string, factor: string): string =>
  `(abs(${x}) * ${factor} < ${LARGEST} AND round(${x} * ${factor}) / ${factor} = ${x})`;

const whole = (x: string): string => `${x}::INTEGER`;

/** SELECT that encodes the rows of `source` (columns as in the table `recent`), sorted for the file. */
export function encode(source: string): string {
  const three = ['corrected', 'lo90', 'hi90'];
  return `
    WITH source AS NOT MATERIALIZED (${source}),
    scales AS (
      SELECT datastream, greatest(max(${needed('raw')}), 0) AS d,
        greatest(${three.map((x) => `max(${needed(x)})`).join(', ')}, 0) AS cd
      FROM source GROUP BY datastream
    ),
    scaled AS (
      SELECT source.*, d, cd, ${scale('d')}::DOUBLE AS f, ${scale('cd')}::DOUBLE AS cf
      FROM source JOIN scales USING (datastream)
    ),
    judged AS (
      SELECT *, ${isSteps('raw', 'f')} AS ok, (${three.map((x) => isSteps(x, 'cf')).join(' AND ')}) AS cok FROM scaled
    )
    SELECT datastream, "phenomenonTime", "resultTime" - "phenomenonTime" AS latency, d::UTINYINT AS decimals,
      CASE WHEN ok THEN ${whole('round(raw * f)')} END AS "rawSteps",
      CASE WHEN NOT ok AND NOT isnan(raw) THEN raw END AS "rawExact",
      cd::UTINYINT AS "correctedDecimals",
      CASE WHEN cok THEN ${whole('round(corrected * cf)')} END AS "correctedSteps",
      CASE WHEN cok THEN round(corrected * cf)::BIGINT - round(lo90 * cf)::BIGINT END AS below,
      CASE WHEN cok THEN round(hi90 * cf)::BIGINT - round(corrected * cf)::BIGINT END AS above,
      ${three.map((x) => `CASE WHEN NOT cok AND NOT isnan(${x}) THEN ${x} END AS "${x}Exact"`).join(', ')},
      flag, reasons, "level", model
    FROM judged ORDER BY datastream, "phenomenonTime"`;
}

/** The columns of an encoded file as those of the table `recent`; each column that is named costs, empty or not. */
const columns = (exact: (name: string) => string): string => `
  datastream, "phenomenonTime", "phenomenonTime" + latency AS "resultTime",
  coalesce("rawSteps" / ${scale('decimals')}, ${exact('raw')}'NaN'::DOUBLE) AS raw,
  coalesce("correctedSteps" / ${scale('"correctedDecimals"')}, ${exact('corrected')}'NaN'::DOUBLE) AS corrected,
  coalesce(("correctedSteps" - below) / ${scale('"correctedDecimals"')}, ${exact('lo90')}'NaN'::DOUBLE) AS lo90,
  coalesce(("correctedSteps" + above) / ${scale('"correctedDecimals"')}, ${exact('hi90')}'NaN'::DOUBLE) AS hi90,
  flag, reasons, "level", model`;
export const DECODED = columns((name) => `"${name}Exact", `);
/** The same of a file without exact values. */
export const DECODED_STEPS = columns(() => '');

/** Delta-packed integers under zstd; dictionaries only hide the order that makes them small. */
export const PARQUET = (layout: string, rowGroup: number): string =>
  `(FORMAT parquet, COMPRESSION zstd, PARQUET_VERSION v2, DICTIONARY_SIZE_LIMIT 1, ROW_GROUP_SIZE ${rowGroup},
    KV_METADATA {software: 'lamppost', layout: '${layout}', description: 'docs/store.md'})`;
