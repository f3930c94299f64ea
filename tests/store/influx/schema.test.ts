/** Line protocol, Flux answers and field names, without a server. */
import * as fc from '../../property.ts';
import { describe, expect, it } from 'vitest';
import { datastreamId } from '../../../model/datastream.ts';
import { PROPERTIES } from '../../../model/properties.ts';
import { columnsOf } from '../../../store/columns.ts';
import { encodePoints, linesOf } from '../../../store/influx/lines.ts';
import { Gathered } from '../../../store/influx/rows.ts';
import { ASPECTS, fieldName, fieldOf, unfit } from '../../../store/influx/schema.ts';
import { readTable, slotOf, timeOf, type TableRow } from '../../../store/influx/tables.ts';

const T = Date.UTC(2026, 10, 1);
const linesIn = (...args: Parameters<typeof encodePoints>): string[] => {
  const points = encodePoints(...args);
  return Array.from({ length: points.length }, (_, i) => {
    const line = Buffer.from(linesOf(points, i, i + 1)).toString('latin1');
    expect(line.endsWith('\n')).toBe(true);
    return line.slice(0, -1);
  });
};
const all = (n: number): number[] => Array.from({ length: n }, (_, i) => i);

describe('points', () => {
  it('a reading is one line; what is nothing is left out', () => {
    const rows = columnsOf([
      { datastream: datastreamId(17, 'pm25'), phenomenonTime: T, resultTime: T + 1234, raw: 31, corrected: 16.5, lo90: 9.1, hi90: 24, model: 3, level: 3 },
      { datastream: datastreamId(17, 'humidity'), phenomenonTime: T, resultTime: T + 1234, raw: 88, reasons: 512, flag: 3 },
      { datastream: datastreamId(17, 'co2'), phenomenonTime: T, resultTime: T - 5, raw: NaN, flag: 9 },
      { datastream: datastreamId(18, 'pm25'), phenomenonTime: T, resultTime: T, raw: -0.1, flag: 2 },
    ]); // prettier-ignore
    expect(linesIn(rows, all(4))).toEqual([
      'observation,box=17 pm25_flag=1,pm25_corrected=16.5,pm25_lo90=9.1,pm25_hi90=24,pm25_model=51,pm25_latency=1234,pm25=31,' +
        'humidity_flag=3,humidity_reasons=512,humidity_latency=1234,humidity=88,co2_flag=9,co2_latency=-5 1793491200000000000',
      'observation,box=18 pm25_flag=2,pm25_latency=0,pm25=-0.1 1793491200000000000',
    ]);
    expect(T).toBe(1793491200000);
  });

  it('a rewrite says everything, and neither raw value nor times', () => {
    const rows = columnsOf([
      { datastream: datastreamId(17, 'pm25'), phenomenonTime: T, raw: 1, corrected: 2, lo90: 1, hi90: 3 },
      { datastream: datastreamId(17, 'pm25'), phenomenonTime: T + 1, raw: 1, flag: 4 },
    ]);
    expect(linesIn(rows, all(2), { again: true })).toEqual([
      `observation,box=17 pm25_flag=1,pm25_corrected=2,pm25_lo90=1,pm25_hi90=3,pm25_model=0,pm25_reasons=0,pm25_withdrawn=0 ${T}000000`,
      `observation,box=17 pm25_flag=4,pm25_model=0,pm25_reasons=0,pm25_withdrawn=1 ${T + 1}000000`,
    ]);
  });

  it('every number reads back as the very same one, and in as few letters as any decimal', () => {
    const number = fc.oneof(
      fc.double({ noNaN: true, noDefaultInfinity: true }),
      fc.integer({ min: -(2 ** 31), max: 2 ** 31 }).map((n) => n / 1000),
      fc.integer({ min: -99_999, max: 99_999 }).map((n) => n / 10),
      fc.maxSafeInteger(),
      fc.constantFrom(0, -0, 1e21, 1e-7, 0.1 + 0.2, 2 ** 53, 0.001, -0.001, 9.005, 1e15 + 0.5),
    );
    const times = fc.integer({ min: 0, max: 9_223_372_036_853 });
    const box = fc.integer({ min: 1, max: 2 ** 25 - 1 });
    fc.assert(
      fc.property(fc.array(fc.tuple(box, times, number, number), { minLength: 1, maxLength: 20 }), (told) => {
        const rows = columnsOf(
          told.map(([num, t, raw, corrected]) => ({
            datastream: datastreamId(num, 'pm25'), phenomenonTime: t, resultTime: t, raw, corrected, lo90: corrected, hi90: raw,
          })), // prettier-ignore
        );
        const lines = told.map(([num, t, raw, corrected]) => {
          const [r, c] = [String(raw + 0), String(corrected + 0)];
          const slot = String(Math.floor(num / 8192)).padStart(6, '0');
          return `observation,box=${num % 8192} pm25_flag=1,pm25_corrected=${c},pm25_lo90=${c},pm25_hi90=${r},pm25_latency=0,pm25=${r} ${t}${slot}`;
        });
        const points = encodePoints(rows, all(told.length));
        expect(Buffer.from(linesOf(points, 0, points.length)).toString('latin1').replace(/\n$/, '').split('\n'))
          .toHaveLength(points.length); // prettier-ignore
        // Neighbours of one box and moment share a line; chance makes none here.
        fc.pre(points.length === told.length);
        expect(linesIn(rows, all(told.length))).toEqual(lines);
      }),
    );
  });

  it('boxes beyond the number of series share them, each in its own nanoseconds', () => {
    const rows = columnsOf([
      { datastream: datastreamId(8191, 'pm25'), phenomenonTime: T, raw: 1 },
      { datastream: datastreamId(8192, 'pm25'), phenomenonTime: T, raw: 2 },
      { datastream: datastreamId(8192 * 122 + 17, 'pm25'), phenomenonTime: T, raw: 3 },
    ]);
    expect(linesIn(rows, all(3)).map((line) => line.replace(/ .* /, ' '))).toEqual([
      `observation,box=8191 ${T}000000`,
      `observation,box=0 ${T}000001`,
      `observation,box=17 ${T}000122`,
    ]);
    const gathered = new Gathered(null);
    const time = '2026-11-01T00:00:00.000000122Z';
    gathered.add({ box: '17', slot: slotOf(time), field: 'pm25_flag', time: timeOf(time), value: 1 });
    expect([...gathered.columns().datastream]).toEqual([datastreamId(8192 * 122 + 17, 'pm25')]);
  });

  it('no field of one property is taken for another', () => {
    const names = PROPERTIES.flatMap((p) => ASPECTS.map((aspect) => fieldName(p.num, aspect)));
    expect(new Set(names).size).toBe(names.length);
    for (const p of PROPERTIES)
      for (const aspect of ASPECTS) expect(fieldOf(fieldName(p.num, aspect))).toEqual({ property: p.num, aspect });
    expect(fieldOf('pm25_mean')).toBeUndefined();
  });

  it('says what cannot be told to InfluxDB', () => {
    const id = datastreamId(1, 'pm25');
    const row = { datastream: id, phenomenonTime: T, raw: 1 };
    const rows = columnsOf([
      row,
      { ...row, raw: Infinity },
      { ...row, phenomenonTime: 9.3e12 },
      { ...row, datastream: 127 },
    ]);
    expect(all(4).map((i) => unfit(rows, i))).toEqual([
      '',
      'the value is not a finite number',
      'times from 1970 to 2262 can be kept',
      'the property is not known',
    ]);
  });
});

