/** What a snippet is made from. Pure: no page, no network. */
import type { PropertyKey } from '../../model/properties.ts';

export interface SnippetBox {
  readonly id: string;
  readonly key: string;
  /** Host name under which boxes reach this server. */
  readonly host: string;
  readonly mqttPort: number;
  /** `https://air.example.org`, without a slash at its end. */
  readonly url: string;
  /** Sensor models as registered: `PMS5003`, `BME280` … */
  readonly sensors: readonly string[];
  readonly lat: number | null;
  readonly lon: number | null;
}

/** Something to paste: a file, commands, or a table of fields in somebody's settings page. */
export type Snippet =
  | { readonly kind: 'text'; readonly title: string; readonly text: string; readonly file?: string }
  | {
      readonly kind: 'fields';
      readonly title: string;
      readonly fields: readonly (readonly [name: string, value: string])[];
    };

/** What each sensor model measures, in the order in which we would trust it for that. */
export const MEASURES: Readonly<Record<string, readonly PropertyKey[]>> = {
  SPS30: ['pm1', 'pm25', 'pm4', 'pm10'],
  PMS5003: ['pm1', 'pm25', 'pm10'],
  PMS7003: ['pm1', 'pm25', 'pm10'],
  PMSA003: ['pm1', 'pm25', 'pm10'],
  SDS011: ['pm25', 'pm10'],
  SHT31: ['temperature', 'humidity'],
  BME280: ['temperature', 'humidity', 'pressure'],
  SCD30: ['co2', 'temperature', 'humidity'],
};

/** Properties of a set of sensors, each once, with the first sensor that is to give it. */
export function assigned(sensors: readonly string[]): Map<PropertyKey, string> {
  const out = new Map<PropertyKey, string>();
  for (const [model, keys] of Object.entries(MEASURES)) {
    if (!sensors.includes(model)) continue;
    for (const key of keys) if (!out.has(key)) out.set(key, model);
  }
  return out;
}
