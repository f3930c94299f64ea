/**
 * What a box shows over days, judged once a night: does it follow its neighbours (N1), what kind of place does it hang in (N2), does it
 * drift (N3), and how healthy is it. Running sums of about 170 bytes a box instead of windows: an average "over 14 days" forgets with that time
 * constant. Inputs are the spatial test's answers; a box without neighbours has no verdict here.
 */
import { FLAG, type Flag } from '../../model/flags.ts';
import { type PoolState, RecordPool } from './pool.ts';
import { binsLaid, forgetSecond, layBins, SECOND_WORDS, secondConfirms, takeSecond } from './second_opinion.ts';
import { SCALE_WORDS, scaleFactor, watchScale } from './scale.ts';

export const NIGHTLY = {
  correlationDays: 14,
  /** Correlation of log PM2.5 with the leave-one-out field: suspect and fail below (calibration note §8.1 N1). */
  suspectBelow: 0.5,
  failBelow: 0.2,
  /** Days of evidence before a box can fail, be classed, or be suspect: a few odd days are weather. */
  failDays: 5,
  classDays: 3,
  suspectDays: 10,
  /** The field must have varied by this (log units) for a correlation to mean something. */
  minFieldSd: 0.2,
  /** Spread of the box over spread of the field below which the air reaches it damped. */
  attenuatedBelow: 0.4,
  /** A reading speaks for "indoor" or "near a source" when it is a factor 2 off its neighbours. */
  classDeviation: Math.LN2,
  /** Weights and limit of LASS ADF for shares over 1, 7 and 14 days (Chen et al. 2018; calibration note §1.1), for comparability. */
  classWeights: [0.2, 0.3, 0.5],
  classLimit: (8 / 24) * 0.2 + (40 / 168) * 0.3 + (80 / 336) * 0.5,
  shareFloor: 1 / 3,
  /** Nights (0–5 h solar time) that make the drift baseline; CUSUM slack and alarm in standard deviations: the note's
   * §8.5 has slack 0.25, which with a baseline of two weeks alarms on every change of season. */
  baselineNights: 14,
  cusumSlack: 0.5,
  cusumAlarm: 5,
  sigmaMin: 0.05,
  /** Less than this is no drift worth a word, however steady [log units]. */
  driftMin: 0.15,
  cleanNights: 3,
  /** Weight of the newest night in where a drifting box stands now. */
  driftWeight: 0.3,
  /** Second opinion, from all hours of a fortnight (after MOMA, Miskell et al. 2018: the level of the box against its proxy): at least so much of
   * what the nights say, and the same way. The means lag a week behind, hence less than all of it. */
  agrees: 0.35,
  /** A box known to drift is followed with this weight a night, at most so far a night; it is over when it stands this near to where it began. */
  followWeight: 0.25,
  followMost: 0.3,
  followEnds: 0.05,
  /** No drift is believed beyond this [log units]: a factor 3 is another fault. */
  driftMax: Math.log(3),
} as const;

export type SiteClass = '' | 'indoor' | 'near_source';

export interface BoxHealth {
  /** 0–100 = 40·(1 − flagged share) + 30·max(0, correlation) + 20·completeness + 10·(no drift) (calibration note §8.1 N2). */
  readonly score: number;
  /** Shares of the last week. */
  readonly flaggedShare: number;
  readonly completeness: number;
  /** With the field drawn by the neighbours, 14 days, log space; null = too little evidence. */
  readonly correlation: number | null;
  /** Spread of the box over spread of the field; null as above. */
  readonly attenuation: number | null;
  readonly siteClass: SiteClass;
  /** The factor by which the box steadily differs from its neighbours, when none but a wrong unit explains it; null = none. */
  readonly scaleFactor: number | null;
  /** The nights suspect a drift; `drifting` when the hours of the last week confirm it. */
  readonly driftSuspected: boolean;
  readonly drifting: boolean;
  /** Present deviation from the neighbours at night against the first nights, log units; null = too few nights. */
  readonly driftLog: number | null;
  /** QARTOD verdict of N1. */
  readonly follows: Flag;
}

