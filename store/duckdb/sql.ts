/** Read-only SQL over the observations, for services that ask more than `range` can say. */
import { StatementType, type DuckDBValue } from '@duckdb/node-api';
import type { SqlAnswer, SqlQuery, SqlValue } from '../store.ts';
import type { View } from './queries.ts';
import { observations } from './source.ts';

const MAX_ROWS = 10_000;

function plain(value: DuckDBValue): SqlValue {
  if (value === null || typeof value === 'string' || typeof value === 'number' || typeof value === 'boolean')
    return value;
  if (typeof value === 'bigint') return Number(value);
  return String(value);
}

/** @throws RangeError for anything but a single SELECT */
export async function sql(view: View, query: SqlQuery): Promise<SqlAnswer> {
  const { connection } = view;
  const maxRows = query.maxRows ?? MAX_ROWS;
  const source = observations(view.folder, view.manifest, { span: query });
  const text = `WITH observation AS (${source}) SELECT * FROM (${query.text}\n) LIMIT ${Math.trunc(maxRows) + 1}`;
  const statements = await connection.extractStatements(text);
  if (statements.count !== 1) throw new RangeError('one SELECT is wanted, not several statements');
  const statement = await statements.prepare(0);
  try {
    if (statement.statementType !== StatementType.SELECT) throw new RangeError('only SELECT may be asked');
    for (const [i, param] of (query.params ?? []).entries()) {
      const at = i + 1;
      if (param === null) statement.bindNull(at);
      else if (typeof param === 'string') statement.bindVarchar(at, param);
      else if (typeof param === 'boolean') statement.bindBoolean(at, param);
      else if (Number.isSafeInteger(param)) statement.bindBigInt(at, BigInt(param));
      else statement.bindDouble(at, param);
    }
    const result = await statement.run();
    const columns = (await result.getColumns()).map((column) => column.slice(0, maxRows).map(plain));
    const found = result.rowCount;
    const names = result.columnNames();
    const rows = Math.min(found, maxRows);
    return { names, columns: names.map((_, c) => columns[c] ?? []), rows, cut: found > maxRows };
  } finally {
    statement.destroySync();
  }
}
