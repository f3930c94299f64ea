import { describe, expect, test } from 'vitest';
import { ACCEPTED, PING, PONG, connectBytes, puback, publishBytes, rig, until } from './harness.ts';

describe('acknowledgement', () => {
  test('PUBACK leaves only after accept resolved, in the order of the publishes', async () => {
    const release: (() => void)[] = [];
    const r = await rig({ accept: () => new Promise((resolve) => release.push(resolve)) });
    const raw = await r.raw();
    await raw.login();
    for (const id of [7, 8, 9]) raw.write(publishBytes('LASS/Test/PM25', `reading ${id}`, 1, id));
    await until(() => release.length === 3);
    // the later two are durable first; the ping is answered, but no acknowledgement overtakes the first
    release[2]?.();
    release[1]?.();
    raw.write(PING);
    expect(await raw.read(2)).toEqual(PONG);
    expect(raw.rest.length).toBe(0);
    expect(r.broker.stats()).toMatchObject({ publishes: 3, accepted: 2 });
    release[0]?.();
    expect(await raw.read(12)).toEqual(Buffer.concat([puback(7), puback(8), puback(9)]));
    expect(r.broker.stats()).toMatchObject({ accepted: 3, pendingBytes: 0 });
  });

  test('QoS 2: PUBREC leaves after accept, a publish sent again is not accepted again', async () => {
    const r = await rig();
    const raw = await r.raw();
    await raw.login();
    raw.write(publishBytes('LASS/a', 'once', 2, 5));
    expect(await raw.read(4)).toEqual(Buffer.from([0x50, 2, 0, 5]));
    raw.write(publishBytes('LASS/a', 'once', 2, 5, 8));
    expect(await raw.read(4)).toEqual(Buffer.from([0x50, 2, 0, 5]));
    expect(r.accepted.length).toBe(1);
    raw.write([0x62, 2, 0, 5]);
    expect(await raw.read(4)).toEqual(Buffer.from([0x70, 2, 0, 5]));
    // the identifier is free again
    raw.write(publishBytes('LASS/a', 'twice', 2, 5));
    await raw.read(4);
    expect(r.accepted.map((p) => Buffer.from(p.payload).toString())).toEqual(['once', 'twice']);
  });

  test('the packet is handed over as it came, with what only the broker knew', async () => {
    const r = await rig({ clock: () => 1_790_000_000_000 });
    const { id, key } = r.box();
    const client = await r.client({ username: id, password: key, clientId: 'esp-1' });
    await client.publishAsync(`boxes/${id}/json`, '{"pm25":12.3}', { qos: 1 });
    await client.publishAsync(`boxes/${id}/json/batch`, Buffer.from([0, 255, 10]), { qos: 0 });
    await until(() => r.accepted.length === 2);
    expect(r.accepted[0]).toEqual({
      receivedAt: 1_790_000_000_000,
      via: 'mqtt',
      topic: `boxes/${id}/json`,
      sender: id,
      client: 'esp-1',
      packetId: expect.any(Number),
      payload: Buffer.from('{"pm25":12.3}'),
    });
    expect(r.accepted[0]?.packetId).toBeGreaterThan(0);
    expect(r.accepted[1]).toMatchObject({ packetId: 0, payload: Buffer.from([0, 255, 10]) });
  });

  test('a refusing journal: held, tried again, acknowledged once it takes', async () => {
    let tries = 0;
    const r = await rig({
      accept: () => (++tries < 4 ? Promise.reject(new Error('disk full')) : Promise.resolve()),
      limits: { retryMs: 5 },
    });
    const raw = await r.raw();
    await raw.login();
    raw.write(publishBytes('LASS/a', 'x', 1, 1), publishBytes('LASS/a', 'y', 1, 2));
    expect(await raw.read(8)).toEqual(Buffer.concat([puback(1), puback(2)]));
    expect(r.broker.stats()).toMatchObject({ publishes: 2, accepted: 2, held: 3, pendingBytes: 0 });
  });

  test('a journal that refuses for too long: no acknowledgement, the connection is closed so that the box sends again', async () => {
    let now = 0;
    const r = await rig({
      accept: () => Promise.reject(new Error('disk full')),
      clock: () => now,
      limits: { retryMs: 5, holdMs: 30_000 },
    });
    const raw = await r.raw();
    await raw.login();
    raw.write(publishBytes('LASS/a', 'x', 1, 1));
    await until(() => r.broker.stats().held > 2);
    expect(raw.isClosed).toBe(false);
    now += 30_000;
    expect(await raw.closed()).toEqual(Buffer.alloc(0));
    expect(r.broker.stats()).toMatchObject({ pendingBytes: 0, refused: { 'journal-refuses': 1 } });
  });

  test('QoS 2 and a refusing journal: the same', async () => {
    let tries = 0;
    const r = await rig({
      accept: () => (++tries < 3 ? Promise.reject(new Error('disk full')) : Promise.resolve()),
      limits: { retryMs: 5 },
    });
    const raw = await r.raw();
    await raw.login();
    raw.write(publishBytes('LASS/a', 'x', 2, 1));
    expect(await raw.read(4)).toEqual(Buffer.from([0x50, 2, 0, 1]));
    expect(tries).toBe(3);
  });

  test('close waits for what was read, and acknowledges it', async () => {
    let release: () => void = () => undefined;
    const r = await rig({ accept: () => new Promise((resolve) => (release = resolve)) });
    const raw = await r.raw();
    await raw.login();
    raw.write(publishBytes('LASS/a', 'x', 1, 3));
    await until(() => r.broker.stats().publishes === 1);
    const closed = r.broker.close();
    release();
    expect(await raw.read(4)).toEqual(puback(3));
    await closed;
    await raw.closed();
  });

  test('a DISCONNECT right behind publishes does not take their acknowledgements away', async () => {
    const r = await rig({ accept: () => new Promise((resolve) => setImmediate(resolve)) });
    const raw = await r.raw();
    await raw.login();
    raw.write(publishBytes('LASS/a', 'x', 1, 3), publishBytes('LASS/a', 'y', 0), [0xe0, 0]);
    expect(await raw.closed()).toEqual(puback(3));
    expect(r.broker.stats().accepted).toBe(2);
  });
});

