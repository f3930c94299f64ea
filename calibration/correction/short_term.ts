/**
 * What the last hours say: the residual of a box beside its station is alike from hour to hour (aerosol, weather), so a part of it is
 * carried forward. How much is learnt from the pairs themselves, always over the delay with which reference values really arrive.
 */
import { HOUR, type EpochMs } from '../../model/time.ts';
import { accumulate, newNormal, solve, type Normal, type Prior } from './linear.ts';

/** Time constants of the running means of the residual; the first feature is the last residual itself. */
const TAUS = [4 * HOUR, 24 * HOUR, 96 * HOUR] as const;
const HOURS = 24;
/** last, three running means, same hour of the day. */
export const FEATURES = 2 + TAUS.length;
/**
 * For a box beside its station also how far its own answer has moved since then, and in the last step: the air has moved by less when
 * the box is noisy, and the two of them are how much of it is believed.
 */
export const OWN_FEATURES = FEATURES + 2;
const RING = 6;
/** As `residualOf` has it (memory.ts). */
const SCALE = 20;
/** Learning forgets with this half-life. */
const FORGET_MS = 45 * 24 * HOUR;
/** Start: a third of the last residual and of its running mean; learnt away from there. */
const PRIOR = { mean: [0.2, 0.2, 0.1, 0.05, 0.05], spread: [0.15, 0.15, 0.15, 0.15, 0.15] };
/** Wide, since a box may be all noise; what the air was half a day ago says little of now. */
function ownPrior(delayMs: number): Prior {
  const fresh = Math.exp(-delayMs / (6 * HOUR));
  const spread = [0.15 + 0.35 * fresh, ...PRIOR.spread.slice(1), 0.7 * fresh, 0.5];
  return { mean: [...PRIOR.mean, 0, 0], spread };
}

export interface ShortTerm {
  time: EpochMs;
  readonly features: number[];
  readonly byHour: number[];
  /** Features as they were after earlier residuals, for learning over the real delay. */
  readonly ring: { time: EpochMs; features: number[]; base: number }[];
}

export const newShortTerm = (): ShortTerm => ({
  time: -Infinity,
  features: Array.from({ length: FEATURES }, () => 0),
  byHour: Array.from({ length: HOURS }, () => 0),
  ring: [],
});

export interface ShortTermLearning {
  normal: Normal;
  time: EpochMs;
  theta: number[];
  n: number;
}

export const newLearning = (): ShortTermLearning => ({
  normal: newNormal(FEATURES),
  time: -Infinity,
  theta: [...PRIOR.mean],
  n: 0,
});

export const newOwnLearning = (): ShortTermLearning => ({
  normal: newNormal(OWN_FEATURES),
  time: -Infinity,
  theta: ownPrior(0).mean.slice(),
  n: 0,
});

const hourOf = (t: EpochMs): number => Math.floor(t / HOUR) % HOURS;

/**
 * Features with which a residual at `time` is to be predicted from what was known at `asOf`; null = nothing known.
 *
 * @param base what the box itself says now, when it stands beside this station; NaN = it has none
 * @param before what it said a step earlier; NaN = nothing
 */
export function featuresAt(s: ShortTerm, asOf: EpochMs, time: EpochMs, base = NaN, before = NaN): number[] | null {
  for (let i = s.ring.length - 1; i >= 0; i--) {
    const snap = s.ring[i] as ShortTerm['ring'][number];
    if (snap.time > asOf) continue;
    const features = snap.features.slice();
    // The older what is known, the less of it is carried on.
    const age = Math.max(0, asOf - snap.time);
    features[0] = (features[0] as number) * Math.exp(-age / (6 * HOUR));
    TAUS.forEach((tau, k) => {
      features[k + 1] = (features[k + 1] as number) * Math.exp(-age / (2 * tau));
    });
    features[FEATURES - 1] = s.byHour[hourOf(time)] as number;
    if (!Number.isNaN(base)) features.push(moved(snap.base, base) * Math.exp(-age / (6 * HOUR)), moved(before, base));
    return features;
  }
  return null;
}

/** How far the box stood from where it stands now, in the scale of residuals. */
const moved = (then: number, now: number): number =>
  Number.isNaN(then) ? 0 : Math.min(1, Math.max(-1, (then - now) / (SCALE + Math.max(0, now))));

/** Takes in the residual of a pair; call in time order. */
export function follow(
  s: ShortTerm,
  time: EpochMs,
  residual: number,
  stepMs: number,
  delayMs: number,
  base: number,
): void {
  if (time <= s.time) return;
  const gap = Number.isFinite(s.time) ? time - s.time : stepMs;
  TAUS.forEach((tau, k) => {
    // With daily steps every time constant is short against the step; keep the means means.
    const keep = Math.exp(-gap / Math.max(tau, TAUS[k] === TAUS[0] ? 1.5 * stepMs : 3 * stepMs));
    const weight = 1 - Math.exp(-stepMs / Math.max(tau, TAUS[k] === TAUS[0] ? 1.5 * stepMs : 3 * stepMs));
    s.features[k + 1] = keep * (s.features[k + 1] as number) + weight * residual;
  });
  s.features[0] = residual;
  const hour = hourOf(time);
  s.byHour[hour] = 0.93 * (s.byHour[hour] as number) + 0.07 * residual;
  s.time = time;
  s.ring.push({ time, features: s.features.slice(), base });
  // As far back as the delay with which references come, and some.
  if (s.ring.length > RING + delayMs / stepMs) s.ring.shift();
}

export function learn(
  l: ShortTermLearning,
  features: readonly number[],
  residual: number,
  time: EpochMs,
  weight: number,
): void {
  if (time > l.time) {
    const fade = Number.isFinite(l.time) ? 0.5 ** ((time - l.time) / FORGET_MS) : 1;
    for (const v of [l.normal.a, l.normal.b]) for (let i = 0; i < v.length; i++) v[i] = (v[i] as number) * fade;
    l.time = time;
  }
  accumulate(l.normal, features, 0, residual, weight);
  l.n++;
}

/**
 * @param noise standard deviation of the residuals
 * @param delayMs with which references come
 */
export function relearn(l: ShortTermLearning, noise: number, delayMs: number): void {
  l.theta = solve(l.normal, l.normal.p === FEATURES ? PRIOR : ownPrior(delayMs), noise) ?? l.theta;
}

export const forecast = (l: ShortTermLearning, features: readonly number[]): number => {
  let sum = 0;
  for (let i = 0; i < l.theta.length; i++) sum += (l.theta[i] as number) * (features[i] as number);
  return sum;
};
