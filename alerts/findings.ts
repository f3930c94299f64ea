/** What is wrong with a box that its owner should know. Pure but for the tables it reads. */
import { reason, reasonCodes, REASONS, type ReasonCode } from '../model/flags.ts';
import { property, type PropertyKey } from '../model/properties.ts';
import { HOUR, type EpochMs } from '../model/time.ts';
import type { AlertKind } from '../registry/care.ts';
import type { Thing } from '../registry/registry.ts';

/** As the map says it: silent for an hour. */
export const OFFLINE_AFTER = HOUR;
const mask = (...codes: ReasonCode[]): number => codes.reduce((m, code) => m | reason(code), 0);
const STUCK = mask('flat_line', 'stuck_zero', 'saturated');
const ODD = mask('spatial', 'correlation', 'drift', 'channels', 'indoor', 'sentinel', 'scale');

/** The part of `LatestTable` that is needed. */
export interface Newest {
  lastSeen(num: number): EpochMs | null;
  properties(num: number): readonly PropertyKey[];
  column(property: number): { readonly flag: ArrayLike<number>; readonly reasons: ArrayLike<number> } | undefined;
  slot(property: number, num: number): number;
}

export interface Finding {
  readonly kind: AlertKind;
  /** Which properties, and why: `pm25.flat_line`; empty for `offline`. */
  readonly reasons: readonly string[];
  /** Since when it is silent. */
  readonly lastSeen: EpochMs | null;
}

export function findings(thing: Pick<Thing, 'num'>, newest: Newest, now: EpochMs): Finding[] {
  const lastSeen = newest.lastSeen(thing.num);
  // A box that never sent is not offline: its owner is still at it, with the page open.
  if (lastSeen === null) return [];
  if (now - lastSeen > OFFLINE_AFTER) return [{ kind: 'offline', reasons: [], lastSeen }];
  const stuck: string[] = [];
  const odd: string[] = [];
  for (const key of newest.properties(thing.num)) {
    const { num } = property(key);
    const column = newest.column(num);
    const slot = newest.slot(num, thing.num);
    if (!column || slot < 0 || (column.flag[slot] as number) < 3) continue;
    const said = column.reasons[slot] as number;
    stuck.push(...reasonCodes(said & STUCK).map((code) => `${key}.${code}`));
    odd.push(...reasonCodes(said & ODD).map((code) => `${key}.${code}`));
  }
  return [
    ...(stuck.length > 0 ? [{ kind: 'stuck' as const, reasons: stuck, lastSeen }] : []),
    ...(odd.length > 0 ? [{ kind: 'odd' as const, reasons: odd, lastSeen }] : []),
  ];
}

const WORDS = new Map(REASONS.map((r) => [r.code as string, r]));
export function reasonInWords(text: string, lang: 'zh-TW' | 'en'): string {
  const dot = text.indexOf('.');
  const name = property(text.slice(0, dot) as PropertyKey).name;
  const words = WORDS.get(text.slice(dot + 1));
  return lang === 'en' ? `${name.en}: ${words?.en ?? text}` : `${name.zh}:${words?.zh ?? text}`;
}
