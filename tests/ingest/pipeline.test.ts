import { describe, expect, it } from 'vitest';
import { columnsOf, modelNumbers } from '../../ingest/columns.ts';
import { judgeClock } from '../../ingest/clock.ts';
import { createPipeline } from '../../ingest/pipeline.ts';
import { createStage } from '../../calibration/create.ts';
import type { ReferenceValue } from '../../calibration/stage.ts';
import { reasonCodes } from '../../model/flags.ts';
import { DAY, HOUR, MINUTE, SECOND } from '../../model/time.ts';
import { openRegistry } from '../../registry/sqlite.ts';
import { MemoryStore } from '../../store/memory.ts';
import { bench, json, NOON, parts, record } from './parts.ts';

const iso = (t: number): string => new Date(t).toISOString();

describe('odd things in a reading that is kept', () => {
  it('are told to the owner with the payload, once a day a box', () => {
    const { send } = bench();
    const payload = json({ pm25: 12, pm2_5: 12 });
    const first = send({ payload });
    expect(first.readings[0]?.values.map((v) => v.property)).toEqual(['pm25']);
    expect(first.rejects).toMatchObject([{ thing: 'box-one-1', code: 'partly-kept', payload }]);
    expect(first.rejects[0]?.detail).toContain('pm2_5');
    expect(send({ payload, receivedAt: NOON + MINUTE }).rejects).toEqual([]);
    expect(send({ payload, receivedAt: NOON + DAY }).rejects).toHaveLength(1);
  });

  it('are not told of a redelivery', () => {
    const { send } = bench();
    const payload = json({ t: iso(NOON), pm25: 12, pm2_5: 12 });
    expect(send({ payload }, { payload }).rejects).toHaveLength(1);
  });
});

describe('what is no reading', () => {
  it('shows that the box is alive: a heartbeat without a reject, a refused packet with one', () => {
    const { registry, send } = bench();
    const { num } = registry.get('box-one-1') ?? { num: 0 };
    const beat = send({ topic: 'boxes/box-one-1/tasmota/LWT', payload: Buffer.from('Online') });
    expect(beat).toMatchObject({ rejects: [], readings: [], heard: new Map([[num, NOON]]) });
    const wrong = send({ payload: Buffer.from('{'), receivedAt: NOON + MINUTE });
    expect(wrong).toMatchObject({ rejects: [{ code: 'bad-json' }], heard: new Map([[num, NOON + MINUTE]]) });
    // Whoever is not vouched for moves nothing.
    expect(send({ topic: 'tele/tasmota_1/LWT', sender: '', payload: Buffer.from('Online') }).heard.size).toBe(0);
  });
});

describe('clocks', () => {
  it.each([
    ['now', 0, 'box'],
    ['two minutes ahead, still believed', 2 * MINUTE, 'box'],
    ['two minutes and a millisecond ahead', 2 * MINUTE + 1, 'received'],
    ['a year late (SD card)', -365 * DAY, 'box'],
    ['the first moment of 2015', Date.UTC(2015, 0, 1) - NOON, 'box'],
    ['the last moment of 2014', Date.UTC(2015, 0, 1) - 1 - NOON, 'received'],
    ['1970', -NOON, 'received'],
    ['not a number', NaN, 'received'],
  ] as const)('%s', (_, offset, clock) => {
    const judged = judgeClock(NOON + offset, NOON);
    expect(judged).toEqual({ clock, phenomenonTime: clock === 'box' ? NOON + offset : NOON });
  });

  it('one that was a year ahead for a moment: hours of stations close at their end, and the stage is told the time', () => {
    const told: number[] = [];
    const hours: ReferenceValue[] = [];
    const stage = createStage();
    const registry = openRegistry(':memory:');
    registry.addMany([{ id: 'station-1', kind: 'station', lat: 25.035, lon: 121.56 }], NOON - 1000);
    const pipeline = createPipeline(
      parts(registry, {
        stage: {
          ...stage,
          advance: (now) => void told.push(now),
          reference: (values) => void hours.push(...values),
        },
      }),
    );
    const at = (receivedAt: number, pm25: number, seq: number) =>
      pipeline.process([
        record(seq, {
          receivedAt,
          topic: 'boxes/station-1/json',
          sender: 'station-1',
          payload: json({ t: iso(Math.min(receivedAt, NOON + 2 * HOUR)), pm25 }),
        }),
      ]);
    at(NOON, 1, 1);
    at(NOON + 365 * DAY, 99, 2);
    hours.length = 0;
    for (let m = 10; m <= 70; m += 10) at(NOON + m * MINUTE, m, 3 + m);
    expect(hours).toEqual([]);
    expect(told.at(-1)).toBe(NOON + 70 * MINUTE);
    at(NOON + 2 * HOUR + 2 * MINUTE, 5, 99);
    expect(hours).toEqual([{ station: 'station-1', time: NOON + HOUR, pm25: 65 }]);
  });

  it('a reading whose clock is not believed says so in the stored row', async () => {
    const { send } = bench();
    const { readings } = send(
      { payload: json({ t: iso(NOON + HOUR), pm25: 12 }) },
      { sender: 'box-two-2', topic: 'boxes/box-two-2/json', payload: json({ t: iso(NOON - 5000), pm25: 12 }) },
    );
    const models = modelNumbers(new MemoryStore());
    await models.learn(readings);
    const rows = columnsOf(readings, models);
    const found = [...rows.phenomenonTime].map((t, i) => [t, reasonCodes(rows.reasons[i] as number).includes('clock')]);
    expect(found).toEqual([
      [NOON - 5000, false],
      [NOON, true],
    ]);
  });
});

