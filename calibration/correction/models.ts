/** Immutable models: named by the SHA-256 of what they are, so that a published value can say for ever what made it. */
import { createHash } from 'node:crypto';
import type { EpochMs } from '../../model/time.ts';

/** Changes whenever the same coefficients would give other values. */
export const CODE_VERSION = '2026-11-22';

export interface ModelCard {
  readonly id: string;
  readonly kind: 'pooled' | 'own' | 'network' | 'published';
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
  readonly guards: readonly string[];
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
