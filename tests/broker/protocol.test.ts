import { connect } from 'node:net';
import * as fc from '../property.ts';
import { describe, expect, test } from 'vitest';
import { FrameReader } from '../../broker/frame.ts';
import {
  ACCEPTED,
  PING,
  PONG,
  connectBytes,
  packet,
  puback,
  publishBytes,
  rig,
  subscribeBytes,
  text,
  until,
} from './harness.ts';

describe('CONNECT', () => {
  test('3.1.1 and 3.1 are spoken, the latter byte for byte as NB-IoT boxes of the MAPS6 kind send it', async () => {
    const r = await rig();
    const nb = await r.raw();
    // prefix, 12-byte MAC, user and password as their firmware assembles them (formats §1.8)
    nb.write(
      [0x10, 0x28, 0x00, 0x06, 0x4d, 0x51, 0x49, 0x73, 0x64, 0x70, 0x03, 0xc2, 0x00, 0x3c, 0x00, 0x0c],
      Buffer.from('B827EB8E9774'),
      text('maps'),
      text('iisnrl'),
    );
    expect(await nb.read(4)).toEqual(ACCEPTED);
    nb.write(publishBytes('MAPS/MAPS6/NBIOT/B827EB8E9774', '|s_t0=25.91', 0), [0x1a]);
    await until(() => r.accepted.length === 1);
    nb.write(publishBytes('MAPS/MAPS6/NBIOT/B827EB8E9774', '|s_t0=25.92', 0), [0x1a]);
    await until(() => r.accepted.length === 2);
    expect(r.accepted.map((p) => Buffer.from(p.payload).toString())).toEqual(['|s_t0=25.91', '|s_t0=25.92']);
    expect(r.accepted[0]).toMatchObject({ client: 'B827EB8E9774', sender: '' });
    expect(r.broker.stats().strayBytes).toBe(2);
  });

  test.each([
    ['MQTT 5', 'MQTT', 5],
    ['a later one', 'MQTT', 6],
    ['3.1 with the level of 3.1.1', 'MQIsdp', 4],
    ['3.1.1 with the level of 3.1', 'MQTT', 3],
  ])('%s: return code 1, then closed', async (_, name, level) => {
    const r = await rig();
    const raw = await r.raw();
    // properties of version 5 that our parser never gets to see
    raw.write(packet(0x10, text(name), [level, 2, 0, 60, 0], text('x')));
    expect(await raw.closed()).toEqual(Buffer.from([0x20, 2, 0, 1]));
  });

  test('a real MQTT 5 client hears it', async () => {
    const r = await rig();
    await expect(r.client({ protocolVersion: 5 })).rejects.toThrow();
    expect(r.broker.stats().refused).toEqual({ 'protocol-version': 1 });
  });

  test('an empty client id: refused without clean session, fine with it', async () => {
    const r = await rig();
    const refused = await r.raw();
    refused.write(connectBytes({ clientId: '', clean: false }));
    expect(await refused.closed()).toEqual(Buffer.from([0x20, 2, 0, 2]));
    const ok = await r.raw();
    await ok.login({ clientId: '' });
    const old = await r.raw();
    old.write(connectBytes({ clientId: '', name: 'MQIsdp', level: 3 }));
    expect(await old.closed()).toEqual(Buffer.from([0x20, 2, 0, 2]));
  });

  test('a client id of 300 bytes: return code 2', async () => {
    const r = await rig();
    const raw = await r.raw();
    raw.write(connectBytes({ clientId: 'x'.repeat(300) }));
    expect(await raw.closed()).toEqual(Buffer.from([0x20, 2, 0, 2]));
  });

  test.each([
    ['something else first', PING],
    ['a publish first', publishBytes('LASS/a', 'x', 1)],
    ['another protocol', Buffer.from('GET / HTTP/1.1\r\nHost: x\r\n\r\n')],
    ['a reserved connect flag', packet(0x10, text('MQTT'), [4, 3, 0, 60], text('x'))],
    ['a password without user name', packet(0x10, text('MQTT'), [4, 0x42, 0, 60], text('x'), text('p'))],
    ['will QoS 3', packet(0x10, text('MQTT'), [4, 0x1e, 0, 60], text('x'), text('LASS/a'), text('p'))],
    ['a CONNECT cut short', packet(0x10, text('MQTT'), [4, 2])],
  ])('%s: closed, and nobody else', async (_, bytes) => {
    const r = await rig();
    const other = await r.client();
    const raw = await r.raw();
    raw.write(bytes);
    expect((await raw.closed()).subarray(0, 3)).not.toEqual(ACCEPTED.subarray(0, 3));
    await other.publishAsync('LASS/a', 'still here', { qos: 1 });
    expect(r.accepted.length).toBe(1);
  });

  test('a second CONNECT: closed [MQTT-3.1.0-2]', async () => {
    const r = await rig();
    const raw = await r.raw();
    raw.write(connectBytes(), connectBytes());
    expect(await raw.closed()).toEqual(ACCEPTED);
  });

  test('packets sent right behind CONNECT, without waiting for its answer, are all taken', async () => {
    const r = await rig();
    const raw = await r.raw();
    raw.write(connectBytes(), ...Array.from({ length: 200 }, (_, i) => publishBytes('LASS/a', 'x', 1, i + 1)));
    expect(await raw.read(4)).toEqual(ACCEPTED);
    for (let id = 1; id <= 200; id++) expect(await raw.read(4)).toEqual(puback(id));
  });
});