describe('duplicates', () => {
  const timeless = { payload: json({ pm25: 12 }), packetId: 7 };

  it('a redelivery without own time counts once within ten minutes', () => {
    const { send } = bench();
    expect(send(timeless).readings).toHaveLength(1);
    const again = send({ ...timeless, receivedAt: NOON + 10 * MINUTE - 1000 });
    expect([again.readings.length, again.duplicates]).toEqual([0, 1]);
    expect(send({ ...timeless, receivedAt: NOON + 21 * MINUTE }).readings).toHaveLength(1);
  });

  it('a clock that was set back does not keep equal packets for redeliveries, but for a while', () => {
    const { send } = bench();
    send({ ...timeless, receivedAt: NOON + 9 * DAY });
    expect(send({ ...timeless, receivedAt: NOON }).duplicates).toBe(1);
    send({ ...timeless, packetId: 8, receivedAt: NOON + 11 * MINUTE });
    expect(send({ ...timeless, receivedAt: NOON + 22 * MINUTE }).readings).toHaveLength(1);
  });

  it.each([
    ['another packet id', { packetId: 8 }],
    ['another payload', { payload: json({ pm25: 13 }) }],
    ['another sender', { sender: 'box-two-2', topic: 'boxes/box-two-2/json' }],
  ])('%s is another reading', (_, change) => {
    const { send } = bench();
    send(timeless);
    expect(send({ ...timeless, receivedAt: NOON + SECOND, ...change }).readings).toHaveLength(1);
  });

  it('equal QoS 0 payloads are equal measurements, not redeliveries', () => {
    const { send } = bench();
    const minute = (n: number) => send({ ...timeless, packetId: 0, receivedAt: NOON + n * MINUTE });
    expect([minute(0), minute(1), minute(2)].map((b) => b.readings.length)).toEqual([1, 1, 1]);
  });

  it('a redelivery with own time does not reach QC a second time', () => {
    const { send } = bench();
    const timed = { payload: json({ t: iso(NOON - MINUTE), pm25: 12 }) };
    send(timed);
    expect(send({ ...timed, receivedAt: NOON + DAY }).duplicates).toBe(1);
  });

  it('another value for a time that is taken goes on to the store, which makes it a conflict', async () => {
    const { send } = bench();
    const store = new MemoryStore();
    const models = modelNumbers(store);
    for (const pm25 of [12, 13]) {
      const batch = send({ payload: json({ t: iso(NOON - MINUTE), pm25 }) });
      await models.learn(batch.readings);
      await store.append(columnsOf(batch.readings, models), batch.rejects, batch.seq);
    }
    expect((await store.rejects({ limit: 9 })).map((r) => r.code)).toEqual(['conflict']);
    expect(await store.count(0, NOON)).toBe(1);
  });
});

describe('rejects say what to change', () => {
  it.each([
    ['unknown-format', { topic: 'boxes/box-one-1/xml' }, /"xml" is no payload format.*json, lass/],
    ['unknown-box', { topic: 'boxes/never-registered/json' }, /register it/],
    ['unknown-topic', { topic: 'weather/here', sender: '' }, /no box format is spoken/],
    ['unknown-topic', { topic: 'boxes/box-one-1/json/extra' }, /boxes\/<id>\/<format>\/batch/],
    ['bad-json', { payload: new TextEncoder().encode('{"pm25": nan}') }, /not JSON/],
    ['no-values', { payload: json({ pm25: 'high' }) }, /pm25/],
    ['no-time', { topic: 'boxes/box-one-1/json/batch', payload: json([{ pm25: 1 }, { pm25: 2 }]) }, /RFC 3339/],
  ])('%s', (code, packet, detail) => {
    const { rejects } = bench().send(packet);
    expect(rejects.map((r) => r.code)).toEqual([code]);
    expect(rejects[0]?.detail).toMatch(detail);
  });

  it('retired boxes', () => {
    const { registry, send } = bench();
    registry.retire('box-one-1', NOON);
    expect(send({ payload: json({ pm25: 1 }) }).rejects[0]?.code).toBe('retired-box');
  });

  it('bytes that are no journal packet', () => {
    const { pipeline } = bench();
    const { rejects } = pipeline.process([{ seq: 1, bytes: new Uint8Array([9, 9]) }]);
    expect(rejects[0]?.code).toBe('bad-record');
  });

  it('the payload kept is a copy of at most 4 KiB', () => {
    const { rejects } = bench().send({ payload: new Uint8Array(10_000).fill(0x7b) });
    expect(rejects[0]?.payload.length).toBe(4096);
    expect(rejects[0]?.payload.buffer.byteLength).toBe(4096);
  });

  it('a failing stage costs the correction, not the reading', () => {
    const registry = openRegistry(':memory:');
    registry.addMany([{ id: 'box-one-1' }], NOON);
    const real = parts(registry);
    const broken = { ...real.stage, check: (): never => { throw new Error('singular matrix'); } }; // prettier-ignore
    const out = createPipeline({ ...real, stage: broken }).process([record(1, { payload: json({ pm25: 12 }) })]);
    expect(out.problem).toMatch(/singular matrix/);
    expect(out.readings[0]?.values[0]).toMatchObject({ raw: 12, flag: 2, corrected: null });
  });
});

