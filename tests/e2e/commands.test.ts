import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import mqtt from 'mqtt';
import { afterAll, describe, expect, it } from 'vitest';
import type { Command } from '../../cli/command.ts';
import { cleanEnv, ROOT, runCommand, startChild, until } from './server.ts';

/** Many processes: a loaded machine is no failure. */

const root = mkdtempSync(join(tmpdir(), 'lamppost-commands-'));
afterAll(() => rmSync(root, { recursive: true, force: true }));
let folders = 0;
const fresh = (): Record<string, string> => ({ LAMPPOST_DATA_DIR: join(root, `data-${folders++}`) });
const COMMANDS = [
  'serve',
  'demo',
  'sim',
  'replay',
  'backtest',
  'recompute',
  'dump',
  'migrate',
  'box',
  'station',
  'token',
  'doctor',
];

describe('every command', () => {
  it.each(COMMANDS)('%s has a help that begins with its name', async (name) => {
    const { help, summary } = (await import(`../../cli/${name}.ts`)) as Command;
    expect(help.startsWith(`lamppost ${name}`)).toBe(true);
    expect(summary).not.toBe('');
  });

  it('is listed by --help; without a command that is wrong use', async () => {
    const { code, out } = await runCommand(['--help']);
    expect(code).toBe(0);
    for (const name of COMMANDS) expect(out).toContain(`  ${name} `);
    expect(await runCommand(['box', '--help'])).toMatchObject({
      code: 0,
      out: expect.stringContaining('rotate-key') as string,
    });
    expect(await runCommand([])).toMatchObject({ code: 2, out: '' });
    expect(await runCommand(['frobnicate'])).toMatchObject({
      code: 2,
      err: expect.stringContaining('frobnicate') as string,
    });
  });

  it.each([
    [['serve', '--bogus'], /Unknown option '--bogus'/],
    [['serve', '--roles', 'cook'], /"cook" is none of broker, ingest, calibrate, api/],
    [['serve', '--roles', 'api'], /only broker may run apart/],
    [['box', 'add', '--lat', 'x'], /--lat x: expected a number/],
    [['box', 'add', '--lat', '95', '--lon', '0'], /lat: a number from -90 to 90/],
    [['token', 'add', '--scope', 'all'], /--scope all: one of sta-write, admin, bridge/],
    [['migrate', '--from', 'duckdb', '--to', 'csv'], /--to csv: one of duckdb, influxdb/],
    [['migrate', '--from', 'duckdb', '--to', 'influxdb'], /LAMPPOST_INFLUX_URL is not set/],
    [['recompute', '--from', 'yesterday'], /--from yesterday: expected RFC 3339/],
  ])('%j is wrong use and says why', async (args, message) => {
    const { code, out, err } = await runCommand(args, fresh());
    expect([code, out]).toEqual([2, '']);
    expect(err).toMatch(message);
  });

  it('a wrong setting stops the start by name', async () => {
    const { code, out, err } = await runCommand(['serve'], {
      ...fresh(),
      LAMPPOST_HTTP_PORT: 'eighty',
      LAMPPOST_COLOUR: 'red',
    });
    expect([code, out]).toEqual([2, '']);
    expect(err).toMatch(/LAMPPOST_HTTP_PORT is "eighty"; allowed: a port/);
    expect(err).toMatch(/LAMPPOST_COLOUR is no setting/);
  });
});

