/**
 * How far boxes of one type, and places, differ for good: variances of lasting log-ratios, learnt each night. Boxes beside stations show
 * gains, stations show places, and both are few. Boxes among each other are many and show the sum: what they differ by from their
 * neighbours is split by expectation and maximisation into a gain and a place, the latter growing with the distance.
 */
import { DAY, type EpochMs } from '../../model/time.ts';
import { apart, logOf, PRIOR_SPREAD, type Apart } from './consensus.ts';
import { lowerBound } from './history.ts';
import type { Memory, PoolState, Series } from './memory.ts';
import { spotDistance } from './spatial.ts';

type Spread = PoolState['spread'];

/** Sums of squares, and how many they are of. */
interface Known {
  readonly box: number;
  readonly boxes: number;
  readonly place: number;
  readonly places: number;
}

/** Boxes looked at, evenly taken: more say no more. */
const ASKED = 2000;
/** Rows of reference in common before stations are held against each other, and pairs of a box before it counts. */
const LEAST = 48;
const ROUNDS = 60;
/** Boxes that nobody knows to hang indoors or to be broken: their share, and how far they are off on top (variance of log). */
const ODD = { share: 0.02, variance: 1 };
/** Boxes on one spot have one place. */
const LEAST_APART = 1e-6;
/** So many boxes among each other count as much as what is assumed of places: half of it is left. */
const FEW = 5;

/** @param own series of boxes beside stations of this type */
export function spreadOf(m: Memory, key: string, own: readonly Series[], now: EpochMs): Spread {
  const ratios: Apart[] = [];
  const stride = Math.ceil(m.s.boxes.size / ASKED);
  let i = 0;
  for (const box of m.s.boxes.values()) {
    if (i++ % stride !== 0 || box.pool !== key || box.indoor) continue;
    const found = apart(box.gain, m.around(box));
    if (found) ratios.push(found);
  }
  return split({ ...gains(own), ...places(m, now, PRIOR_SPREAD.places * (FEW / (FEW + ratios.length))) }, ratios);
}

function gains(own: readonly Series[]): Pick<Known, 'box' | 'boxes'> {
  let [box, boxes] = [PRIOR_SPREAD.box * PRIOR_SPREAD.boxes, PRIOR_SPREAD.boxes];
  for (const x of own) {
    if (x.errors.n < LEAST) continue;
    box += x.ratio * x.ratio;
    boxes++;
  }
  return { box, boxes };
}

/** @param worth of what is assumed, in places */
function places(m: Memory, now: EpochMs, worth: number): Pick<Known, 'place' | 'places'> {
  let [place, places] = [PRIOR_SPREAD.place * worth, worth];
  const known = [...m.s.stations.values()].filter((s) => s.time.length >= LEAST);
  for (const stations of Map.groupBy(known, (s) => m.region(s.id)).values()) {
    stations.splice(40);
    for (const [a, b] of pairsIn(stations)) {
      if (spotDistance(a, b) > 20) continue;
      let sum = 0;
      let n = 0;
      for (let k = lowerBound(a.time, now - 30 * DAY); k < a.time.length; k++) {
        const at = lowerBound(b.time, a.time[k] as number);
        if (b.time[at] !== a.time[k]) continue;
        sum += logOf(a.y[k] as number) - logOf(b.y[at] as number);
        n++;
      }
      if (n < LEAST) continue;
      // Half of the squared difference is one place's; S stations make S(S − 1)/2 pairs, but only S places.
      place += ((sum / n) ** 2 / 2) * (2 / stations.length);
      places += 2 / stations.length;
    }
  }
  return { place, places };
}

/** The most likely variances; without ratios those of what is known otherwise. */
export function split(known: Known, ratios: readonly Apart[]): Spread {
  let box = known.box / known.boxes;
  let place = known.place / known.places;
  for (let round = 0; round < ROUNDS && ratios.length > 0; round++) {
    const sum: { -readonly [K in keyof Known]: number } = { ...known };
    for (const { ratio, gains, places, noise } of ratios) {
      const [ofBox, ofPlace] = [gains * box, places * place];
      const all = ofBox + ofPlace + noise;
      const odd = ODD.share * density(ratio, all + ODD.variance);
      const usual = (1 - ODD.share) * density(ratio, all);
      const weight = usual / (usual + odd);
      // Expected square of the part, and what of it stays open.
      const squared = (of: number): number => ((of / all) * ratio) ** 2 + of * (1 - of / all);
      sum.box += (weight * squared(ofBox)) / gains;
      sum.boxes += weight;
      if (places < LEAST_APART) continue;
      sum.place += (weight * squared(ofPlace)) / places;
      sum.places += weight;
    }
    box = sum.box / sum.boxes;
    place = sum.place / sum.places;
  }
  return { box, place };
}

const density = (x: number, variance: number): number => Math.exp(-(x * x) / (2 * variance)) / Math.sqrt(variance);

function* pairsIn<T>(list: readonly T[]): Generator<[T, T]> {
  for (const [i, a] of list.entries()) for (const b of list.slice(i + 1)) yield [a, b];
}