describe('open topics', () => {
  const lass = (id: string, more = '') =>
    new TextEncoder().encode(
      `|ver_format=3|FAKE_GPS=1|app=PM25|ver_app=0.9.3|device_id=${id}|tick=1|date=2026-11-21|time=08:00:00|device=Ameba|s_d0=22.00|s_t0=24.1|s_h0=61|gps_lat=25.033|gps_lon=121.565${more}|`,
    );
  const open = (id: string, more = '') => ({ topic: `LASS/Test/PM25/${id}`, sender: '', payload: lass(id, more) });

  it('make an unclaimed box of the native id, once, at the place the packet says', () => {
    const { registry, send } = bench();
    const first = send(open('FT1_001')).readings[0];
    expect(first?.values.find((v) => v.property === 'pm25')?.raw).toBe(22);
    const thing = registry.get(first?.thing ?? '');
    expect(thing).toMatchObject({ claimed: false, nativeId: 'FT1_001', format: 'lass' });
    expect(thing?.place?.lat).toBeCloseTo(25.033, 3);
    expect(send(open('FT1_001', '|s_d1=30')).readings[0]?.thing).toBe(first?.thing);
  });

  it('are refused past the limit of unclaimed boxes, with the name of the setting', () => {
    const { send } = bench();
    const out = send(open('A1'), open('A2'), open('A3'), open('A4'));
    expect(out.readings).toHaveLength(3);
    expect(out.rejects[0]).toMatchObject({ code: 'unclaimed-limit' });
    expect(out.rejects[0]?.detail).toMatch(/LAMPPOST_MAX_UNCLAIMED/);
  });
});

describe('reference stations', () => {
  const station = { topic: 'boxes/station-1/json', sender: 'station-1' };

  it('give hour means to the stage once the hour is over, and are stored uncorrected', () => {
    const registry = openRegistry(':memory:');
    registry.addMany([{ id: 'station-1', kind: 'station', lat: 25, lon: 121 }], NOON);
    const real = parts(registry);
    const seen: unknown[] = [];
    const stage = { ...real.stage, reference: (values: unknown) => void seen.push(values) };
    const pipeline = createPipeline({ ...real, stage });
    let seq = 0;
    const at = (minute: number, pm25: number) =>
      pipeline.process([
        record(++seq, {
          ...station,
          receivedAt: NOON + minute * MINUTE,
          payload: json({ t: iso(NOON + minute * MINUTE), pm25 }),
        }),
      ]);
    expect(at(0, 10).readings[0]?.values[0]).toMatchObject({ raw: 10, flag: 1, corrected: null, model: '' });
    at(30, 20);
    at(60, 50);
    expect(seen).toEqual([]);
    at(61, 50);
    expect(seen).toEqual([[{ station: 'station-1', time: NOON, pm25: 15 }]]);
  });

  it('a value outside the gross range fails and is no reference', () => {
    const { send } = bench();
    expect(send({ ...station, payload: json({ pm25: 5000 }) }).readings[0]?.values[0]?.flag).toBe(4);
  });
});

describe('changes in the registry', () => {
  it('reach the stage with the next reading, and only when they concern it', () => {
    const registry = openRegistry(':memory:');
    registry.addMany([{ id: 'box-one-1', lat: 25, lon: 121 }, { id: 'box-two-2' }], NOON);
    const real = parts(registry);
    const told: unknown[] = [];
    const stage = {
      ...real.stage,
      setBox: (box: { id: string; lat: number | null }) => void told.push([box.id, box.lat]),
    };
    const pipeline = createPipeline({ ...real, stage });
    let seq = 0;
    const send = (n: number) =>
      pipeline.process([record(++seq, { receivedAt: NOON + n, payload: json({ t: iso(NOON + n), pm25: 10 }) })]);
    send(1);
    expect(told).toEqual([['box-one-1', 25]]);
    registry.update('box-one-1', { name: 'Balcony' }, NOON);
    send(2);
    expect(told).toHaveLength(1);
    registry.move('box-one-1', { lat: 26, lon: 121, height: null, from: NOON });
    send(3);
    expect(told.at(-1)).toEqual(['box-one-1', 26]);
  });
});