describe('box, station and token', () => {
  it('add, show, set, rotate, retire', async () => {
    const env = fresh();
    const json = async (...args: string[]): Promise<Record<string, unknown>> => {
      const { code, out, err } = await runCommand(args, env);
      expect(code, err).toBe(0);
      return JSON.parse(out) as Record<string, unknown>;
    };
    const made = await json('box', 'add', '--name', '陽台', '--lat', '25.03', '--lon', '121.5', '--sensor', 'PMS5003');
    const id = String(made['id']);
    expect(made).toMatchObject({
      id: expect.stringMatching(/^[a-z0-9-]{8,40}$/) as string,
      key: expect.any(String) as string,
    });
    await json('box', 'set', id, '--lat', '25.04', '--lon', '121.5');
    expect(await json('box', 'show', id)).toMatchObject({
      name: '陽台',
      sensors: ['PMS5003'],
      places: [{ lat: 25.03 }, { lat: 25.04 }],
    });
    expect((await json('box', 'rotate-key', id))['key']).not.toBe(made['key']);
    await json('station', 'add', '--id', 'station-one', '--lat', '25', '--lon', '121');
    expect(await json('station', 'list')).toMatchObject({ id: 'station-one', kind: 'station' });
    await json('box', 'retire', id);
    expect((await runCommand(['box', 'list'], env)).out).toBe('');
    expect(await runCommand(['box', 'show', 'station-one'], env)).toMatchObject({ code: 1 });
    const token = await json('token', 'add', '--scope', 'admin', '--name', 'me');
    expect(token).toMatchObject({ scope: 'admin', token: expect.any(String) as string });
    await json('token', 'remove', 'me');
    expect((await runCommand(['token', 'list'], env)).out).toBe('');
  });

  it('a box added beside the running server may publish at once; retired, no more', async () => {
    const env = fresh();
    const server = await startChild(env);
    const { id, key } = JSON.parse((await runCommand(['box', 'add'], env)).out) as { id: string; key: string };
    const address = `mqtt://127.0.0.1:${server.mqtt}`;
    const client = await mqtt.connectAsync(address, { username: id, password: key });
    await client.publishAsync(`boxes/${id}/json`, '{"pm25":7}', { qos: 1 });
    await client.endAsync();
    const latest = async (): Promise<unknown[]> => {
      const response = await fetch(`http://127.0.0.1:${server.http}/api/v1/latest.geojson?property=pm25&level=raw`);
      return ((await response.json()) as { features: { properties: { value: number } }[] }).features.map(
        (f) => f.properties.value,
      );
    };
    // No place, no point: the value is there, the map has none for it.
    await until(async () =>
      (await fetch(`http://127.0.0.1:${server.http}/api/v1/boxes/${id}/observations?property=pm25&level=raw`))
        .text()
        .then((t) => t.includes('7')),
    );
    expect(await latest()).toBeDefined();
    await runCommand(['box', 'retire', id], env);
    await expect(mqtt.connectAsync(address, { username: id, password: key, reconnectPeriod: 0 })).rejects.toThrow();
    expect(await server.stop()).toBe(0);
  });
});