const N = {
  days: 0,
  meanBox: 1,
  meanField: 2,
  varBox: 3,
  varField: 4,
  covariance: 5,
  indoor1: 6,
  indoor7: 7,
  indoor14: 8,
  source1: 9,
  source7: 10,
  source14: 11,
  flagged: 12,
  complete: 13,
  nightSum: 14,
  nightCount: 15,
  nights: 16,
  baseline: 17,
  sigma: 18,
  up: 19,
  down: 20,
  clean: 21,
  lastNight: 22,
  /** Verdicts of the last night. */
  follows: 23,
  siteClass: 24,
  drifting: 25,
  /** Nights since the drift was found. */
  open: 26,
  /** Where a drifting box stands now against its baseline, smoothed over nights. */
  standing: 27,
  /** Deviation over all hours when the baseline was complete. */
  dayBase: 28,
  /** The first baseline + ORIGIN while a drift is followed that is sure; 0 = there is none. */
  origin: 29,
  /** SCALE_WORDS fields of scale.ts. */
  scale: 30,
  /** 1 when the hours of the last week confirm what the nights suspect. */
  confirmed: 30 + SCALE_WORDS,
  /** SECOND_WORDS fields of second_opinion.ts. */
  second: 31 + SCALE_WORDS,
} as const;
const ORIGIN = 16;
const WORDS = 31 + SCALE_WORDS + SECOND_WORDS;
const DAY_S = 86_400;
const MAX_STEP_S = 7200;
const CLASSES: readonly SiteClass[] = ['', 'indoor', 'near_source'];
const SHARES = [
  [N.indoor1, N.indoor7, N.indoor14],
  [N.source1, N.source7, N.source14],
] as const;
const SHARE_DAYS = [1, 7, 14] as const;

export interface NightlyInput {
  /** Seconds since the box's last reading, and what it usually is. */
  readonly gapS: number;
  readonly intervalS: number;
  readonly pm25: number;
  /** What neighbours say [µg/m³]. */
  readonly field: number;
  readonly flagged: boolean;
  /** It was found dead (flat line, zeros): what it shows is no air, and says nothing of its place or of how well it follows. */
  readonly dead: boolean;
  /** Local solar hour, 0–24. */
  readonly solarHour: number;
}

export class Nightly {
  readonly pool = new RecordPool(WORDS);

  /** Takes in one reading of a site that the spatial test evaluated. Records go with the sites: same numbers. */
  take(site: number, input: NightlyInput): void {
    while (this.pool.count < site) this.pool.add();
    const f = this.pool.f32(site);
    const at = this.pool.offset(site);
    const step = Math.min(input.gapS, MAX_STEP_S);
    const wrongUnit = !Number.isNaN(this.scale(site));
    watchScale(f, at + N.scale, input.pm25, input.field, step / 3600);
    if (!Number.isNaN(this.scale(site))) {
      // In another unit it says nothing of its place or its health; what the change has brought in is forgotten.
      if (!wrongUnit) {
        f.fill(0, at, at + N.scale);
        f[at + N.confirmed] = 0;
        forgetSecond(this.pool.u32(site), at + N.second);
        f[at + N.flagged] = f[at + N.complete] = 1;
      }
      return;
    }
    if (input.dead) return this.#takeHealth(f, at, input, step);
    const first = f[at + N.days] === 0;
    f[at + N.days] = (f[at + N.days] as number) + step / DAY_S;
    const box = Math.log(input.pm25 + 3);
    const field = Math.log(Math.max(0, input.field) + 3);
    if (first) {
      f[at + N.meanBox] = box;
      f[at + N.meanField] = field;
      f[at + N.complete] = 1;
    }
    // Before a window is full its average is the plain one.
    const age = f[at + N.days] as number;
    const weight = (days: number): number => step / DAY_S / Math.max(Math.min(days, age), step / DAY_S);
    const w = weight(NIGHTLY.correlationDays);
    const db = box - (f[at + N.meanBox] as number);
    const df = field - (f[at + N.meanField] as number);
    f[at + N.meanBox] = (f[at + N.meanBox] as number) + w * db;
    f[at + N.meanField] = (f[at + N.meanField] as number) + w * df;
    f[at + N.varBox] = (1 - w) * ((f[at + N.varBox] as number) + w * db * db);
    f[at + N.varField] = (1 - w) * ((f[at + N.varField] as number) + w * df * df);
    f[at + N.covariance] = (1 - w) * ((f[at + N.covariance] as number) + w * db * df);
    const deviation = box - field;
    for (const [kind, sign] of [-1, 1].entries())
      for (const [k, days] of SHARE_DAYS.entries()) {
        const field = at + (SHARES[kind] as readonly number[])[k]!;
        const says = deviation * sign > NIGHTLY.classDeviation ? 1 : 0;
        f[field] = (f[field] as number) + weight(days) * (says - (f[field] as number));
      }
    this.#takeHealth(f, at, input, step);
    const second = at + N.second;
    if (binsLaid(f, second))
      takeSecond(f, this.pool.u32(site), second, deviation, (f[at + N.nights] as number) < NIGHTLY.baselineNights);
    else if (age >= 1)
      layBins(f, this.pool.u32(site), second, (f[at + N.meanBox] as number) - (f[at + N.meanField] as number));
    if (input.solarHour < 5 && Math.abs(deviation) < 2) {
      f[at + N.nightSum] = (f[at + N.nightSum] as number) + deviation;
      f[at + N.nightCount] = (f[at + N.nightCount] as number) + 1;
    }
  }

