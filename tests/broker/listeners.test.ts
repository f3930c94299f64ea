import { execFileSync } from 'node:child_process';
import { mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { connect } from 'node:net';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { connect as connectTls } from 'node:tls';
import { join } from 'node:path';
import mqtt from 'mqtt';
import { WebSocket } from 'ws';
import { describe, expect, test } from 'vitest';
import type { BrokerOptions } from '../../broker/broker.ts';
import { ACCEPTED, atEnd, connectBytes, puback, publishBytes, rig, until } from './harness.ts';
import type { Rig } from './harness.ts';

async function overHttp(options: Partial<BrokerOptions> = {}): Promise<Rig & { url: string }> {
  const r = await rig(options);
  const http = createServer((_, response) => response.end('page'));
  http.on('upgrade', (request, socket, head) => r.broker.handleUpgrade(request, socket, head));
  await new Promise<void>((resolve) => http.listen(0, '127.0.0.1', resolve));
  atEnd(() => http.closeAllConnections());
  atEnd(() => http.close());
  return { ...r, url: `ws://127.0.0.1:${(http.address() as AddressInfo).port}` };
}

describe('WebSocket', () => {
  test('the same broker at /mqtt: publish, subscribe, acknowledgement', async () => {
    const r = await overHttp();
    const { id, key } = r.box();
    const client = await mqtt.connectAsync(`${r.url}/mqtt`, { username: id, password: key, reconnectPeriod: 0 });
    atEnd(() => client.endAsync(true));
    await client.publishAsync(`boxes/${id}/json`, '{}', { qos: 1 });
    expect(r.accepted[0]?.sender).toBe(id);
    const got: string[] = [];
    client.on('message', (topic) => got.push(topic));
    await client.subscribeAsync('LASS/#');
    const tcp = await r.client();
    await tcp.publishAsync('LASS/a', 'x', { qos: 1 });
    await until(() => got.length === 1);
    expect(r.broker.stats().connections).toBe(2);
    await client.endAsync();
    await until(() => r.broker.stats().connections === 1);
  });

  test('packets in many frames and many packets in one', async () => {
    const r = await overHttp();
    const ws = new WebSocket(`${r.url}/mqtt`, ['mqtt']);
    atEnd(() => ws.terminate());
    let got = Buffer.alloc(0);
    ws.on('message', (data: Buffer) => (got = Buffer.concat([got, data])));
    await new Promise((resolve) => ws.once('open', resolve));
    expect(ws.protocol).toBe('mqtt');
    const bytes = Buffer.concat([connectBytes(), publishBytes('LASS/a', 'x', 1, 1), publishBytes('LASS/a', 'y', 1, 2)]);
    for (const byte of bytes.subarray(0, 30)) ws.send(Buffer.from([byte]));
    ws.send(bytes.subarray(30));
    await until(() => got.length === 12);
    expect(got).toEqual(Buffer.concat([ACCEPTED, puback(1), puback(2)]));
  });

  test('a refused CONNECT is told before the socket closes', async () => {
    const r = await overHttp();
    const { id } = r.box();
    const ws = new WebSocket(`${r.url}/mqtt`, ['mqtt']);
    let got = Buffer.alloc(0);
    ws.on('message', (data: Buffer) => (got = Buffer.concat([got, data])));
    await new Promise((resolve) => ws.once('open', resolve));
    ws.send(connectBytes({ user: id, password: 'wrong' }));
    await new Promise((resolve) => ws.once('close', resolve));
    expect(got).toEqual(Buffer.from([0x20, 2, 0, 4]));
  });

  test('text frames are closed [MQTT-6.0.0-1]', async () => {
    const r = await overHttp();
    const ws = new WebSocket(`${r.url}/mqtt`, ['mqtt']);
    ws.on('error', () => undefined);
    let answers = 0;
    ws.on('message', () => answers++);
    await new Promise((resolve) => ws.once('open', resolve));
    ws.send(connectBytes().toString('latin1')); // valid, were it binary
    await new Promise((resolve) => ws.once('close', resolve));
    await until(() => r.broker.stats().connections === 0);
    expect(answers).toBe(0);
  });

  test('another path is 404; too many are 503; neither is counted as a connection', async () => {
    const r = await overHttp({ limits: { maxConnections: 0 } });
    for (const [path, status] of [
      ['/other', 404],
      ['/mqtt', 503],
    ] as const) {
      const ws = new WebSocket(`${r.url}${path}`, ['mqtt']);
      const error = await new Promise<Error>((resolve) => ws.once('error', resolve));
      expect(error.message).toContain(String(status));
    }
    expect(r.broker.stats().connections).toBe(0);
  });

  test('behind a proxy that is trusted, connections are counted by the address it tells', async () => {
    const r = await overHttp({ trustProxy: true, limits: { maxConnectionsPerAddress: 1 } });
    const open = (address: string): WebSocket =>
      new WebSocket(`${r.url}/mqtt`, ['mqtt'], { headers: { 'x-forwarded-for': `10.0.0.1, ${address}` } });
    const one = open('192.0.2.1');
    atEnd(() => one.terminate());
    await new Promise((resolve) => one.once('open', resolve));
    const two = open('192.0.2.2');
    atEnd(() => two.terminate());
    await new Promise((resolve) => two.once('open', resolve));
    const again = open('192.0.2.1');
    const error = await new Promise<Error>((resolve) => again.once('error', resolve));
    expect(error.message).toContain('503');
  });

  test('a handshake that is none does no harm', async () => {
    const r = await overHttp();
    for (const headers of ['', 'Sec-WebSocket-Key: x\r\n', 'Sec-WebSocket-Version: 99\r\n']) {
      const socket = connect(Number(new URL(r.url).port), '127.0.0.1');
      socket.write(`GET /mqtt HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n${headers}\r\n`);
      socket.on('error', () => undefined);
      socket.resume();
      await new Promise((resolve) => socket.once('close', resolve));
    }
    await until(() => r.broker.stats().connections === 0);
    await r.client();
  });
});

const openssl = ((): boolean => {
  try {
    execFileSync('openssl', ['version'], { stdio: 'ignore' });
    return true;
  } catch {
    return false;
  }
})();

/** Writes a fresh self-signed certificate for a name. */
function certify(name: string, cert: string, key: string): void {
  const fresh = `${cert}.fresh`;
  const freshKey = `${key}.fresh`;
  const subject = ['-nodes', '-days', '2', '-subj', `/CN=${name}`, '-keyout', freshKey, '-out', fresh];
  execFileSync('openssl', ['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', ...subject], {
    stdio: 'ignore',
  });
  renameSync(freshKey, key);
  renameSync(fresh, cert);
}

describe.skipIf(!openssl)('TLS (with openssl)', () => {
  async function overTls(watchMs = 30_000): Promise<Rig & { cert: string; key: string; port: number }> {
    const folder = mkdtempSync(join(tmpdir(), 'lamppost-tls-'));
    atEnd(() => rmSync(folder, { recursive: true }));
    const [cert, key] = [join(folder, 'cert.pem'), join(folder, 'key.pem')];
    certify('one', cert, key);
    const r = await rig({ tls: { port: 0, cert, key, watchMs } });
    return { ...r, cert, key, port: r.broker.tlsPort as number };
  }

  test('the same broker; what does not shake hands is closed', async () => {
    const r = await overTls();
    const { id, key: password } = r.box();
    const client = await mqtt.connectAsync(`mqtts://127.0.0.1:${r.port}`, {
      username: id,
      password,
      rejectUnauthorized: false,
      reconnectPeriod: 0,
    });
    atEnd(() => client.endAsync(true));
    await client.publishAsync(`boxes/${id}/json`, '{}', { qos: 1 });
    expect(r.accepted[0]).toMatchObject({ sender: id, via: 'mqtt' });
    const plain = connect(r.port, '127.0.0.1');
    plain.on('error', () => undefined);
    plain.write(connectBytes());
    plain.resume();
    await new Promise((resolve) => plain.once('close', resolve));
    await until(() => r.broker.stats().connections === 1);
  });

  test('a renewed certificate is taken without a restart; an unusable one is not', async () => {
    const r = await overTls(10);
    const served = async (): Promise<string> => {
      const socket = connectTls({ port: r.port, host: '127.0.0.1', rejectUnauthorized: false });
      await new Promise((resolve) => socket.once('secureConnect', resolve));
      const name = String(socket.getPeerCertificate().subject.CN);
      socket.destroy();
      return name;
    };
    expect(await served()).toBe('one');
    writeFileSync(r.cert, 'no certificate');
    await until(() => r.lines.some((l) => /not usable/.test(l.message)));
    expect(await served()).toBe('one');
    certify('two', r.cert, r.key);
    await until(() => r.lines.some((l) => /read again/.test(l.message)));
    expect(await served()).toBe('two');
  });
});
