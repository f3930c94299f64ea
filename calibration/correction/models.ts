/** Immutable models: named by the SHA-256 of what they are, so that a published value can say for ever what made it. */
import { createHash } from 'node:crypto';
import type { EpochMs } from '../../model/time.ts';
import type { Betas, Range, ZoneModel } from './solution.ts';

/** Changes whenever the same coefficients would give other values. */
export const CODE_VERSION = '2026-11-22.4';

export type NamedZone = ZoneModel & { readonly id: string };

export interface ModelCard {
  readonly id: string;
  readonly kind: 'pooled' | 'zone' | 'own' | 'network' | 'published';
  /** What it is for: pool key, box, … */
  readonly subject: string;
  readonly madeAt: EpochMs;
  readonly from: EpochMs | null;
  readonly to: EpochMs | null;
  readonly pairs: number;
  readonly stations: readonly string[];
  /** Coefficients by feature set. */
  readonly coefficients: Readonly<Partial<Record<string, readonly number[]>>>;
  /** Robust standard deviation of the residuals in the fit [µg/m³]. */
  readonly scale: number;
  /** Errors of answers given before the reference was known [µg/m³], where there are any. */
  readonly live: Readonly<Record<string, number>>;
  /** Errors by solutions that have not seen the station, or with one station the days [µg/m³], beside raw values; null = too few of both. */
  readonly validation?: Validation | null;
  /** Covariates are held within these, and what boxes at each station would get if it were not there: with them the model can be put back. */
  readonly range?: Range;
  readonly without?: Readonly<Record<string, Betas>>;
  /** Of a pooled model: as it stands in each climate zone, by the id of a card of its own; none when all stations are of one zone. */
  readonly zones?: readonly NamedZone[];
  readonly between?: number;
  readonly guards: readonly string[];
}

export interface Validation {
  /** What was left out in turn: stations, or blocks of days where there is one station. */
  readonly kind: 'stations' | 'days';
  readonly pairs: number;
  readonly stations: number;
  readonly rmse: number;
  readonly bias: number;
  readonly raw: number;
  /** Of the station, or the block of days, where it does worst. */
  readonly worst: number;
}

/** What of a card makes the model work again. */
export interface PutBackModel {
  readonly id: string;
  readonly coefficients: Betas;
  readonly range: Range;
  readonly without: Readonly<Record<string, Betas>>;
  readonly zones?: readonly NamedZone[];
  readonly between?: number;
  readonly scale: number;
  readonly pairs: number;
  readonly stations: readonly string[];
  readonly guards: readonly string[];
  readonly from: EpochMs;
  readonly to: EpochMs;
}

const canonical = (value: unknown): string =>
  JSON.stringify(value, (_key, v: unknown) =>
    v !== null && typeof v === 'object' && !Array.isArray(v)
      ? Object.fromEntries(Object.entries(v as Record<string, unknown>).sort(([a], [b]) => (a < b ? -1 : 1)))
      : v,
  );

/** Sixteen hex digits of the SHA-256 over the canonical JSON of everything but the id. */
export function nameModel(card: Omit<ModelCard, 'id'>): ModelCard {
  const id = createHash('sha256')
    .update(canonical({ ...card, code: CODE_VERSION }))
    .digest('hex')
    .slice(0, 16);
  return { id, ...card };
}

/** The card of a pooled model as it stands in one climate zone; `subject` says `plantower @ NJH`: the type, and the station in the middle. */
export const nameZone = (
  zone: ZoneModel,
  pooled: Pick<ModelCard, 'subject' | 'madeAt' | 'from' | 'to' | 'scale'>,
): ModelCard =>
  nameModel({
    kind: 'zone',
    subject: `${pooled.subject} @ ${zone.zone === '' ? 'no place' : zone.zone}`,
    madeAt: pooled.madeAt,
    from: pooled.from,
    to: pooled.to,
    pairs: zone.pairs,
    stations: zone.stations,
    coefficients: zone.betas,
    scale: pooled.scale,
    live: {},
    range: zone.range,
    guards: [],
  });
