/**
 * Correction of what is not PM2.5: temperature and humidity against stations around, the zero of CO2. Everything else is checked and not
 * corrected: noise wants a calibrator's visit, water a datum, and for the rest the literature knows no way without a reference beside the box
 * (calibration note §2.6).
 */
import { FLAG, reason } from '../../model/flags.ts';
import type { CorrectedReading, CorrectedValue } from '../../model/observation.ts';
import { type PropertyKey, property, roundTo } from '../../model/properties.ts';
import { isPlace } from '../geo/distance.ts';
import type { StageBox, StageStation } from '../stage.ts';
import { CO2, Co2Baselines, type Co2State } from './co2.ts';
import { type StationWeather, Weather, type WeatherState } from './weather.ts';

/** What can be corrected at all. */
export const CORRECTABLE: ReadonlySet<PropertyKey> = new Set<PropertyKey>(['pm25', 'temperature', 'humidity', 'co2']);

/** The ways, by the ids that values name; their cards stand beside those of published equations. Numbers of a way change only with its id. */
export const QUANTITY_MODELS = {
  temperature: 'temperature-sun-1',
  humidity: 'humidity-vapour-1',
  co2: 'co2-baseline-1',
} as const;

export const QUANTITY_CARDS: Readonly<Record<string, Record<string, unknown>>> = {
  [QUANTITY_MODELS.temperature]: {
    kind: 'method',
    subject: 'temperature',
    equation: 'T − (a + b·sin h), h = elevation of the sun; a, b of each box by least squares against hour means of the stations within 15 km, half-life 14 d', // prettier-ignore
    source: 'Lamppost; radiation error of cases as in calibration literature (Fenner et al. 2021, CrowdQC+)',
    validFrom: '72 hours beside stations',
  },
  [QUANTITY_MODELS.humidity]: {
    kind: 'method',
    subject: 'humidity',
    equation: 'RH·es(T case)/es(T air) − c; es after Alduchov & Eskridge 1996 eq. 21; c of each box against stations within 15 km, half-life 14 d', // prettier-ignore
    source: 'Lamppost; water vapour is conserved in a warm case',
    validFrom: '72 hours beside stations',
  },
  [QUANTITY_MODELS.co2]: {
    kind: 'method',
    subject: 'carbon dioxide',
    equation:
      'x − (lowest daily minimum of 14 days − background), where that is more than 40 ppm; background 424.6 ppm (2024.5) + 2.6 ppm/a',
    source: 'NOAA GML (background); calibration note of the project §2.6',
    validFrom: '7 days in the open',
  },
};

const FOG = reason('fog');
const GUARD = reason('output_guard');

export interface QuantitiesState {
  weather: WeatherState;
  co2: Co2State;
  outdoor: number[];
}

export class Quantities {
  readonly #weather = new Weather();
  readonly #co2 = new Co2Baselines();
  /** Boxes in the open by their owner's word: only there the air comes down to the background. */
  #outdoor = new Set<number>();

  setBox(box: StageBox): void {
    const open = box.exposure !== 'indoor' && box.exposure !== 'mobile' && isPlace(box.lat, box.lon);
    this.#weather.setPlace(box.num, open ? box.lat : null, open ? box.lon : null);
    if (box.exposure === 'outdoor') this.#outdoor.add(box.num);
    else this.#outdoor.delete(box.num);
  }

  setStation({ id, lat, lon }: StageStation): void {
    if (isPlace(lat, lon)) this.#weather.setStation({ id, lat: lat as number, lon: lon as number });
  }

  weather(values: readonly StationWeather[]): void {
    this.#weather.reference(values);
  }

  /** Fills in what can be corrected of readings whose PM2.5 is done. */
  correct(readings: readonly CorrectedReading[]): CorrectedReading[] {
    return readings.map((reading) => {
      const some = (key: PropertyKey): boolean => reading.values.some((v) => v.property === key);
      const wanted = some('co2') || (this.#weather.useful && some('temperature'));
      if (!wanted) return reading;
      return { ...reading, values: this.#values(reading) };
    });
  }

  #values({ thingNum, phenomenonTime, values }: CorrectedReading): CorrectedValue[] {
    const t = Math.max(1, Math.floor(phenomenonTime / 1000));
    const temperature = values.find((v) => v.property === 'temperature');
    const humidity = values.find((v) => v.property === 'humidity');
    const sound = (v: CorrectedValue | undefined): v is CorrectedValue => v !== undefined && (v.flag === FLAG.good || v.flag === FLAG.notEvaluated); // prettier-ignore
    // A case in the sun is what is put right here: suspicion of that is no reason to leave it.
    const warm = temperature && temperature.flag !== FLAG.fail && temperature.flag !== FLAG.missing ? temperature.raw : Number.NaN; // prettier-ignore
    const damp = sound(humidity) && humidity.raw > 0 && humidity.raw < 99.9 ? humidity.raw : Number.NaN;
    if (temperature || humidity) this.#weather.take(thingNum, t, warm, damp);
    const air = Number.isNaN(warm) ? null : this.#weather.temperature(thingNum, t, warm);
    return values.map((v) => {
      if (v.flag === FLAG.fail || v.flag === FLAG.missing) return v;
      switch (v.property) {
        case 'temperature':
          return air ? given(v, air.value, air.half, QUANTITY_MODELS.temperature) : v;
        case 'humidity': {
          const found = air && !Number.isNaN(damp) ? this.#weather.humidity(thingNum, damp, warm, air.value) : null;
          return found ? given(v, found.value, found.half, QUANTITY_MODELS.humidity, [0, 100]) : v;
        }
        case 'co2': {
          if (!this.#outdoor.has(thingNum)) return v;
          if (sound(v)) this.#co2.take(thingNum, t, v.raw);
          const base = this.#co2.baseline(thingNum, t);
          if (!base) return v;
          const value = v.raw - base.offset;
          if (value < 0) return { ...v, reasons: v.reasons | GUARD };
          const { base: least, share, shifted } = CO2.interval;
          const half = (least + share * value + (base.offset === 0 ? 0 : shifted)) * (v.reasons & FOG ? 2 : 1);
          return given(v, value, half, QUANTITY_MODELS.co2, [0, Infinity]);
        }
        default:
          return v;
      }
    });
  }

  state(): QuantitiesState {
    return { weather: this.#weather.snapshot(), co2: this.#co2.snapshot(), outdoor: [...this.#outdoor] };
  }
  restoreState(from: QuantitiesState): void {
    this.#weather.restore(from.weather);
    this.#co2.restore(from.co2);
    this.#outdoor = new Set(from.outdoor);
  }
}

function given(
  v: CorrectedValue,
  value: number,
  half: number,
  model: string,
  [lowest, highest]: readonly [number, number] = [-Infinity, Infinity],
): CorrectedValue {
  const { resolution } = property(v.property);
  const y = roundTo(value, resolution);
  return {
    ...v,
    corrected: y,
    lo90: Math.min(y, Math.max(lowest, roundTo(value - half, resolution))),
    hi90: Math.max(y, Math.min(highest, roundTo(value + half, resolution))),
    level: model === QUANTITY_MODELS.co2 ? 'L1' : 'L4',
    model,
  };
}
