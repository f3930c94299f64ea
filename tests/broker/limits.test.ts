import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { describe, expect, test, vi } from 'vitest';
import { AddressCount, addressKey } from '../../broker/limits.ts';
import { startBroker } from '../../broker/broker.ts';
import { DAY } from '../../model/time.ts';
import { ACCEPTED, PING, PONG, connectBytes, puback, publishBytes, rig, subscribeBytes, until } from './harness.ts';

describe('packet size', () => {
  test('is judged by the announced length: closed before the packet came, nothing of it kept', async () => {
    const r = await rig({ limits: { maxPacketBytes: 1000 } });
    const raw = await r.raw();
    await raw.login();
    // 100 MB announced, two bytes sent
    raw.write([0x32, 0x80, 0xc2, 0xd7, 0x2f, 0, 6]);
    await raw.closed();
    expect(r.broker.stats().refused).toEqual({ 'too-large': 1 });
  });

  test('the largest allowed packet passes, one byte more does not', async () => {
    const r = await rig({ limits: { maxPacketBytes: 1000 } });
    const size = (payload: number): Buffer => publishBytes('LASS/a', Buffer.alloc(payload), 1, 1);
    const overhead = size(500).length - 500;
    const fits = await r.raw();
    fits.write(connectBytes(), size(1000 - overhead));
    expect(await fits.read(8)).toEqual(Buffer.concat([ACCEPTED, puback(1)]));
    const not = await r.raw();
    not.write(connectBytes(), size(1001 - overhead));
    expect(await not.closed()).toEqual(ACCEPTED);
  });

  test('who was not let in yet may send far less', async () => {
    const r = await rig();
    const raw = await r.raw();
    raw.write([0x10, 0xff, 0xff, 0x03]);
    await raw.closed();
    expect(r.broker.stats().refused).toEqual({ 'too-large': 1 });
  });

  test('a batch of a day of minute readings fits the default', async () => {
    const r = await rig();
    const reading = '{"t":"2026-11-21T08:00:00Z","pm25":12.3,"pm10":20.1,"pm1":8.1,"temperature":24.1,"humidity":61.5}';
    const day = `[${Array.from({ length: 1440 }, () => reading).join(',')}]`;
    const raw = await r.raw();
    raw.write(connectBytes(), publishBytes('LASS/a', day, 1, 1));
    expect(await raw.read(8)).toEqual(Buffer.concat([ACCEPTED, puback(1)]));
    expect(r.accepted[0]?.payload.length).toBe(day.length);
  });
});

