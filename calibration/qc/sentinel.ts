import { FLAG, type Flag } from '../../model/flags.ts';
import type { PropertyKey } from '../../model/properties.ts';

/** Codes that decoders, loggers and data bases put where a number is missing. */
const ANYWHERE = [65535, 6553.5, 32767, -32768, -999, -9999, -999.9, -99.9, -1000];

/**
 * What a chip sends when it does not answer. All numbers are exact as the device rounds them.
 * temperature: −127 and 85 DS18B20 (no answer, power-on; Maxim data sheet table 1), −45 SHT3x raw 0, −46.85 HTU21D/SHT2x raw 0,
 * −40 BME280 low clip, −18.33 = −1 °F. pm: 999.9 is the SDS011's upper end. humidity: 0 never occurs in open air (the driest deserts have 2 %);
 * 998 / −6 HTU21D error and raw 0.
 */
const PM = [-1, 999.9, 1999.9];
const OWN: Partial<Record<PropertyKey, readonly number[]>> = {
  pm1: PM,
  pm25: PM,
  pm25_b: PM,
  pm4: PM,
  pm10: PM,
  temperature: [-127, 85, -45, -46.85, -46.8, -46.9, -40, -144, -145.75],
  humidity: [0, -1, 998, -6],
  co2: [0, -1],
  pressure: [0],
};

/** Temperatures that stand for "no chip" only when the humidity of the same reading is impossible too: AirBox −4 beside 0 %, −1 °F beside −1 %. */
const WITH_DEAD_HUMIDITY = [-4, -18.33, -17.78, 0, -1];

const near = (x: number, code: number): boolean => Math.abs(x - code) < 0.006;

/** Error codes in the place of a measurement fail; everything else is not this test's business (not evaluated). */
export function sentinelTest(key: PropertyKey, x: number): Flag {
  for (const code of ANYWHERE) if (near(x, code)) return FLAG.fail;
  const own = OWN[key];
  if (own) for (const code of own) if (near(x, code)) return FLAG.fail;
  return FLAG.notEvaluated;
}

/**
 * One chip measures temperature and humidity: when its humidity is impossible (≤ 0), a temperature that is a known code fails as well.
 * @param humidity of the same reading [%], NaN = none
 */
export function deadChipTest(temperature: number, humidity: number): Flag {
  if (!(humidity <= 0)) return FLAG.notEvaluated;
  return WITH_DEAD_HUMIDITY.some((code) => near(temperature, code)) ? FLAG.fail : FLAG.notEvaluated;
}

/** Next to nothing: 0, or less than a twentieth of what is around (a dying fan lets single particles through). */
export const isNearZero = (x: number, around: number): boolean => x < 0.5 || x <= 0.05 * around;

const LONE_ZERO = { usual: 8, suspectS: 3 * 3600, failS: 12 * 3600 };

/**
 * Particle matter next to nothing while the air around is not clean: suspect at once, fail after an hour (calibration note §8.1 S2): a dead
 * fan or laser.
 * @param lowS how long the value has been so [s]
 * @param around what neighbours or the second channel say [µg/m³], NaN = not known
 * @param equalS how long it has been one and the same number [s]
 * @param usual median of the box's own last weeks [µg/m³], NaN = not known
 */
export function stuckZeroTest(x: number, lowS: number, around: number, equalS = 0, usual = Number.NaN): Flag {
  if (!isNearZero(x, around)) return FLAG.good;
  if (Number.isNaN(around)) {
    // A lone box whose air is never that clean: rain washes air to little, hardly ever to the same nothing for hours.
    if (!(usual >= LONE_ZERO.usual) || equalS <= LONE_ZERO.suspectS) return FLAG.notEvaluated;
    return equalS > LONE_ZERO.failS ? FLAG.fail : FLAG.suspect;
  }
  if (around <= 5) return FLAG.good;
  return lowS > 3600 ? FLAG.fail : FLAG.suspect;
}

/**
 * Humidity that stands at 100 % for more than three hours: the chip is saturated or dead (calibration note §8.1 S2). Before that, 100 %
 * cannot be told from fog, except when neighbours are clearly dry.
 * @param fullS how long the value has been at least 99.9 % [s]
 * @param around median humidity of neighbours whose chips live [%], NaN = not known
 */
export function saturatedTest(humidity: number, fullS: number, around: number): Flag {
  if (humidity < 99.9) return FLAG.good;
  if (fullS > 3 * 3600 || around < 90) return FLAG.suspect;
  return FLAG.notEvaluated;
}