describe('client ids', () => {
  test('a box that comes again takes over its own connection [MQTT-3.1.4-2]', async () => {
    const r = await rig();
    const { id, key } = r.box();
    const old = await r.raw();
    await old.login({ clientId: 'esp', user: id, password: key });
    const again = await r.raw();
    await again.login({ clientId: 'esp', user: id, password: key });
    await old.closed();
    again.write(PING);
    expect(await again.read(2)).toEqual(PONG);
  });

  test('nobody else can: not another box, not somebody anonymous, not by guessing the prefix', async () => {
    const r = await rig({ adminToken: 'the-admin-token' });
    const a = r.box();
    const b = r.box();
    const raw = await r.raw();
    await raw.login({ clientId: 'esp', user: a.id, password: a.key });
    for (const other of [
      { clientId: 'esp', user: b.id, password: b.key },
      { clientId: 'esp' },
      { clientId: `box:${a.id}:esp` },
      { clientId: `${a.id}:esp`, user: 'box' },
      { clientId: 'esp', user: 'token', password: 'the-admin-token' },
      { clientId: `box:${a.id}:esp`, user: b.id, password: b.key },
    ]) {
      const thief = await r.raw();
      await thief.login(other);
    }
    raw.write(PING);
    expect(await raw.read(2)).toEqual(PONG);
  });

  test('two anonymous boxes flashed with one id do not kick each other off', async () => {
    const r = await rig();
    const [one, two] = [await r.raw(), await r.raw()];
    for (const raw of [one, two]) {
      await raw.login({ clientId: 'FT1_001' });
    }
    for (const raw of [one, two]) {
      raw.write(publishBytes('LASS/a', 'x', 1, 1));
      expect(await raw.read(4)).toEqual(puback(1));
    }
    expect(r.accepted.map((p) => p.client)).toEqual(['FT1_001', 'FT1_001']);
  });
});

describe('slices and stray bytes', () => {
  test('slices of 100 bytes, and of one', async () => {
    const r = await rig();
    const raw = await r.raw();
    const big = 'y'.repeat(3000);
    const bytes = Buffer.concat(
      [connectBytes(), publishBytes('LASS/a', big, 1, 1), [0x1a, 0x1a], publishBytes('LASS/b', 'z', 1, 2)].map((b) =>
        Buffer.from(b),
      ),
    );
    for (const size of [100, 1]) {
      const client = size === 100 ? raw : await r.raw();
      client.socket.setNoDelay(true);
      for (let at = 0; at < bytes.length; at += size) {
        client.socket.write(bytes.subarray(at, at + size));
        await new Promise((resolve) => setImmediate(resolve));
      }
      expect(await client.read(12)).toEqual(Buffer.concat([ACCEPTED, puback(1), puback(2)]));
    }
    expect(r.accepted.map((p) => p.payload.length)).toEqual([3000, 1, 3000, 1]);
  });

  const packets = fc.array(fc.record({ payload: fc.uint8Array({ maxLength: 400 }), strays: fc.nat(3) }), {
    maxLength: 10,
  });
  test('however a stream is cut, the same packets come out; 0x1A inside them stays', () => {
    fc.assert(
      fc.property(packets, fc.array(fc.integer({ min: 1, max: 50 }), { minLength: 1 }), (list, cuts) => {
        const sent = list.map(({ payload }) => publishBytes('LASS/\u001a', payload, 1, 0x1a1a));
        const bytes = Buffer.concat(list.flatMap(({ strays }, i) => [sent[i] as Buffer, Buffer.alloc(strays, 0x1a)]));
        const reader = new FrameReader();
        const got: Buffer[] = [];
        for (let at = 0, i = 0; at < bytes.length; i++) {
          const size = cuts[i % cuts.length] as number;
          reader.push(bytes.subarray(at, at + size));
          at += size;
          for (;;) {
            if (!reader.waiting) break;
            const frame = reader.next(1000);
            if (frame.kind !== 'packet') {
              expect(frame.kind).toBe('more');
              break;
            }
            got.push(frame.bytes);
          }
        }
        expect(got.map((b) => b.toString('hex'))).toEqual(sent.map((b) => b.toString('hex')));
        expect(reader.strayBytes).toBe(list.reduce((sum, { strays }) => sum + strays, 0));
      }),
      { numRuns: 300 },
    );
  });

  test('a length of more than four bytes is malformed; a large one is judged by its announcement alone', () => {
    const reader = new FrameReader();
    reader.push(Buffer.from([0x30, 0xff, 0xff, 0xff]));
    expect(reader.next(100).kind).toBe('more');
    reader.push(Buffer.from([0xff]));
    expect(reader.next(1e9).kind).toBe('malformed');
    const large = new FrameReader();
    large.push(Buffer.from([0x30, 0xff, 0xff, 0xff, 0x7f]));
    expect(large.next(1e6)).toEqual({ kind: 'too-large', announced: 268_435_455 + 5 });
  });
});