describe('time', () => {
  test('to authenticate is bounded, also for one who sends slowly', async () => {
    let now = 0;
    const r = await rig({ clock: () => now, limits: { authenticateMs: 10_000 } });
    const silent = await r.raw();
    const slow = await r.raw();
    slow.write(connectBytes().subarray(0, 5));
    const inTime = await r.raw();
    await inTime.login();
    now = 10_001;
    await Promise.all([silent.closed(), slow.closed()]);
    inTime.write(PING);
    expect(await inTime.read(2)).toEqual(PONG);
    expect(r.broker.stats().refused).toEqual({ 'not-authenticated-in-time': 2 });
  });

  test('of the day is set ahead or back: nobody is closed for it, nobody waits for it', async () => {
    let [clock, span] = [Date.now(), 0];
    const clocks = [vi.spyOn(Date, 'now').mockImplementation(() => clock), vi.spyOn(performance, 'now').mockImplementation(() => span)]; // prettier-ignore
    let running: NodeJS.Timeout | undefined;
    try {
      const r = await rig({ limits: { authenticateMs: 500, packetsPerSecond: 20 } });
      const raw = await r.raw();
      await raw.login({ keepAlive: 600 });
      // Twenty times as fast, and from here on: however long a busy machine takes for the login, it is let in.
      running = setInterval(() => (span += 100), 5);
      for (const set of [2 * DAY, -5 * DAY, 400 * DAY]) {
        clock += set;
        // Closed in time by a look at all connections, which the other one has to pass as well.
        await (await r.raw()).closed();
        for (let id = 1; id <= 30; id++) raw.write(publishBytes('LASS/a', 'x', 1, id));
        for (let id = 1; id <= 30; id++) expect(await raw.read(4)).toEqual(puback(id));
        expect(r.accepted.at(-1)?.receivedAt).toBe(clock);
      }
      expect(r.broker.stats().refused).toEqual({ 'not-authenticated-in-time': 3 });
    } finally {
      clearInterval(running);
      for (const mocked of clocks) mocked.mockRestore();
    }
  });

  test('a client is closed after one and a half keep-alives of silence; publishes keep it alive [MQTT-3.1.2-24]', async () => {
    let now = 0;
    const r = await rig({ clock: () => now });
    const quiet = await r.raw();
    await quiet.login({ keepAlive: 10 });
    const busy = await r.raw();
    await busy.login({ keepAlive: 10 });
    for (let id = 1; id <= 3; id++) {
      now += 5000;
      busy.write(publishBytes('LASS/a', 'x', 1, id));
      expect(await busy.read(4)).toEqual(puback(id));
    }
    expect(quiet.isClosed).toBe(false);
    now += 1;
    await quiet.closed();
    busy.write(PING);
    expect(await busy.read(2)).toEqual(PONG);
    expect(r.broker.stats().refused).toEqual({ 'keep-alive': 1 });
  });

  test('publishes alone keep a client alive in real time too, without pings', async () => {
    const r = await rig();
    const raw = await r.raw();
    await raw.login({ keepAlive: 2 });
    const from = performance.now();
    for (let id = 1; performance.now() - from < 3200; id = (id % 65_535) + 1) {
      raw.write(publishBytes('LASS/a', 'x', 1, id));
      expect(await raw.read(4)).toEqual(puback(id));
    }
  });

  test('a client without keep-alive is closed when it was idle for very long', async () => {
    let now = 0;
    const r = await rig({ clock: () => now, limits: { idleMs: 3_600_000 } });
    const raw = await r.raw();
    await raw.login({ keepAlive: 0 });
    now = 3_600_001;
    await raw.closed();
    expect(r.broker.stats().refused).toEqual({ idle: 1 });
  });

  test('a client that is held back is not taken for dead', async () => {
    let now = 0;
    let release: () => void = () => undefined;
    const r = await rig({
      clock: () => now,
      accept: () => new Promise((resolve) => (release = resolve)),
      limits: { maxUnacknowledged: 1 },
    });
    const quiet = await r.raw();
    await quiet.login({ keepAlive: 10 });
    const raw = await r.raw();
    raw.write(connectBytes({ keepAlive: 10 }), publishBytes('LASS/a', 'x', 1, 1));
    await raw.read(4);
    await until(() => r.broker.stats().publishes === 1);
    now = 100_000;
    // its end shows that overdue connections were looked for
    await quiet.closed();
    expect(raw.isClosed).toBe(false);
    release();
    expect(await raw.read(4)).toEqual(puback(1));
  });
});