describe('times of Flux answers', () => {
  it('are read to the millisecond', () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 9_223_372_036_000 }), (t) => {
        expect(timeOf(new Date(t).toISOString())).toBe(t);
        expect(timeOf(new Date(t).toISOString().replace(/\.?0*Z$/, 'Z'))).toBe(t);
      }),
    );
    expect(timeOf('2026-11-01T00:00:00.001Z')).toBe(T + 1);
    expect(timeOf('2026-11-01T00:00:00.123456789Z')).toBe(T + 123);
    expect(slotOf('2026-11-01T00:00:00.123456789Z')).toBe(456_789);
    expect(slotOf('2026-11-01T00:00:00.12300004Z')).toBe(40);
    expect(slotOf('2026-11-01T00:00:00.123Z')).toBe(0);
    expect(slotOf('2026-11-01T00:00:00Z')).toBe(0);
    expect(timeOf('2026-11-01T08:00:00+08:00')).toBe(T);
  });
});

describe('Flux answers', () => {
  const answer = [
    '#default,a,,,,,',
    ',result,table,_time,_value,_field,box',
    ',,0,2026-11-01T00:00:00Z,1,pm25_flag,17',
    ',,0,2026-11-01T00:01:00Z,3,pm25_flag,17',
    ',,0,2026-11-01T00:00:00Z,12.5,pm25,17',
    '',
    '#default,b,,',
    ',result,table,_value',
    ',,1,7',
    '',
    '',
  ].join('\r\n');
  const read = async (text: string, cut: number, most = Infinity): Promise<TableRow[]> => {
    const bytes = new TextEncoder().encode(text);
    async function* chunks() {
      for (let i = 0; i < bytes.length; i += cut) yield bytes.subarray(i, i + cut);
    }
    const rows: TableRow[] = [];
    await readTable(chunks(), (row) => rows.push(row) < most);
    return rows;
  };

  it('are the same however the network cuts them', async () => {
    const whole = await read(answer, 1e6);
    expect(whole.map((r) => [r.result, r.time, r.value, r.field, r.box])).toEqual([
      ['a', T, 1, 'pm25_flag', '17'],
      ['a', T + 60_000, 3, 'pm25_flag', '17'],
      ['a', T, 12.5, 'pm25', '17'],
      ['b', NaN, 7, '', ''],
    ]);
    for (let cut = 1; cut < 60; cut++) expect(await read(answer, cut)).toEqual(whole);
  });

  it('end where the reader has enough', async () => {
    expect((await read(answer, 7, 2)).length).toBe(2);
  });

  it('that fail on their way say so', async () => {
    const failed = `${answer}\r\nerror,reference\r\n"runtime error @3: cannot ""sum"", sorry",897\r\n`;
    await expect(read(failed, 11)).rejects.toThrow('InfluxDB could not answer: runtime error @3: cannot "sum", sorry');
    const annotated = `#default,,\r\n,error,reference\r\n,out of memory,\r\n`;
    await expect(read(annotated, 5)).rejects.toThrow('InfluxDB could not answer: out of memory');
  });

  it('become rows again, in order, a withdrawn value without its number', () => {
    const gathered = new Gathered(null);
    const one = (field: string, time: number, value: number, box = '17'): void =>
      gathered.add({ box, slot: 0, field, time, value });
    one('pm25_flag', T, 1);
    one('pm25_flag', T + 1, 3);
    one('pm25', T, 31);
    one('pm25_corrected', T, 16.5);
    one('pm25_corrected', T + 1, 99);
    one('pm25_withdrawn', T + 1, 1);
    one('pm25_model', T, 51);
    one('pm25_latency', T, 1234);
    one('humidity_flag', T, 9, '3');
    one('not_ours', T, 9, '3');
    const rows = gathered.columns();
    expect([...rows.datastream]).toEqual([
      datastreamId(3, 'humidity'),
      datastreamId(17, 'pm25'),
      datastreamId(17, 'pm25'),
    ]);
    expect([...rows.corrected]).toEqual([NaN, 16.5, NaN]);
    expect([...rows.resultTime]).toEqual([T, T + 1234, T + 1]);
    expect([...rows.model]).toEqual([0, 3, 0]);
    expect([...rows.level]).toEqual([0, 3, 0]);
    expect([...rows.raw]).toEqual([NaN, 31, NaN]);
  });
});