describe('packets that break a rule close their own connection', () => {
  test.each([
    ['QoS 3', packet(0x36, text('LASS/a'), [0, 1])],
    ['packet identifier 0 [MQTT-2.3.1-1]', publishBytes('LASS/a', 'x', 1, 0)],
    ['a topic longer than its packet', packet(0x30, [0xff, 0xff, 0x41])],
    ['a PUBLISH without a topic', packet(0x30)],
    ['a packet type of 0', packet(0x00, [1, 2])],
    ['a packet type of 15', packet(0xf0)],
    ['what only a server sends', packet(0x20, [0, 0])],
    ['SUBSCRIBE without its flags', packet(0x80, [0, 1], text('LASS/#'), [0])],
    ['SUBSCRIBE without a filter', packet(0x82, [0, 1])],
    ['SUBSCRIBE with QoS 3', packet(0x82, [0, 1], text('LASS/#'), [3])],
    ['a filter that is none', subscribeBytes(1, 'LASS/#/x')],
  ])('%s', async (_, bytes) => {
    const r = await rig();
    const other = await r.client();
    const raw = await r.raw();
    await raw.login();
    raw.write(bytes);
    await raw.closed();
    await other.publishAsync('LASS/a', 'still here', { qos: 1 });
    expect(r.accepted.length).toBe(1);
  });

  test('any bytes, before and after CONNECT, never harm the others or the process', async () => {
    const r = await rig({ adminToken: 'the-admin-token' });
    const other = await r.client();
    const unhandled: unknown[] = [];
    const note = (error: unknown): void => void unhandled.push(error);
    process.on('unhandledRejection', note);
    process.on('uncaughtException', note);
    // whole packets with wrong insides as often as noise
    const anything = fc.oneof(
      fc.uint8Array({ maxLength: 200 }),
      fc.tuple(fc.nat(255), fc.uint8Array({ maxLength: 120 })).map(([first, body]) => packet(first, body)),
      fc
        .tuple(
          fc.constantFrom(0x10, 0x30, 0x32, 0x34, 0x3c, 0x62, 0x82, 0xa2, 0x40, 0x50, 0x70),
          fc.uint8Array({ maxLength: 60 }),
          fc.constantFrom('LASS/a', 'v1.1/#', '$SYS/#', 'a/'.repeat(120), 'MQTT', ''),
        )
        .map(([first, body, topic]) => packet(first, text(topic), body)),
    );
    try {
      await fc.assert(
        fc.asyncProperty(
          fc.array(anything, { minLength: 1, maxLength: 5 }),
          fc.constantFrom(null, {}, { user: 'token', password: 'the-admin-token' }),
          async (chunks, login) => {
            const socket = connect(r.broker.port, '127.0.0.1');
            socket.on('error', () => undefined);
            await new Promise((resolve) => socket.once('connect', resolve));
            if (login) socket.write(connectBytes(login));
            for (const chunk of chunks) socket.write(chunk);
            const closed = new Promise((resolve) => socket.once('close', resolve));
            socket.resume();
            socket.end();
            await closed;
          },
        ),
        { numRuns: 300 },
      );
      await other.publishAsync('LASS/a', 'still here', { qos: 1 });
      expect(r.accepted.some((p) => Buffer.from(p.payload).toString() === 'still here')).toBe(true);
      expect(unhandled).toEqual([]);
      await until(() => r.broker.stats().connections === 1);
      expect(r.broker.stats().pendingBytes).toBe(0);
    } finally {
      process.off('unhandledRejection', note);
      process.off('uncaughtException', note);
    }
  });
});