describe('connections', () => {
  test('are bounded; a closed one makes room', async () => {
    const r = await rig({ limits: { maxConnections: 2 } });
    const [one, two] = [await r.raw(), await r.raw()];
    for (const raw of [one, two]) {
      await raw.login();
    }
    const third = await r.raw();
    expect(await third.closed()).toEqual(Buffer.alloc(0));
    expect(r.broker.stats()).toMatchObject({ connections: 2, refused: { 'too-many-connections': 1 } });
    one.socket.destroy();
    await until(() => r.broker.stats().connections === 1);
    const fourth = await r.raw();
    await fourth.login();
  });

  test('of one address are bounded, not on loopback; an IPv6 /64 is one address', () => {
    expect(['127.0.0.1', '127.9.9.9', '::1', '::ffff:127.0.0.1', undefined].map(addressKey)).toEqual([
      '',
      '',
      '',
      '',
      '',
    ]);
    expect(addressKey('::ffff:192.0.2.7')).toBe('192.0.2.7');
    expect(addressKey('192.0.2.7')).toBe('192.0.2.7');
    expect(addressKey('2001:db8:1:2::5')).toBe(addressKey('2001:db8:1:2:ffff:1:2:3'));
    expect(addressKey('2001:db8:1:2::5')).not.toBe(addressKey('2001:db8:1:3::5'));
    expect(addressKey('2001:db8::1')).toBe('2001:db8:0:0::/64');
    const count = new AddressCount(2);
    expect([count.enter('a'), count.enter('a'), count.enter('a'), count.enter('b')]).toEqual([true, true, false, true]);
    count.leave('a');
    expect(count.enter('a')).toBe(true);
    for (let i = 0; i < 10; i++) expect(count.enter('')).toBe(true);
  });

  test('subscriptions of one connection are bounded', async () => {
    const r = await rig({ limits: { maxSubscriptions: 2 } });
    const raw = await r.raw();
    raw.write(connectBytes(), ...[1, 2, 3].map((id) => subscribeBytes(id, `LASS/${id}`)));
    // answers may come in any order
    const answers = (await raw.read(19)).subarray(4).toString('hex').match(/.{10}/g);
    expect(answers?.sort()).toEqual(['9003000100', '9003000200', '9003000380']);
  });

  test('a subscriber that does not read is left out, and does not hold up the others', async () => {
    const r = await rig({ limits: { maxLagBytes: 10_000 } });
    const lazy = await r.raw();
    lazy.write(connectBytes(), subscribeBytes(1, 'v1.1/#'));
    await lazy.read(9);
    lazy.socket.pause();
    const keen = await r.client();
    let got = 0;
    keen.on('message', () => got++);
    await keen.subscribeAsync('v1.1/#');
    let sent = 0;
    const payload = 'x'.repeat(50_000);
    while (r.broker.stats().liveDropped < 20) {
      r.broker.publish('v1.1/Datastreams(1)/Observations', payload);
      sent++;
      await until(() => got === sent);
    }
    expect(r.broker.stats().connections).toBe(2);
  });

  test('deliveries of a second are bounded; the next second goes on', async () => {
    let now = 0;
    const r = await rig({ clock: () => now, limits: { maxDeliveriesPerSecond: 10 } });
    const got = [0, 0];
    for (const i of [0, 1]) {
      const reader = await r.client();
      reader.on('message', () => got[i]!++);
      await reader.subscribeAsync('v1.1/#');
    }
    for (let i = 0; i < 20; i++) {
      const before = r.broker.stats().liveDropped;
      r.broker.publish('v1.1/Datastreams(1)/Observations', '{}');
      await until(() => r.broker.stats().liveDropped > before || (got[0] === i + 1 && got[1] === i + 1));
    }
    expect([...got, r.broker.stats().liveDropped]).toEqual([5, 5, 15]);
    now = 1000;
    r.broker.publish('v1.1/Datastreams(1)/Observations', '{}');
    await until(() => got[0] === 6 && got[1] === 6);
  });

  test('refusals are logged at most twenty a second, and the others counted', async () => {
    let now = 5000;
    const r = await rig({ clock: () => now });
    for (let i = 0; i < 30; i++) {
      const raw = await r.raw();
      raw.write([0xff]);
      await raw.closed();
    }
    expect(r.lines.length).toBe(20);
    expect(r.broker.stats().refused).toEqual({ malformed: 30 });
    now += 1000;
    const raw = await r.raw();
    raw.write([0xff]);
    await raw.closed();
    expect(r.lines[20]).toMatchObject({ fields: { left: 10 } });
  });
});

describe('starting', () => {
  const registry = { authenticate: () => 'unknown' as const, principal: () => null };
  const accept = (): Promise<void> => Promise.resolve();

  test('a taken port is an error that names it', async () => {
    const server = createServer().listen(0, '127.0.0.1');
    await new Promise((resolve) => server.once('listening', resolve));
    const { port } = server.address() as AddressInfo;
    await expect(startBroker({ registry, accept, port, host: '127.0.0.1' })).rejects.toThrow(
      `MQTT port ${port} is taken`,
    );
    server.close();
  });

  test('a missing certificate is an error that names the file', async () => {
    await expect(
      startBroker({
        registry,
        accept,
        port: 0,
        host: '127.0.0.1',
        tls: { port: 0, cert: '/nowhere/cert.pem', key: '/nowhere/key.pem' },
      }),
    ).rejects.toThrow('/nowhere/cert.pem');
  });
});
