import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import * as fc from '../property.ts';
import { afterAll, describe, expect, it } from 'vitest';
import { ConfigError, loadConfig, SETTINGS, settingsPage } from '../../config.ts';

const cwd = mkdtempSync(join(tmpdir(), 'lamppost-config-'));
afterAll(() => rmSync(cwd, { recursive: true }));

const load = (env: Record<string, string> = {}, file?: unknown) => {
  if (file === undefined) return loadConfig({ env, cwd });
  const path = join(cwd, 'given.json');
  writeFileSync(path, typeof file === 'string' ? file : JSON.stringify(file));
  return loadConfig({ env, cwd, file: path });
};
const problems = (env: Record<string, string>, file?: unknown): readonly string[] => {
  try {
    load(env, file);
  } catch (error) {
    if (error instanceof ConfigError) return error.problems;
    throw error;
  }
  return [];
};

describe('settings', () => {
  it('need nothing: the defaults run on one machine without services', () => {
    expect(load()).toMatchObject({
      dataDir: join(cwd, 'data'),
      httpPort: 8080,
      mqttPort: 1883,
      store: 'duckdb',
      openTopics: [],
    });
  });

  it('come from the environment before the file before the default', () => {
    const file = { httpPort: 81, mqttPort: 82 };
    expect(load({ LAMPPOST_HTTP_PORT: '0' }, file)).toMatchObject({ httpPort: 0, mqttPort: 82 });
  });

  it.each([
    ['LAMPPOST_OPEN_TOPICS', 'LASS/#, MAPS/#', 'openTopics', ['LASS/#', 'MAPS/#']],
    ['LAMPPOST_OPEN_PUSH', 'true', 'openPush', true],
    ['LAMPPOST_TRUST_PROXY', 'on', 'trustProxy', true],
    ['LAMPPOST_TRUST_PROXY', '1', 'trustProxy', 1],
    ['LAMPPOST_TRUST_PROXY', '10.0.0.0/8,loopback', 'trustProxy', ['10.0.0.0/8', 'loopback']],
    ['LAMPPOST_MQTT_TLS_PORT', '', 'mqttTlsPort', null],
  ] as const)('%s=%s', (name, value, key, expected) => {
    expect(load({ [name]: value })[key]).toEqual(expected);
  });

  it.each([
    ['LAMPPOST_HTTP_PORT', '80a'],
    ['LAMPPOST_HTTP_PORT', '65536'],
    ['LAMPPOST_MQTT_PORT', '-1'],
    ['LAMPPOST_MQTT_PORT', '18.83'],
    ['LAMPPOST_TIMEZONE', 'Asia/Taipeh'],
    ['LAMPPOST_STORE', 'sqlite'],
    ['LAMPPOST_PUBLIC_URL', 'air.example.org'],
    ['LAMPPOST_OPEN_TOPICS', 'LASS/#/more'],
    ['LAMPPOST_OPEN_TOPICS', 'boxes/#'],
    ['LAMPPOST_OPEN_TOPICS', '#'],
    ['LAMPPOST_OPEN_TOPICS', '+/sensor'],
    ['LAMPPOST_OPEN_TOPICS', '$SYS/#'],
    ['LAMPPOST_OPEN_PUSH', 'maybe'],
    ['LAMPPOST_STA_SCRATCH', '2'],
    ['LAMPPOST_MAX_UNCLAIMED', 'many'],
    ['LAMPPOST_TRUST_PROXY', 'everyone'],
    ['LAMPPOST_LOG_LEVEL', 'loud'],
  ])('%s=%s stops the start, naming key, value and what is allowed', (name, value) => {
    const [problem] = problems({ [name]: value });
    expect(problem).toContain(name);
    expect(problem).toContain(value.split(',')[0]);
    expect(problem).toContain(Object.values(SETTINGS).find((s) => s.env === name)?.allowed);
  });

  it.each([
    ['an unknown key', {}, { htpPort: 1 }, /"htpPort" is no setting; did you mean httpPort\?/],
    [
      'an unknown variable',
      { LAMPPOST_HTTPPORT: '1' },
      undefined,
      /LAMPPOST_HTTPPORT is no setting; did you mean LAMPPOST_HTTP_PORT\?/,
    ],
    ['a wrong type', {}, { httpPort: '8080' }, /httpPort is "8080"; allowed: a port/],
    [
      'one port twice',
      { LAMPPOST_HTTP_PORT: '90', LAMPPOST_MQTT_PORT: '90' },
      undefined,
      /httpPort and mqttPort are both 90/,
    ],
    ['TLS without certificate', { LAMPPOST_MQTT_TLS_PORT: '8883' }, undefined, /mqttTlsCert.*readable file/],
    [
      'InfluxDB without address',
      { LAMPPOST_STORE: 'influxdb' },
      undefined,
      /influxUrl \(LAMPPOST_INFLUX_URL\) is not set/,
    ],
    ['a file that is no JSON', {}, '{', /cannot be read as JSON/],
    ['a file that is no object', {}, '[]', /one JSON object/],
  ] as const)('%s stops the start', (_, env, file, message) => {
    expect(problems(env, file).join('\n')).toMatch(message);
  });

  it('says everything that is wrong at once and shows no secret', () => {
    const found = problems({ LAMPPOST_HTTP_PORT: 'x', LAMPPOST_MQTT_PORT: 'y', LAMPPOST_ADMIN_TOKEN: 'pass word' });
    expect(found).toHaveLength(3);
    expect(found.join()).not.toContain('pass word');
  });

  it('a --config file that is not there is an error', () => {
    expect(() => loadConfig({ env: {}, cwd, file: 'nowhere.json' })).toThrow(/nowhere\.json: there is no such/);
  });

  it('any file and any environment give settings or a ConfigError', () => {
    const key = fc.constantFrom(...Object.keys(SETTINGS), 'other', '__proto__', 'constructor');
    const name = fc.constantFrom(...Object.values(SETTINGS).map((s) => s.env), 'LAMPPOST_OTHER');
    fc.assert(
      fc.property(
        fc.oneof(
          fc.string(),
          fc.dictionary(key, fc.jsonValue()).map((v) => JSON.stringify(v)),
        ),
        fc.dictionary(
          name,
          fc.string({ unit: 'grapheme' }).map((s) => s.replaceAll('\0', '')),
        ),
        (file, env) => {
          const found = problems(env, file);
          for (const p of found) expect(p).not.toBe('');
        },
      ),
    );
  });

  it('stand in docs/settings.md as they are', () => {
    const page = readFileSync(new URL('../../docs/settings.md', import.meta.url), 'utf8');
    expect(page, 'run "node scripts/settings.ts"').toBe(settingsPage());
  });
});
