/**
 * The tests that a single value goes through, in order; a new test is a function in a file of its own and a line here.
 * Each returns a QARTOD flag: good and "not evaluated" pass, suspect and fail carry the entry's reason.
 */
import { FLAG, type Flag, type ReasonCode } from '../../model/flags.ts';
import type { ObservedProperty, PropertyKey } from '../../model/properties.ts';
import { buddyTest } from './buddy.ts';
import { levelOrderTest, wetCo2Test, windNoiseTest } from './company.ts';
import { flatLineTest } from './flat_line.ts';
import { grossRangeTest } from './gross_range.ts';
import type { PropertyLimits } from './parameters.ts';
import { sizeOrderTest, solarTest } from './physics.ts';
import { deadChipTest, saturatedTest, sentinelTest, stuckZeroTest } from './sentinel.ts';
import { spikeTest } from './spike.ts';
import { dryBiasTest, outlierTest, quietTest } from './usual.ts';

/** So many hours make a median of the box's own. */
const LONE_HOURS = 72;

/** All that is known when a value is tested. One object is reused; tests read it and keep nothing. NaN = not known. */
export interface ValueContext {
  x: number;
  key: PropertyKey;
  property: ObservedProperty;
  limits: PropertyLimits;
  /** Seconds since the stream's last reading. */
  gapS: number;
  level: number;
  readonly last: { value: number; spike: boolean };
  usual: number;
  runS: number;
  evidenceRange: number;
  evidenceMost: number;
  equalS: number;
  /** For how long the value has been next to nothing beside `around` [s]. */
  lowS: number;
  /** What neighbours say of this property, in its unit. */
  around: number;
  /** Median and MAD of the last fortnight before this reading, and the hours they rest on. */
  median: number;
  mad: number;
  usualHours: number;
  /** Whether rain, or water at a gauge nearby, explains a jump of the water level. */
  supported: boolean;
  /** Phenomenon time [epoch ms]. */
  time: number;
  /** Of the reading's place and time [degrees]. */
  sunElevation(): number;
  /** Values of the same reading by property key; NaN where there is none. */
  beside(key: PropertyKey): number;
}

export interface ValueTest {
  /** Name in docs/qc.md. */
  readonly id: string;
  readonly reason: ReasonCode;
  /** The properties it is for; absent = all. */
  readonly for?: readonly PropertyKey[];
  /** 'instant' tests need no memory and decide whether the value may enter it. */
  readonly kind: 'instant' | 'history';
  readonly test: (c: ValueContext) => Flag;
  /** What it finds is said beside the value and leaves its flag alone. */
  readonly remark?: boolean;
}

const PARTICLES: readonly PropertyKey[] = ['pm1', 'pm25', 'pm25_b', 'pm4', 'pm10'];
const only = (flag: Flag, wanted: Flag): Flag => (flag === wanted || flag === FLAG.good ? flag : FLAG.notEvaluated);
const range = (c: ValueContext): Flag => grossRangeTest(c.x, c.property.plausible, c.property.gross);

export const VALUE_TESTS: readonly ValueTest[] = [
  { id: 'S1', reason: 'gross_range', kind: 'instant', test: (c) => only(range(c), FLAG.fail) },
  { id: 'S1', reason: 'plausible_range', kind: 'instant', test: (c) => only(range(c), FLAG.suspect) },
  {
    id: 'S1',
    reason: 'negative',
    kind: 'instant',
    test: (c) => (c.x < 0 && c.property.gross[0] >= 0 ? FLAG.fail : FLAG.notEvaluated),
  },
  { id: 'S2', reason: 'sentinel', kind: 'instant', test: (c) => sentinelTest(c.key, c.x) },
  {
    id: 'S2',
    reason: 'sentinel',
    for: ['temperature'],
    kind: 'instant',
    test: (c) => deadChipTest(c.x, c.beside('humidity')),
  },
  {
    id: 'S2',
    reason: 'stuck_zero',
    for: PARTICLES,
    kind: 'history',
    test: (c) => stuckZeroTest(c.x, c.lowS, c.around, c.equalS, c.usualHours >= LONE_HOURS ? c.median : Number.NaN),
  },
  {
    id: 'S2',
    reason: 'saturated',
    for: ['humidity'],
    kind: 'history',
    test: (c) => saturatedTest(c.x, c.equalS, c.around),
  },
  {
    id: 'S3',
    reason: 'flat_line',
    kind: 'history',
    test: (c) =>
      c.limits.flat && !(c.key === 'humidity' && c.x >= 99.9)
        ? flatLineTest(c.x, c.runS, c.gapS, c.evidenceRange, c.evidenceMost, c.limits.flat)
        : FLAG.notEvaluated,
  },
  {
    id: 'S4',
    reason: 'spike',
    kind: 'history',
    test: (c) =>
      c.limits.spike
        ? c.supported
          ? FLAG.good
          : spikeTest(c.x, c.level, c.last, c.usual, c.gapS, c.limits.spike)
        : FLAG.notEvaluated,
  },
  {
    id: 'N1',
    reason: 'outlier',
    for: PARTICLES,
    kind: 'history',
    // Smoke over a lone box looks the same as a fault: said, not judged.
    remark: true,
    test: (c) => outlierTest(c.x, c.median, c.mad, c.usualHours),
  },
  {
    id: 'N3',
    reason: 'drift',
    for: ['water_level'],
    kind: 'history',
    test: (c) => dryBiasTest(c.median, c.mad, c.usualHours),
  },
  {
    id: 'N3',
    reason: 'drift',
    for: ['noise_lamin'],
    kind: 'history',
    test: (c) => quietTest(c.median, c.mad, c.usualHours),
  },
  {
    id: 'S6',
    reason: 'size_order',
    for: ['pm25'],
    kind: 'instant',
    test: (c) => sizeOrderTest(c.beside('pm1'), c.x, c.beside('pm10')),
  },
  {
    id: 'S6',
    reason: 'size_order',
    for: ['noise_laeq'],
    kind: 'instant',
    test: (c) => levelOrderTest(c.beside('noise_lamin'), c.x, c.beside('noise_lamax')),
  },
  {
    id: 'S6',
    reason: 'fog',
    for: ['noise_laeq', 'noise_lamin', 'noise_lamax'],
    kind: 'instant',
    test: (c) => windNoiseTest(c.beside('wind_speed'), c.beside('rain')),
  },
  {
    id: 'S6',
    reason: 'fog',
    for: ['co2'],
    kind: 'instant',
    test: (c) => wetCo2Test(c.beside('humidity')),
  },
  {
    id: 'S6',
    reason: 'solar',
    for: ['temperature'],
    kind: 'history',
    test: (c) => solarTest(c.x, c.around, () => c.sunElevation()),
  },
  {
    id: 'S7',
    reason: 'spatial',
    for: ['temperature'],
    kind: 'history',
    test: (c) => buddyTest(c.x, c.around, 15),
  },
  {
    id: 'S7',
    reason: 'spatial',
    for: ['humidity'],
    kind: 'history',
    // A saturated chip has its own test; what it says is no news here.
    test: (c) => (c.x >= 99.9 ? FLAG.notEvaluated : buddyTest(c.x, c.around, 45)),
  },
];
