/** Ready to paste, for each kind of box that is out there. */
import { property, type PropertyKey } from '../../model/properties.ts';
import { assigned, type Snippet, type SnippetBox } from './box.ts';
import { esphomeYaml, type Board } from './esphome.ts';

export type { Snippet, SnippetBox } from './box.ts';
export { ESPHOME_SENSORS, esphomeSensors, type Board } from './esphome.ts';

export const KINDS = ['esphome', 'airrohr', 'airgradient', 'tasmota', 'lass', 'opensensemap', 'mqtt', 'http'] as const;
export type Kind = (typeof KINDS)[number];

/** The payload format the box will speak, for its registration. */
export const FORMAT: Readonly<Record<Kind, string>> = {
  esphome: 'esphome',
  airrohr: 'airrohr',
  airgradient: 'airgradient',
  tasmota: 'tasmota',
  lass: 'lass',
  opensensemap: 'opensensemap',
  mqtt: 'json',
  http: 'json',
};

const EXAMPLE: Partial<Record<PropertyKey, number>> = {
  pm1: 8,
  pm25: 12.3,
  pm4: 15,
  pm10: 20,
  temperature: 24.1,
  humidity: 61,
  pressure: 1009.2,
  co2: 455,
};

const exampleReading = (box: SnippetBox): string => {
  const keys = [...assigned(box.sensors).keys()];
  const chosen: readonly PropertyKey[] = keys.length > 0 ? keys : ['pm25', 'temperature', 'humidity'];
  return JSON.stringify(Object.fromEntries(chosen.map((k) => [k, EXAMPLE[k] ?? 0])));
};

/** Between single quotes of a POSIX shell. */
const shell = (text: string): string => `'${text.replaceAll("'", String.raw`'\''`)}'`;

const portOf = (url: URL): string => url.port || (url.protocol === 'https:' ? '443' : '80');

/** The id under which a senseBox body names a quantity here: "Lamppost" in hexadecimal, three zero bytes, the property's number. */
export const senseBoxSensorId = (key: PropertyKey): string =>
  `4c616d70706f7374000000${property(key).num.toString(16).padStart(2, '0')}`;

export function snippets(kind: Kind, box: SnippetBox, board: Board = 'esp32'): Snippet[] {
  const url = new URL(box.url);
  switch (kind) {
    case 'esphome':
      return [
        {
          kind: 'text',
          title: `lamppost-${box.id.slice(0, 8)}.yaml`,
          file: `lamppost-${box.id.slice(0, 8)}.yaml`,
          text: esphomeYaml(box, board),
        },
        {
          kind: 'text',
          title: 'esphome',
          text: `pip install esphome\nesphome run lamppost-${box.id.slice(0, 8)}.yaml`,
        },
      ];
    case 'airrohr':
      return [
        {
          kind: 'fields',
          title: 'Configuration → APIs → Send data to custom API',
          fields: [
            ['Server', url.hostname],
            ['Path', '/data.php'],
            ['Port', portOf(url)],
            ['HTTPS', url.protocol === 'https:' ? '✓' : '–'],
            ['User', box.id],
            ['Password', box.key],
          ],
        },
      ];
    case 'airgradient': {
      const config = { mqttBrokerUrl: `mqtt://${box.id}:${box.key}@${box.host}:${box.mqttPort}` };
      return [
        {
          kind: 'text',
          title: 'airgradient_SERIAL.local',
          text: `curl -X PUT -H 'Content-Type: application/json' \\\n  -d ${shell(JSON.stringify(config))} \\\n  http://airgradient_SERIAL.local/config`,
        },
        { kind: 'fields', title: '/config', fields: [['mqttBrokerUrl', config.mqttBrokerUrl]] },
      ];
    }
    case 'tasmota':
      return [
        {
          kind: 'text',
          title: 'Tasmota console',
          text: [
            `Backlog MqttHost ${box.host}; MqttPort ${box.mqttPort}; MqttUser ${box.id}; MqttPassword ${box.key}`,
            `Backlog Prefix3 tasmota; FullTopic boxes/${box.id}/%prefix%/; TelePeriod 60`,
          ].join('\n'),
        },
      ];
    case 'lass':
      return [
        {
          kind: 'text',
          title: 'configuration.h',
          text: [
            `#define MQTT_PROXY_IP "${box.host}"`,
            `#define DEVICE_ID "${box.id}"`,
            '#define FAKE_GPS 1',
            ...(box.lat === null || box.lon === null
              ? []
              : [`const char gps_lat[] = "${box.lat.toFixed(6)}";`, `const char gps_lon[] = "${box.lon.toFixed(6)}";`]),
          ].join('\n'),
        },
        {
          kind: 'text',
          title: 'LASS.ino',
          text: [
            '// in place of mqttClient.connect(clientID):',
            `mqttClient.connect(clientID, "${box.id}", "${box.key}");`,
            '// behind the lines that make mqttTopic:',
            `strcpy(mqttTopic, "boxes/${box.id}/lass");`,
          ].join('\n'),
        },
      ];
    case 'opensensemap': {
      const keys = [...assigned(box.sensors).keys()];
      const chosen: readonly PropertyKey[] = keys.length > 0 ? keys : ['pm25', 'pm10', 'temperature', 'humidity'];
      return [
        {
          kind: 'text',
          title: 'senseBox sketch',
          text: [
            `const char server[] PROGMEM = "${url.hostname}";`,
            `const int port = ${portOf(url)};`,
            `#define SENSEBOX_ID "${box.id}"`,
            `#define ACCESS_TOKEN "${box.key}"  // header Authorization`,
            ...chosen.map(
              (k) => `#define ${k.toUpperCase()}SENSOR_ID "${senseBoxSensorId(k)}"  // ${property(k).unitLabel}`,
            ),
            `// POST /boxes/${box.id}/data`,
          ].join('\n'),
        },
      ];
    }
    case 'mqtt':
      return [
        {
          kind: 'text',
          title: 'mosquitto_pub',
          text:
            `mosquitto_pub -h ${box.host} -p ${box.mqttPort} -u ${box.id} -P ${box.key} -q 1 \\\n` +
            `  -t boxes/${box.id}/json -m ${shell(exampleReading(box))}`,
        },
        {
          kind: 'fields',
          title: 'MQTT 3.1.1',
          fields: [
            ['Host', box.host],
            ['Port', String(box.mqttPort)],
            ['User', box.id],
            ['Password', box.key],
            ['Topic', `boxes/${box.id}/json`],
            ['QoS', '1'],
          ],
        },
      ];
    case 'http':
      return [
        {
          kind: 'text',
          title: 'curl',
          text:
            `curl -X POST -H 'Authorization: Bearer ${box.key}' -H 'Content-Type: application/json' \\\n` +
            `  -d ${shell(exampleReading(box))} \\\n  ${box.url}/api/v1/boxes/${box.id}/readings`,
        },
      ];
  }
}
