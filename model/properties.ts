/**
 * The observed properties Lamppost knows: the one table from which units, plausibility tests, resolutions, API names and
 * map legends are made.
 *
 * `num` is stored inside datastream ids: never change or reuse one. Spans are inclusive, in the property's unit.
 * `plausible`: outside it a value is suspect; `gross`: outside it a value cannot be a measurement of this property.
 * `resolution`: the step to which corrected values and interval ends are rounded (raw values are kept as they came).
 */
export interface ObservedProperty {
  readonly key: string;
  readonly num: number;
  readonly name: { readonly zh: string; readonly en: string };
  /** UCUM code; `[ppb]`-like fractions follow UCUM's bracketed arbitrary units. */
  readonly unit: string;
  /** How people write the unit. */
  readonly unitLabel: string;
  readonly resolution: number;
  readonly plausible: readonly [number, number];
  readonly gross: readonly [number, number];
  /** Where the spans come from. */
  readonly source: string;
}

const CALIBRATION_S1 = 'calibration note §8.1 S1';
const CALIBRATION_2_6 = 'calibration note §2.6';

// prettier-ignore
const table = [
  { key: 'pm1', num: 1, name: { zh: 'PM1', en: 'PM1' }, unit: 'ug/m3', unitLabel: 'µg/m³', resolution: 0.1, plausible: [0, 500], gross: [0, 1000], source: `${CALIBRATION_S1} (as PM2.5)` },
  { key: 'pm25', num: 2, name: { zh: '細懸浮微粒 PM2.5', en: 'PM2.5' }, unit: 'ug/m3', unitLabel: 'µg/m³', resolution: 0.1, plausible: [0, 500], gross: [0, 1000], source: CALIBRATION_S1 },
  { key: 'pm10', num: 3, name: { zh: '懸浮微粒 PM10', en: 'PM10' }, unit: 'ug/m3', unitLabel: 'µg/m³', resolution: 0.1, plausible: [0, 1000], gross: [0, 2000], source: CALIBRATION_S1 },
  { key: 'pm4', num: 4, name: { zh: 'PM4', en: 'PM4' }, unit: 'ug/m3', unitLabel: 'µg/m³', resolution: 0.1, plausible: [0, 500], gross: [0, 1000], source: `${CALIBRATION_S1} (as PM2.5); Sensirion SPS30 data sheet v1 table 1 gives 0–1000` },
  { key: 'pm25_b', num: 5, name: { zh: 'PM2.5(B 通道)', en: 'PM2.5 (channel B)' }, unit: 'ug/m3', unitLabel: 'µg/m³', resolution: 0.1, plausible: [0, 500], gross: [0, 1000], source: `${CALIBRATION_S1} (as PM2.5)` },
  { key: 'temperature', num: 6, name: { zh: '溫度', en: 'temperature' }, unit: 'Cel', unitLabel: '°C', resolution: 0.1, plausible: [-5, 45], gross: [-20, 65], source: CALIBRATION_S1 },
  { key: 'humidity', num: 7, name: { zh: '相對濕度', en: 'relative humidity' }, unit: '%', unitLabel: '%', resolution: 0.1, plausible: [1, 100], gross: [0, 100.5], source: CALIBRATION_S1 },
  { key: 'pressure', num: 8, name: { zh: '氣壓', en: 'air pressure' }, unit: 'hPa', unitLabel: 'hPa', resolution: 0.1, plausible: [600, 1060], gross: [300, 1100], source: 'Bosch BME280 data sheet table 1 (300–1100 hPa); plausible: summit of Yushan (about 650 hPa) to the record high at sea level (1084 hPa, WMO) less margin' },
  { key: 'co2', num: 9, name: { zh: '二氧化碳', en: 'carbon dioxide' }, unit: '[ppm]', unitLabel: 'ppm', resolution: 1, plausible: [380, 5000], gross: [300, 10000], source: CALIBRATION_S1 },
  { key: 'tvoc', num: 10, name: { zh: '總揮發性有機物', en: 'total volatile organic compounds' }, unit: '[ppb]', unitLabel: 'ppb', resolution: 1, plausible: [0, 10000], gross: [0, 60000], source: 'Sensirion SGP30 data sheet table 1: 0–60000 ppb' },
  { key: 'noise_laeq', num: 11, name: { zh: '噪音 LAeq', en: 'noise LAeq' }, unit: 'dB(A)', unitLabel: 'dB(A)', resolution: 0.1, plausible: [25, 120], gross: [20, 140], source: `${CALIBRATION_S1} (gross), ${CALIBRATION_2_6}` },
  { key: 'noise_lamin', num: 12, name: { zh: '噪音 LAmin', en: 'noise LA min' }, unit: 'dB(A)', unitLabel: 'dB(A)', resolution: 0.1, plausible: [20, 120], gross: [15, 140], source: `${CALIBRATION_2_6} (as LAeq)` },
  { key: 'noise_lamax', num: 13, name: { zh: '噪音 LAmax', en: 'noise LA max' }, unit: 'dB(A)', unitLabel: 'dB(A)', resolution: 0.1, plausible: [25, 130], gross: [20, 150], source: `${CALIBRATION_2_6} (as LAeq)` },
  { key: 'illuminance', num: 14, name: { zh: '照度', en: 'illuminance' }, unit: 'lx', unitLabel: 'lx', resolution: 1, plausible: [0, 120000], gross: [0, 200000], source: 'direct sunlight is about 100 000 lx (CIE); TSL2591 data sheet maximum 88 000 lx' },
  { key: 'no2', num: 15, name: { zh: '二氧化氮', en: 'nitrogen dioxide' }, unit: '[ppb]', unitLabel: 'ppb', resolution: 0.1, plausible: [0, 500], gross: [-20, 5000], source: 'US EPA QA handbook vol. II app. D: span 0–500 ppb; electrochemical noise may be below zero' },
  { key: 'o3', num: 16, name: { zh: '臭氧', en: 'ozone' }, unit: '[ppb]', unitLabel: 'ppb', resolution: 0.1, plausible: [0, 300], gross: [-20, 2000], source: 'US EPA QA handbook vol. II app. D: span 0–500 ppb; Taiwan AQI 2025 ends at 604 ppb' },
  { key: 'co', num: 17, name: { zh: '一氧化碳', en: 'carbon monoxide' }, unit: '[ppm]', unitLabel: 'ppm', resolution: 0.01, plausible: [0, 50], gross: [-1, 1000], source: 'US EPA QA handbook vol. II app. D: span 0–50 ppm' },
  { key: 'so2', num: 18, name: { zh: '二氧化硫', en: 'sulphur dioxide' }, unit: '[ppb]', unitLabel: 'ppb', resolution: 0.1, plausible: [0, 500], gross: [-20, 5000], source: 'US EPA QA handbook vol. II app. D: span 0–500 ppb' },
  { key: 'nh3', num: 19, name: { zh: '氨', en: 'ammonia' }, unit: '[ppb]', unitLabel: 'ppb', resolution: 1, plausible: [0, 5000], gross: [-50, 100000], source: 'MICS-6814 data sheet: 1–500 ppm' },
  { key: 'water_level', num: 20, name: { zh: '水位', en: 'water level' }, unit: 'm', unitLabel: 'm', resolution: 0.001, plausible: [-0.05, 5], gross: [-0.2, 10], source: CALIBRATION_S1 },
  { key: 'rain', num: 21, name: { zh: '雨量', en: 'rainfall' }, unit: 'mm', unitLabel: 'mm', resolution: 0.1, plausible: [0, 150], gross: [0, 450], source: 'per reading; WMO record for one hour 305 mm, Taiwan hourly record about 190 mm (CWA)' },
  { key: 'pm03_count', num: 22, name: { zh: '微粒數 >0.3 µm', en: 'particles > 0.3 µm' }, unit: '/dL', unitLabel: '1/0.1 L', resolution: 1, plausible: [0, 65535], gross: [0, 200000], source: 'Plantower PMS5003 manual V2.3: 16-bit counts per 0.1 L' },
  { key: 'hcho', num: 23, name: { zh: '甲醛', en: 'formaldehyde' }, unit: '[ppb]', unitLabel: 'ppb', resolution: 1, plausible: [0, 1000], gross: [0, 5000], source: 'Plantower PMS5003ST manual: 0–2 mg/m³, about 1600 ppb' },
  { key: 'wind_speed', num: 24, name: { zh: '風速', en: 'wind speed' }, unit: 'm/s', unitLabel: 'm/s', resolution: 0.1, plausible: [0, 60], gross: [0, 120], source: 'WMO record gust 113 m/s' },
  { key: 'wind_direction', num: 25, name: { zh: '風向', en: 'wind direction' }, unit: 'deg', unitLabel: '°', resolution: 1, plausible: [0, 360], gross: [0, 360], source: 'definition' },
  { key: 'uv_index', num: 26, name: { zh: '紫外線指數', en: 'UV index' }, unit: '1', unitLabel: '', resolution: 0.1, plausible: [0, 16], gross: [0, 45], source: 'WHO Global Solar UV Index; highest reported 43.3 (Licancabur 2003)' },
  { key: 'nox_index', num: 27, name: { zh: 'NOx 指數', en: 'NOx index' }, unit: '1', unitLabel: '', resolution: 1, plausible: [1, 500], gross: [0, 500], source: 'Sensirion SGP41 data sheet: index 1–500' },
  { key: 'voc_index', num: 28, name: { zh: 'VOC 指數', en: 'VOC index' }, unit: '1', unitLabel: '', resolution: 1, plausible: [1, 500], gross: [0, 500], source: 'Sensirion SGP41 data sheet: index 1–500' },
  { key: 'battery', num: 29, name: { zh: '電池電壓', en: 'battery voltage' }, unit: 'V', unitLabel: 'V', resolution: 0.01, plausible: [2.5, 15], gross: [0, 30], source: 'lithium cell to 12 V lead battery' },
  { key: 'rssi', num: 30, name: { zh: '訊號強度', en: 'signal strength' }, unit: 'dB[mW]', unitLabel: 'dBm', resolution: 1, plausible: [-120, 0], gross: [-150, 20], source: 'IEEE 802.11 receivers' },
  { key: 'pm05_count', num: 31, name: { zh: '微粒數 >0.5 µm', en: 'particles > 0.5 µm' }, unit: '/dL', unitLabel: '1/0.1 L', resolution: 1, plausible: [0, 65535], gross: [0, 200000], source: 'Plantower PMS5003 manual V2.3: 16-bit counts per 0.1 L' },
  { key: 'pm1_count', num: 32, name: { zh: '微粒數 >1 µm', en: 'particles > 1 µm' }, unit: '/dL', unitLabel: '1/0.1 L', resolution: 1, plausible: [0, 65535], gross: [0, 200000], source: 'Plantower PMS5003 manual V2.3: 16-bit counts per 0.1 L' },
  { key: 'pm25_count', num: 33, name: { zh: '微粒數 >2.5 µm', en: 'particles > 2.5 µm' }, unit: '/dL', unitLabel: '1/0.1 L', resolution: 1, plausible: [0, 65535], gross: [0, 200000], source: 'Plantower PMS5003 manual V2.3: 16-bit counts per 0.1 L' },
  { key: 'soil_temperature', num: 34, name: { zh: '土壤溫度', en: 'soil temperature' }, unit: 'Cel', unitLabel: '°C', resolution: 0.1, plausible: [-5, 45], gross: [-20, 85], source: 'Maxim DS18B20 data sheet; 85 °C is its power-on value' },
  { key: 'ph', num: 35, name: { zh: '酸鹼值', en: 'pH' }, unit: '[pH]', unitLabel: 'pH', resolution: 0.01, plausible: [4, 10], gross: [0, 14], source: 'definition' },
  { key: 'ec', num: 36, name: { zh: '電導度', en: 'electrical conductivity' }, unit: 'uS/cm', unitLabel: 'µS/cm', resolution: 1, plausible: [0, 60000], gross: [0, 200000], source: 'sea water is about 50 000 µS/cm' },
] as const satisfies readonly ObservedProperty[];

