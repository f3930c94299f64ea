/** Every question of the Grafana dashboard, asked of a real server that holds a day of three boxes. */
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { InfluxDB, type QueryApi } from '@influxdata/influxdb-client';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { datastreamId } from '../../../model/datastream.ts';
import { DAY, HOUR, MINUTE } from '../../../model/time.ts';
import { columnsOf } from '../../../store/columns.ts';
import type { InfluxAddress } from '../../../store/influx/connection.ts';
import { SERIES } from '../../../store/influx/schema.ts';
import { InfluxStore } from '../../../store/influx/store.ts';
import { some, T0 } from '../contract.ts';
import { newBucket, NO_INFLUX, stopServer } from './server.ts';

interface Panel {
  readonly title: string;
  readonly targets?: readonly { readonly query?: string }[];
}
const { panels, templating } = JSON.parse(
  await readFile(new URL('../../../grafana/dashboards/lamppost.json', import.meta.url), 'utf8'),
) as { panels: Panel[]; templating: { list: { name: string; query: string }[] } };
const asked = panels.flatMap((p) =>
  (p.targets ?? []).flatMap((t, i) => (t.query === undefined ? [] : [{ name: `${p.title} ${i + 1}`, query: t.query }])),
);

/** The second shares the series of the first and is told apart by its slot. */
const BOXES = [7, SERIES + 7, 9] as const;

describe.skipIf(NO_INFLUX !== '')(`the questions of the Grafana dashboard${NO_INFLUX}`, () => {
  let folder: string;
  let address: InfluxAddress;
  let api: QueryApi;
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'lamppost-grafana-'));
    address = await newBucket();
    api = new InfluxDB({ url: address.url, token: address.token }).getQueryApi(address.org);
    const store = await InfluxStore.open(folder, address);
    const rows = [];
    for (const [i, box] of BOXES.entries())
      for (let t = T0; t < T0 + DAY; t += 5 * MINUTE)
        rows.push(
          some(datastreamId(box, 'pm25'), t, 27 + i, {
            flag: i === 2 ? 4 : i === 1 && t >= T0 + 12 * HOUR ? 3 : 1,
            ...(i === 2 ? {} : { corrected: 17 + i, lo90: 5, hi90: 30, level: 3 }),
          }),
        );
    await store.append(columnsOf(rows), [], 0);
    // What a recompute took back in the last hour must not be drawn.
    const last = rows.filter((r) => r.datastream === datastreamId(7, 'pm25') && r.phenomenonTime >= T0 + 23 * HOUR);
    await store.rewrite(columnsOf(last.map((r) => ({ ...r, corrected: NaN, lo90: NaN, hi90: NaN, level: 0 }))));
    await store.close();
  });
  afterAll(async () => {
    await rm(folder, { recursive: true, force: true });
    await stopServer();
  });

  /** As Grafana's Flux data source asks: variables put into the text, the span as the option `v`. */
  const ask = async (query: string, box: number = BOXES[0]): Promise<Record<string, unknown>[]> => {
    const text = query
      .replaceAll('${bucket}', address.bucket)
      .replaceAll('${property}', 'pm25')
      .replaceAll('${box}', String(box))
      .replaceAll('${series}', String(box % SERIES))
      .replaceAll('${slot}', String(Math.floor(box / SERIES)));
    expect(text).not.toContain('${');
    const span = `timeRangeStart: ${new Date(T0).toISOString()}, timeRangeStop: ${new Date(T0 + DAY).toISOString()}, windowPeriod: 1h`;
    const lines = text.split('\n');
    const imports = lines.filter((l) => l.startsWith('import '));
    const rest = lines.filter((l) => !l.startsWith('import '));
    return api.collectRows<Record<string, unknown>>([...imports, `option v = {${span}}`, ...rest].join('\n'));
  };
  const answerOf = async (title: string, n = 1, box?: number): Promise<Record<string, unknown>[]> => {
    const found = asked.find((a) => a.name.includes(title) && a.name.endsWith(` ${n}`));
    return ask(found?.query ?? `no question "${title}"`, box);
  };

  it.each(asked)('$name has an answer', async ({ query }) => {
    expect((await ask(query)).length).toBeGreaterThan(0);
  });

  it('raw of the whole day, corrected with its interval but for what was taken back', async () => {
    const raw = await answerOf('Raw and corrected', 1);
    expect(raw.map((r) => r['raw'])).toEqual(Array(24).fill(27));
    const corrected = await answerOf('Raw and corrected', 2);
    expect(corrected).toHaveLength(23);
    expect(corrected[0]).toMatchObject({ corrected: 17, lo90: 5, hi90: 30 });
    const neighbour = await answerOf('Raw and corrected', 2, BOXES[1]);
    expect(neighbour.map((r) => r['corrected'])).toEqual(Array(24).fill(18));
  });

  it('counts boxes, flags and silence as they are', async () => {
    expect((await answerOf('Boxes that report')).map((r) => r['boxes'])).toEqual(Array(24).fill(3));
    const suspect = (await answerOf('Share of flags', 1)).map((r) => r['suspect'] as number);
    expect([suspect[0], suspect[23]]).toEqual([0, 1 / 3]);
    expect((await answerOf('Share of flags', 2)).map((r) => r['bad'])).toEqual(Array(24).fill(1 / 3));
    expect(new Set((await answerOf('Silent the longest')).map((r) => r['thing']))).toEqual(new Set(BOXES));
    expect((await answerOf('Median of each hour', 1))[0]).toMatchObject({ median: 17.5 });
  });

  it('a number of a box becomes its series and its slot', async () => {
    const variable = async (name: string): Promise<unknown> => {
      const query = templating.list.find((v) => v.name === name)?.query ?? '';
      return (await ask(query, BOXES[1]))[0]?.['_value'];
    };
    expect([await variable('series'), await variable('slot')]).toEqual(['7', '1']);
  });
});
