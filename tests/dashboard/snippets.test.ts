import { parse } from 'yaml';
import { describe, expect, it, test } from 'vitest';
import { esphomeYaml } from '../../dashboard/snippets/esphome.ts';
import {
  ESPHOME_SENSORS,
  FORMAT,
  KINDS,
  senseBoxSensorId,
  snippets,
  type SnippetBox,
} from '../../dashboard/snippets/index.ts';
import { publishRight } from '../../broker/access.ts';
import { decoderFor, decoderForTopic } from '../../ingest/decoders/index.ts';

/** Nobody but who has a right publishes. */
const CLOSED = { topics: [], sensorThings: false };

const box: SnippetBox = {
  id: 'abcdefgh23456722',
  key: 'k'.repeat(32),
  host: 'air.example.org',
  mqttPort: 1883,
  url: 'https://air.example.org',
  sensors: ['PMS5003', 'BME280'],
  lat: 25.0337,
  lon: 121.5645,
};
const texts = (kind: (typeof KINDS)[number], b = box): string =>
  snippets(kind, b)
    .map((s) => (s.kind === 'text' ? s.text : s.fields.map((f) => f.join('=')).join('\n')))
    .join('\n');

interface Yaml {
  mqtt: Record<string, unknown>;
  uart?: { id: string; rx_pin: string; tx_pin: string }[];
  i2c?: object;
  sensor: ({ platform: string; uart_id?: string } & Record<string, { name: string } | string>)[];
}

describe.each(['esp32', 'esp8266'] as const)('ESPHome on %s', (board) => {
  const all = [...ESPHOME_SENSORS];
  // Every choice of sensors: 63 configurations.
  for (let mask = 1; mask < 1 << all.length; mask++) {
    const sensors = all.filter((_, i) => mask & (1 << i));
    it(sensors.join(' '), () => {
      const yaml = parse(esphomeYaml({ ...box, sensors }, board)) as Yaml;
      expect(yaml.mqtt).toMatchObject({ broker: box.host, port: 1883, username: box.id, password: box.key, log_topic: null }); // prettier-ignore
      const names = yaml.sensor.flatMap((s) =>
        Object.values(s).flatMap((v) => (typeof v === 'object' ? [v.name] : [])),
      );
      expect(new Set(names).size).toBe(names.length);
      const properties = names.map((name) => {
        // ESPHome's object id: lower case, what is no letter, digit, - or _ becomes _.
        const object = name.toLowerCase().replaceAll(/[^a-z0-9_-]/g, '_');
        const topic = `${String(yaml.mqtt['topic_prefix'])}/sensor/${object}/state`;
        expect(publishRight({ kind: 'box', id: box.id }, topic, CLOSED)).toMatchObject({
          kind: 'readings',
          sender: box.id,
        });
        const decoded = decoderFor('esphome')?.decode(Buffer.from('12.3'), topic);
        return decoded?.ok ? decoded.readings[0]?.values[0]?.property : decoded?.detail;
      });
      const wanted = new Set(sensors.flatMap((s) => ({ PMS5003: ['pm1', 'pm25', 'pm10'], SDS011: ['pm25', 'pm10'], SPS30: ['pm1', 'pm25', 'pm4', 'pm10'], SCD30: ['co2', 'temperature', 'humidity'], BME280: ['temperature', 'humidity', 'pressure'], SHT31: ['temperature', 'humidity'] })[s])); // prettier-ignore
      expect(new Set(properties)).toEqual(wanted);
      for (const s of yaml.sensor) if (s.uart_id) expect(yaml.uart?.map((u) => u.id)).toContain(s.uart_id);
      expect(yaml.i2c !== undefined).toBe(sensors.some((s) => !['PMS5003', 'SDS011'].includes(s)));
      const pins = (yaml.uart ?? []).flatMap((u) => [u.rx_pin, u.tx_pin]);
      expect(new Set(pins).size).toBe(pins.length);
    });
  }
});

test('a box name or key can not break out of the YAML', () => {
  const yaml = parse(esphomeYaml({ ...box, host: 'a"\n  evil: 1' })) as Yaml;
  expect(yaml.mqtt['broker']).toBe('a"\n  evil: 1');
});

test('Tasmota publishes where its decoder reads', () => {
  const text = texts('tasmota');
  const full = /FullTopic (\S+);/.exec(text)?.[1]?.replace('%prefix%', /Prefix3 (\w+)/.exec(text)?.[1] ?? '') ?? '';
  const topic = `${full}SENSOR`;
  expect(publishRight({ kind: 'box', id: box.id }, topic, CLOSED)).toMatchObject({ kind: 'readings', sender: box.id });
  const decoded = decoderForTopic(topic)?.decode(Buffer.from('{"Time":"2026-11-21T08:00:00","BME280":{"Temperature":20.5}}'), topic); // prettier-ignore
  expect(decoded).toMatchObject({ ok: true });
});

test('a registered AirGradient keeps its topic and is that box', () => {
  const url = new URL(/mqtt:\/\/[^"\n]+/.exec(texts('airgradient'))?.[0] ?? '');
  expect([url.username, url.password, url.port]).toEqual([box.id, box.key, '1883']);
  const topic = 'airgradient/readings/ecda3b1eaaaf';
  expect(publishRight({ kind: 'box', id: box.id }, topic, CLOSED)).toEqual({
    kind: 'readings',
    sender: box.id,
    open: true,
  });
  expect(publishRight({ kind: 'anonymous' }, topic, CLOSED)).toMatchObject({ kind: 'refused' });
});

test('senseBox ids carry the property', () => {
  const id = senseBoxSensorId('pm25');
  expect(id).toBe('4c616d70706f737400000002');
  const decoded = decoderFor('opensensemap')?.decode(Buffer.from(JSON.stringify([{ sensor: id, value: '12.3' }])), `opensensemap/${box.id}`); // prettier-ignore
  expect(decoded).toMatchObject({ ok: true, readings: [{ values: [{ property: 'pm25', value: 12.3 }] }] });
});

test('what curl and mosquitto_pub send is a reading', () => {
  for (const kind of ['http', 'mqtt'] as const) {
    const json = /'(\{.*\})'/.exec(texts(kind))?.[1] ?? '';
    expect(decoderFor('json')?.decode(Buffer.from(json), `boxes/${box.id}/json`)).toMatchObject({ ok: true });
  }
});

test('each kind names the box and its key, and a format the server knows', () => {
  for (const kind of KINDS) {
    expect(texts(kind)).toContain(box.id);
    expect(texts(kind)).toContain(box.key);
    expect(decoderFor(FORMAT[kind])?.format).toBe(FORMAT[kind]);
  }
});

test('behind a port of its own, settings name host and port apart', () => {
  const local = { ...box, url: 'http://192.168.1.5:8080', host: '192.168.1.5' };
  expect(texts('airrohr', local)).toContain('Server=192.168.1.5\nPath=/data.php\nPort=8080\nHTTPS=–');
  expect(texts('airrohr')).toContain('Port=443');
});
