/**
 * What sets a box apart from its neighbours in this very hour is partly air, partly the box. How much is the box's, the stations tell in
 * the hours with a regression of their own: were it all air, a box near a station would err no more when it stands out. What lasts is
 * taken care of elsewhere (`consensus.ts`); this is of a single reading. Local air lives on as far as stations confirm it.
 */
import { logOf, persistent, type Gain } from './consensus.ts';
import { onLine, type Network } from './network.ts';

/** Sums over stations: products of error and how far a box stood out (ea), squares of the latter (aa), squares of a station's products (vv) [logs]. */
export interface Lone {
  ea: number;
  aa: number;
  vv: number;
}

export const newLone = (): Lone => ({ ea: 0, aa: 0, vv: 0 });

/** Standard errors taken off: nothing is taken from a reading unless stations are sure. */
const SURE = 1.3;
/** Hours before count for less and less. */
const KEEP = 0.9;
/** One sick box or station says no more than this [log]. */
const MAX_ERROR = 1;
/** Places and whole numbers differ by this anyway [log]. */
const USUAL = 0.2;
/** Neighbours that have to be heard. */
export const LEAST_AROUND = 2;

/**
 * How far a box stands out from its neighbours now, beyond what it always does and what is usual [log of answers].
 * @param input what goes into the network, of the box; `middle` the median of its neighbours' [µg/m³], NaN = not known
 */
export function standsOut(network: Network, input: number, middle: number, gain: Gain): number {
  if (Number.isNaN(middle)) return 0;
  const apart = logOf(onLine(network, input)) - logOf(onLine(network, middle)) - persistent(gain);
  return Math.sign(apart) * Math.max(0, Math.abs(apart) - USUAL);
}

/**
 * Share of that which is the box's, 0–1: least squares less SURE standard errors, stations independent of each other.
 * @param less sums to leave out: a station does not judge what it has taught
 */
export function shareOfBox(lone: Lone, less: Lone = newLone()): number {
  const sure = lone.ea - less.ea - SURE * Math.sqrt(Math.max(0, lone.vv - less.vv));
  return sure <= 0 ? 0 : Math.min(1, sure / (lone.aa - less.aa));
}

/** What the boxes near one station say: errors of answers that have not seen it, and how far each box stood out [logs]. */
export function witnesses(boxes: readonly { readonly error: number; readonly out: number }[]): Lone {
  let [ea, aa] = [0, 0];
  for (const { error, out } of boxes) {
    // They share the station's own error.
    ea += (Math.min(MAX_ERROR, Math.max(-MAX_ERROR, error)) * out) / Math.sqrt(boxes.length);
    aa += out ** 2 / Math.sqrt(boxes.length);
  }
  return { ea, aa, vv: ea ** 2 };
}

/** An hour has gone by. */
export function fade(lone: Lone): void {
  for (const key of ['ea', 'aa', 'vv'] as const) lone[key] *= KEEP;
}

export function learnLone(lone: Lone, stations: readonly Lone[]): void {
  for (const s of stations) for (const key of ['ea', 'aa', 'vv'] as const) lone[key] += s[key];
}