export type PropertyKey = (typeof table)[number]['key'];

export const PROPERTIES: readonly (ObservedProperty & { readonly key: PropertyKey })[] = table;

/** Property numbers fit into this many values, so that `boxNum * PROPERTY_SLOTS + property.num` names a datastream. */
export const PROPERTY_SLOTS = 64;

const byKey = new Map<string, ObservedProperty & { readonly key: PropertyKey }>(PROPERTIES.map((p) => [p.key, p]));
const byNum: (ObservedProperty & { readonly key: PropertyKey })[] = [];
for (const p of PROPERTIES) byNum[p.num] = p;

export const isPropertyKey = (key: string): key is PropertyKey => byKey.has(key);

export function property(key: PropertyKey): ObservedProperty & { readonly key: PropertyKey } {
  return byKey.get(key) as ObservedProperty & { readonly key: PropertyKey };
}

/** @throws RangeError for a number that is no property */
export function propertyByNum(num: number): ObservedProperty & { readonly key: PropertyKey } {
  const p = byNum[num];
  if (!p) throw new RangeError(`no observed property has number ${num}`);
  return p;
}

/** Rounds to a multiple of the property's resolution without binary dust (12.3, not 12.299999). */
export function roundTo(value: number, resolution: number): number {
  const steps = 1 / resolution;
  return Math.round(value * steps) / steps;
}