describe('back-pressure', () => {
  test('past the unacknowledged publishes of one connection its socket is not read on; another one is', async () => {
    const release: (() => void)[] = [];
    const r = await rig({
      accept: (p) => (p.topic === 'LASS/slow' ? new Promise((resolve) => release.push(resolve)) : Promise.resolve()),
      limits: { maxUnacknowledged: 10 },
    });
    const slow = await r.raw();
    await slow.login({ clientId: 'slow' });
    for (let id = 1; id <= 50; id++) slow.write(publishBytes('LASS/slow', 'x', 1, id));
    await until(() => release.length === 10);
    const other = await r.raw();
    other.write(connectBytes({ clientId: 'other' }), publishBytes('LASS/fast', 'x', 1, 1));
    expect(await other.read(8)).toEqual(Buffer.concat([ACCEPTED, puback(1)]));
    expect(release.length).toBe(10);
    let acknowledged = 0;
    while (acknowledged < 50) {
      for (const resolve of release.splice(0)) resolve();
      expect(await slow.read(4)).toEqual(puback(++acknowledged));
    }
  });

  test('past the bytes of all connections nobody is read on until they are durable', async () => {
    const release: (() => void)[] = [];
    const r = await rig({
      accept: () => new Promise((resolve) => release.push(resolve)),
      limits: { maxPendingBytes: 2000 },
    });
    const raws = await Promise.all(Array.from({ length: 4 }, () => r.raw()));
    for (const raw of raws) {
      await raw.login();
    }
    // each overshoots by at most the packet it was handling
    for (const raw of raws) for (let id = 1; id <= 20; id++) raw.write(publishBytes('LASS/a', 'x'.repeat(100), 1, id));
    await until(() => r.broker.stats().pendingBytes >= 2000);
    for (let i = 0; i < 20; i++) await new Promise((resolve) => setImmediate(resolve));
    expect(r.broker.stats().pendingBytes).toBeLessThan(2000 + 4 * 200);
    let acknowledged = 0;
    const counting = Promise.all(
      raws.map(async (raw) => {
        for (let id = 1; id <= 20; id++) {
          expect(await raw.read(4)).toEqual(puback(id));
          acknowledged++;
        }
      }),
    );
    while (acknowledged < 80) {
      for (const resolve of release.splice(0)) resolve();
      await new Promise((resolve) => setImmediate(resolve));
    }
    await counting;
    expect(r.broker.stats().pendingBytes).toBe(0);
  });

  test('past the packets a second the socket is not read on, and nothing is lost', async () => {
    let now = 1_000_000;
    const r = await rig({ clock: () => now, limits: { packetsPerSecond: 50 } });
    const raw = await r.raw();
    await raw.login();
    for (let id = 1; id <= 120; id++) raw.write(publishBytes('LASS/a', 'x', 1, id));
    // CONNECT and a ping were the first of the fifty
    for (let id = 1; id <= 48; id++) expect(await raw.read(4)).toEqual(puback(id));
    expect(r.broker.stats().accepted).toBe(48);
    now += 1000;
    for (let id = 49; id <= 98; id++) expect(await raw.read(4)).toEqual(puback(id));
    expect(r.broker.stats().accepted).toBe(98);
    now += 1000;
    for (let id = 99; id <= 120; id++) expect(await raw.read(4)).toEqual(puback(id));
  });
});