  /** Shares of the last week: flagged, and heard. */
  #takeHealth(f: Float32Array, at: number, input: NightlyInput, step: number): void {
    const days = step / DAY_S;
    const most = Math.max(Math.min(7, f[at + N.days] as number), days);
    const flagged = f[at + N.flagged] as number;
    f[at + N.flagged] = flagged + (days / most) * ((input.flagged ? 1 : 0) - flagged);
    const heard = input.intervalS > 0 ? Math.min(1, (1.5 * input.intervalS) / Math.max(input.gapS, 1)) : 1;
    const silent = Math.min(1, Math.max(step, input.gapS) / DAY_S / most);
    const complete = f[at + N.complete] as number;
    f[at + N.complete] = complete + silent * (heard - complete);
  }

  /** Judges a site; to be called once a night, after 05 h solar time or at the latest before the next night. */
  judge(site: number): void {
    if (site > this.pool.count) return;
    const f = this.pool.f32(site);
    const at = this.pool.offset(site);
    if (f[at + N.days] === 0) return;
    f[at + N.follows] = this.#follows(f, at);
    f[at + N.siteClass] = this.#classOf(f, at);
    this.#drift(f, this.pool.u32(site), at);
  }

  #correlation(f: Float32Array, at: number): number {
    if ((f[at + N.days] as number) < NIGHTLY.classDays || (f[at + N.varField] as number) < NIGHTLY.minFieldSd ** 2)
      return Number.NaN;
    const product = (f[at + N.varBox] as number) * (f[at + N.varField] as number);
    return product > 1e-9 ? (f[at + N.covariance] as number) / Math.sqrt(product) : 0;
  }

  #follows(f: Float32Array, at: number): Flag {
    const r = this.#correlation(f, at);
    const days = f[at + N.days] as number;
    if (Number.isNaN(r) || days < NIGHTLY.failDays) return FLAG.notEvaluated;
    if (r < NIGHTLY.failBelow) return FLAG.fail;
    if (r < NIGHTLY.suspectBelow) return days < NIGHTLY.suspectDays ? FLAG.notEvaluated : FLAG.suspect;
    return FLAG.good;
  }

  #classOf(f: Float32Array, at: number): number {
    if ((f[at + N.days] as number) < NIGHTLY.classDays) return 0;
    const score = (kind: 0 | 1): number =>
      SHARES[kind].reduce((sum, field, k) => {
        const share = f[at + field] as number;
        return sum + (NIGHTLY.classWeights[k] as number) * (share < NIGHTLY.shareFloor ? 0 : share);
      }, 0);
    if (score(1) > NIGHTLY.classLimit) return 2;
    const damped =
      (f[at + N.days] as number) >= NIGHTLY.failDays &&
      !Number.isNaN(this.#correlation(f, at)) &&
      (f[at + N.varBox] as number) < NIGHTLY.attenuatedBelow ** 2 * (f[at + N.varField] as number);
    return score(0) > NIGHTLY.classLimit || damped ? 1 : 0;
  }

  #drift(f: Float32Array, u: Uint32Array, at: number): void {
    const count = f[at + N.nightCount] as number;
    const mean = (f[at + N.nightSum] as number) / count;
    f[at + N.nightSum] = f[at + N.nightCount] = 0;
    if (count < 3) return;
    f[at + N.lastNight] = mean;
    const nights = (f[at + N.nights] as number) + 1;
    f[at + N.nights] = nights;
    const second = binsLaid(f, at + N.second) && secondConfirms(u, at + N.second, NIGHTLY.baselineNights, nights - NIGHTLY.baselineNights); // prettier-ignore
    const baseline = f[at + N.baseline] as number;
    const off = mean - baseline;
    const origin = f[at + N.origin] as number;
    if (origin !== 0) {
      const step = Math.max(-NIGHTLY.followMost, Math.min(NIGHTLY.followMost, off));
      f[at + N.baseline] = baseline + NIGHTLY.followWeight * step;
      // Cleaned, or the fan replaced: it begins anew.
      if (Math.abs(baseline - (origin - ORIGIN)) < NIGHTLY.followEnds) {
        f[at + N.origin] = f[at + N.nights] = 0;
        forgetSecond(u, at + N.second);
      }
      return;
    }
    if (nights <= NIGHTLY.baselineNights) {
      f[at + N.baseline] = baseline + off / nights;
      if (nights > 1)
        f[at + N.sigma] =
          (f[at + N.sigma] as number) + (1.25 * Math.abs(off) - (f[at + N.sigma] as number)) / (nights - 1);
      f[at + N.dayBase] = (f[at + N.meanBox] as number) - (f[at + N.meanField] as number);
      return;
    }
    const sigma = Math.max(NIGHTLY.sigmaMin, f[at + N.sigma] as number);
    const z = off / sigma;
    // One wild night counts as three standard deviations at most.
    const clipped = Math.max(-3, Math.min(3, z));
    f[at + N.up] = Math.max(0, (f[at + N.up] as number) + clipped - NIGHTLY.cusumSlack);
    f[at + N.down] = Math.max(0, (f[at + N.down] as number) - clipped - NIGHTLY.cusumSlack);
    const alarm = (f[at + N.up] as number) > NIGHTLY.cusumAlarm || (f[at + N.down] as number) > NIGHTLY.cusumAlarm;
    f[at + N.clean] = Math.abs(z) < 1 ? (f[at + N.clean] as number) + 1 : 0;
    if (alarm && Math.abs(off) > NIGHTLY.driftMin) f[at + N.drifting] = 1;
    if (second && f[at + N.drifting] === 1) f[at + N.confirmed] = 1;
    if (f[at + N.drifting] === 1) {
      const open = (f[at + N.open] as number) + 1;
      f[at + N.open] = open;
      const standing = f[at + N.standing] as number;
      // More than half of it gone in one night: it was cleaned or hung back, and must not be corrected for days for what is no more.
      const back = Math.sign(standing) * (standing - off) > Math.max(Math.abs(standing) / 2, 3 * sigma);
      f[at + N.standing] = open === 1 || back ? off : standing + NIGHTLY.driftWeight * (off - standing);
      if (open >= NIGHTLY.baselineNights) {
        // Beside a station refits have followed meanwhile: where the box is now is where it is. Without one it is followed from here on,
        // when it is sure that it has drifted.
        const sure = this.#agrees(f, at);
        const here = baseline + (f[at + N.standing] as number);
        for (const field of [N.nights, N.baseline, N.sigma, N.up, N.down, N.clean, N.open, N.drifting, N.standing])
          f[at + field] = 0;
        f[at + N.confirmed] = 0;
        forgetSecond(u, at + N.second);
        if (sure) {
          f[at + N.origin] = baseline + ORIGIN;
          f[at + N.baseline] = here;
        }
        return;
      }
    } else f[at + N.open] = f[at + N.standing] = 0;
    if ((f[at + N.clean] as number) >= NIGHTLY.cleanNights) {
      f[at + N.drifting] = f[at + N.standing] = f[at + N.confirmed] = 0;
      f[at + N.up] = f[at + N.down] = 0;
    }
    if (f[at + N.drifting] === 0) f[at + N.baseline] = baseline + 0.02 * clipped * sigma;
  }

  /** Whether the level over all hours says the same of a drift as the nights do. */
  #agrees(f: Float32Array, at: number): boolean {
    const standing = f[at + N.standing] as number;
    const days = (f[at + N.meanBox] as number) - (f[at + N.meanField] as number) - (f[at + N.dayBase] as number);
    return days * Math.sign(standing) >= NIGHTLY.agrees * Math.abs(standing);
  }

  /** By how much a box is sure to have drifted since its first fortnight [log of PM2.5 + 3]; 0 = nothing, or not sure. */
  drift(site: number): number {
    if (site > this.pool.count || site === 0) return 0;
    const f = this.pool.f32(site);
    const at = this.pool.offset(site);
    const origin = f[at + N.origin] as number;
    const open = f[at + N.drifting] === 1 && this.#agrees(f, at) ? (f[at + N.standing] as number) : 0;
    const all = open + (origin === 0 ? 0 : (f[at + N.baseline] as number) - (origin - ORIGIN));
    return Math.abs(all) < NIGHTLY.driftMin ? 0 : Math.max(-NIGHTLY.driftMax, Math.min(NIGHTLY.driftMax, all));
  }

  follows(site: number): Flag {
    return site > this.pool.count || site === 0
      ? FLAG.notEvaluated
      : ((this.#read(site, N.follows) || FLAG.notEvaluated) as Flag);
  }
  siteClass(site: number): SiteClass {
    return site > this.pool.count || site === 0 ? '' : (CLASSES[this.#read(site, N.siteClass)] as SiteClass);
  }
  /** The steady factor to the neighbours that no air explains; NaN = none. Known as soon as there is evidence enough, not only at night. */
  scale(site: number): number {
    return site > this.pool.count || site === 0
      ? Number.NaN
      : scaleFactor(this.pool.f32(site), this.pool.offset(site) + N.scale);
  }
  /** A drift that the nights suspect and the hours of the last week confirm. */
  drifting(site: number): boolean {
    return site <= this.pool.count && site !== 0 && this.#read(site, N.confirmed) === 1;
  }

  #read(site: number, field: number): number {
    return this.pool.f32(site)[this.pool.offset(site) + field] as number;
  }

  health(site: number): BoxHealth | null {
    if (site === 0 || site > this.pool.count) return null;
    if (this.#read(site, N.days) === 0 && this.#read(site, N.flagged) === 0 && Number.isNaN(this.scale(site))) return null; // prettier-ignore
    const f = this.pool.f32(site);
    const at = this.pool.offset(site);
    const correlation = this.#correlation(f, at);
    const known = !Number.isNaN(correlation);
    const flaggedShare = f[at + N.flagged] as number;
    const completeness = f[at + N.complete] as number;
    const drifting = this.drifting(site);
    return {
      score: Math.round(
        40 * (1 - flaggedShare) + 30 * Math.max(0, known ? correlation : 0.5) + 20 * completeness + (drifting ? 0 : 10),
      ),
      flaggedShare,
      completeness,
      correlation: known ? correlation : null,
      attenuation: known ? Math.sqrt((f[at + N.varBox] as number) / (f[at + N.varField] as number)) : null,
      siteClass: this.siteClass(site),
      scaleFactor: Number.isNaN(this.scale(site)) ? null : this.scale(site),
      driftSuspected: f[at + N.drifting] === 1,
      drifting,
      driftLog:
        (f[at + N.nights] as number) > NIGHTLY.baselineNights
          ? (f[at + N.lastNight] as number) - (f[at + N.baseline] as number)
          : null,
      follows: this.follows(site),
    };
  }

  snapshot(): PoolState {
    return this.pool.snapshot();
  }
  restore(from: PoolState): void {
    this.pool.restore(from);
  }
}