describe('serve', () => {
  it('a port that is taken is named with its setting; what the broker refused is in the metrics', async () => {
    const server = await startChild({ ...fresh(), LAMPPOST_MQTT_HOST: '0.0.0.0' });
    const serve = ['serve', '--no-pages'];
    const local = { LAMPPOST_HTTP_HOST: '127.0.0.1', LAMPPOST_HTTP_PORT: '0', LAMPPOST_MQTT_PORT: '0' };
    const http = await runCommand(serve, { ...fresh(), ...local, LAMPPOST_HTTP_PORT: String(server.http) });
    expect(http).toMatchObject({ code: 1, out: '' });
    expect(http.err).toContain(
      `HTTP port ${server.http} is taken by another program; stop it or set LAMPPOST_HTTP_PORT`,
    );
    const broker = await runCommand(serve, { ...fresh(), ...local, LAMPPOST_MQTT_PORT: String(server.mqtt) });
    expect(broker).toMatchObject({ code: 1, out: '' });
    expect(broker.err).toContain(`MQTT port ${server.mqtt} is taken by another program`);

    const client = await mqtt.connectAsync(`mqtt://127.0.0.1:${server.mqtt}`);
    expect(await client.subscribeAsync('boxes/#').catch((e: Error) => e.message)).toBeDefined();
    await client.endAsync();
    const metrics = await (await fetch(`http://127.0.0.1:${server.http}/metrics`)).text();
    expect(metrics).toMatch(/^lamppost_mqtt_refused_total\{reason="subscribe"\} 1$/m);
    expect(metrics).toMatch(/^lamppost_mqtt_connections_total \d+$/m);
    expect(await server.stop()).toBe(0);
  });

  it('refuses a data folder on which another server runs', async () => {
    const env = fresh();
    const server = await startChild(env);
    const second = await runCommand(['serve', '--no-pages'], {
      ...env,
      LAMPPOST_HTTP_PORT: '0',
      LAMPPOST_MQTT_PORT: '0',
    });
    expect(second).toMatchObject({
      code: 1,
      err: expect.stringContaining(`process ${server.pid}) already runs`) as string,
    });
    expect((await runCommand(['doctor'], env)).out).toContain(`process ${server.pid} runs`);
    expect(await server.stop()).toBe(0);
  });

  it('names the port that is taken', async () => {
    const server = await startChild(fresh());
    const ports = { LAMPPOST_HTTP_PORT: '0', LAMPPOST_MQTT_PORT: String(server.mqtt), LAMPPOST_MQTT_HOST: '127.0.0.1' };
    const second = await runCommand(['serve', '--no-pages'], { ...fresh(), ...ports });
    expect(second.code).toBe(1);
    expect(second.err).toContain(String(server.mqtt));
    const doctor = await runCommand(['doctor'], { ...fresh(), ...ports });
    expect(doctor).toMatchObject({
      code: 1,
      out: expect.stringMatching(/bad {2}mqtt: port \d+.*another program/) as string,
    });
    expect(await server.stop()).toBe(0);
  });

  it('a broker may stand alone; what it took is stored when the others start', async () => {
    const env = fresh();
    const { id, key } = JSON.parse((await runCommand(['box', 'add'], env)).out) as { id: string; key: string };
    const broker = await startChild(env, ['serve', '--roles', 'broker']);
    expect(broker.http).toBeNull();
    const client = await mqtt.connectAsync(`mqtt://127.0.0.1:${broker.mqtt}`, { username: id, password: key });
    await client.publishAsync(`boxes/${id}/json`, '{"pm25":7}', { qos: 1 });
    const core = await startChild(env, ['serve', '--no-pages', '--roles', 'ingest,calibrate,api']);
    await client.publishAsync(`boxes/${id}/json`, '{"pm25":8}', { qos: 1 });
    const rows = async (): Promise<string> =>
      (
        await fetch(`http://127.0.0.1:${core.http}/api/v1/boxes/${id}/observations?property=pm25&level=raw&format=csv`)
      ).text();
    await until(async () => (await rows()).trim().split('\n').length === 3);
    // What boxes say of themselves reaches the pages, also those of a server that started later or again.
    const connection = async (http: number | null): Promise<unknown> =>
      ((await (await fetch(`http://127.0.0.1:${http}/api/v1/boxes/${id}`)).json()) as { connection?: unknown }).connection; // prettier-ignore
    await client.publishAsync(`boxes/${id}/status`, 'online', { qos: 1, retain: true });
    await until(async () => (await connection(core.http)) === 'online');
    expect(await core.stop()).toBe(0);
    const again = await startChild(env, ['serve', '--no-pages', '--roles', 'ingest,calibrate,api']);
    await until(async () => (await connection(again.http)) === 'online');
    // A key that ends there ends the connection here.
    const closed = new Promise<void>((resolve) => client.once('close', () => resolve()));
    await runCommand(['box', 'rotate-key', id], env);
    await closed;
    await client.endAsync(true);
    expect(await again.stop()).toBe(0);
    expect(await broker.stop()).toBe(0);
  });

  it('a scratch instance refuses a folder with real boxes', async () => {
    const env = fresh();
    await runCommand(['box', 'add'], env);
    const ports = { LAMPPOST_HTTP_PORT: '0', LAMPPOST_MQTT_PORT: '0' };
    const { code, err } = await runCommand(['serve', '--no-pages'], { ...env, ...ports, LAMPPOST_STA_SCRATCH: 'true' });
    expect(code).toBe(1);
    expect(err).toMatch(/1 real boxes/);
  });
});

describe('the installed command', () => {
  it('runs under whatever Node the machine has', async () => {
    const bin = join(ROOT, 'bin', 'lamppost.js');
    const child = spawn('node', [bin, 'station', 'list'], {
      cwd: ROOT,
      env: { ...cleanEnv(fresh()), PATH: (process.env['PATH'] ?? '').split(':').filter((p) => !p.includes('node_modules')).join(':') }, // prettier-ignore
      stdio: 'pipe',
    });
    let err = '';
    child.stderr.on('data', (chunk: Buffer) => (err += chunk.toString()));
    const [code] = (await once(child, 'exit')) as [number];
    expect(code, err).toBe(0);
  });

  it('reads the file after --config', async () => {
    const file = join(root, 'own.json');
    writeFileSync(file, JSON.stringify({ dataDir: join(root, 'from-file'), mqttPort: 'x' }));
    const { code, err } = await runCommand(['doctor', '--config', file]);
    expect([code, err]).toEqual([1, '']);
  });
});
