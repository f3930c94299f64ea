/**
 * A complete ESPHome configuration. Component and option names are those of esphome.io (pmsx003, sds011, sps30, scd30,
 * bme280_i2c, sht3xd, mqtt). Each quantity comes from one chip only: two temperatures on one topic would be told apart by nobody.
 */
import { assigned, type SnippetBox } from './box.ts';
import type { PropertyKey } from '../../model/properties.ts';

export type Board = 'esp32' | 'esp8266';
export const ESPHOME_SENSORS = ['PMS5003', 'SDS011', 'SPS30', 'SCD30', 'BME280', 'SHT31'] as const;

/** Names from which the server knows the quantity; the topic is made of them. */
const NAMES: Partial<Record<PropertyKey, string>> = {
  pm1: 'PM1',
  pm25: 'PM2.5',
  pm4: 'PM4',
  pm10: 'PM10',
  temperature: 'Temperature',
  humidity: 'Humidity',
  pressure: 'Pressure',
  co2: 'CO2',
};

interface Chip {
  readonly platform: string;
  readonly bus: 'uart' | 'i2c';
  readonly options: readonly string[];
  /** ESPHome's member for each quantity. */
  readonly members: Partial<Record<PropertyKey, string>>;
}

const CHIPS: Readonly<Record<string, Chip>> = {
  PMS5003: {
    platform: 'pmsx003',
    bus: 'uart',
    // From 30 s on ESPHome puts fan and laser to sleep in between, which is what makes them last.
    options: ['type: PMSX003', 'update_interval: 60s'],
    members: { pm1: 'pm_1_0', pm25: 'pm_2_5', pm10: 'pm_10_0' },
  },
  SDS011: {
    platform: 'sds011',
    bus: 'uart',
    options: ['update_interval: 2min'],
    members: { pm25: 'pm_2_5', pm10: 'pm_10_0' },
  },
  SPS30: {
    platform: 'sps30',
    bus: 'i2c',
    options: ['address: 0x69', 'update_interval: 60s'],
    members: { pm1: 'pm_1_0', pm25: 'pm_2_5', pm4: 'pm_4_0', pm10: 'pm_10_0' },
  },
  SCD30: {
    platform: 'scd30',
    bus: 'i2c',
    options: ['address: 0x61', 'update_interval: 60s'],
    members: { co2: 'co2', temperature: 'temperature', humidity: 'humidity' },
  },
  BME280: {
    platform: 'bme280_i2c',
    bus: 'i2c',
    options: ['address: 0x76  # or 0x77', 'update_interval: 60s'],
    members: { temperature: 'temperature', humidity: 'humidity', pressure: 'pressure' },
  },
  SHT31: {
    platform: 'sht3xd',
    bus: 'i2c',
    options: ['address: 0x44  # or 0x45', 'update_interval: 60s'],
    members: { temperature: 'temperature', humidity: 'humidity' },
  },
};

/** rx, tx of the first and second serial sensor; then sda, scl. Pins that are free on an ESP32 DevKit and a D1 mini. */
const PINS: Record<Board, { uart: readonly (readonly [string, string])[]; i2c: readonly [string, string] }> = {
  esp32: { uart: [['GPIO16', 'GPIO17'], ['GPIO25', 'GPIO26']], i2c: ['GPIO21', 'GPIO22'] }, // prettier-ignore
  esp8266: { uart: [['GPIO14', 'GPIO12'], ['GPIO13', 'GPIO15']], i2c: ['GPIO4', 'GPIO5'] }, // prettier-ignore
};

/** A YAML string in double quotes: its escapes are those of JSON. */
const quoted = (text: string): string => JSON.stringify(text);

export const esphomeSensors = (sensors: readonly string[]): string[] => sensors.filter((s) => s in CHIPS);

export function esphomeYaml(box: SnippetBox, board: Board = 'esp32'): string {
  const chosen = esphomeSensors(box.sensors);
  const sensors = chosen.length > 0 ? chosen : ['PMS5003', 'BME280'];
  const giver = assigned(sensors);
  const serial = sensors.filter((s) => CHIPS[s]?.bus === 'uart').slice(0, 2);
  const wired = sensors.some((s) => CHIPS[s]?.bus === 'i2c');
  const pins = PINS[board];
  const lines = [
    '# Lamppost: change the two lines of the wifi, nothing else is needed.',
    'esphome:',
    `  name: lamppost-${box.id.slice(0, 8).replace(/-+$/, '')}`,
    '',
    ...(board === 'esp32'
      ? ['esp32:', '  board: esp32dev', '  framework:', '    type: arduino']
      : ['esp8266:', '  board: d1_mini']),
    '',
    'logger:',
    '  level: INFO',
    '',
    'ota:',
    '  - platform: esphome',
    '',
    'wifi:',
    '  ssid: "YOUR WIFI"',
    '  password: "YOUR WIFI PASSWORD"',
    '',
    'mqtt:',
    `  broker: ${quoted(box.host)}`,
    `  port: ${box.mqttPort}`,
    `  username: ${quoted(box.id)}`,
    `  password: ${quoted(box.key)}`,
    `  topic_prefix: ${quoted(`boxes/${box.id}/esphome`)}`,
    '  discovery: false',
    '  log_topic: null',
    '  birth_message:',
    `    topic: ${quoted(`boxes/${box.id}/status`)}`,
    '    payload: online',
    '    retain: true',
    '  will_message:',
    `    topic: ${quoted(`boxes/${box.id}/status`)}`,
    '    payload: offline',
    '    retain: true',
  ];
  if (serial.length > 0) {
    lines.push('', 'uart:');
    for (const [i, model] of serial.entries()) {
      const [rx, tx] = pins.uart[i] as readonly [string, string];
      lines.push(
        `  - id: uart_${model.toLowerCase()}`,
        `    rx_pin: ${rx}  # to TX of the ${model}`,
        `    tx_pin: ${tx}  # to RX of the ${model}`,
        '    baud_rate: 9600',
      );
    }
  }
  if (wired) lines.push('', 'i2c:', `  sda: ${pins.i2c[0]}`, `  scl: ${pins.i2c[1]}`);
  lines.push('', 'sensor:');
  for (const model of sensors) {
    const chip = CHIPS[model];
    if (!chip || (chip.bus === 'uart' && !serial.includes(model))) continue;
    const members = (Object.entries(chip.members) as [PropertyKey, string][]).filter(
      ([key]) => giver.get(key) === model,
    );
    if (members.length === 0) continue;
    lines.push(`  - platform: ${chip.platform}`);
    if (chip.bus === 'uart') lines.push(`    uart_id: uart_${model.toLowerCase()}`);
    lines.push(...chip.options.map((o) => `    ${o}`));
    for (const [key, member] of members) lines.push(`    ${member}:`, `      name: ${quoted(NAMES[key] as string)}`);
  }
  return `${lines.join('\n')}\n`;
}
