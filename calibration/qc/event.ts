/**
 * The event gate S8: a deviation that several boxes share is air, not a fault (calibration note §6: two boxes within 2 km in the same 15 minutes).
 * Two faults that fall together by chance are kept apart from a plume by one demand more: air does not jump over a box. The nearest box must take
 * part, or two of the nearest four.
 */
export const EVENT = { reachKm: 2, windowS: 15 * 60, z: 2, among: 4 } as const;

export interface Witness {
  readonly km: number;
  /** Signed z of the witness, the same sign convention as the candidate's. */
  readonly z: number;
}

/**
 * Whether neighbours share a candidate's deviation.
 * @param sign of the candidate's deviation, +1 or −1
 * @param witnesses other boxes heard within the window and reach, nearest first
 */
export function isCoherent(sign: number, witnesses: readonly Witness[]): boolean {
  const agree = (w: Witness): boolean => w.z * sign > EVENT.z;
  const nearest = witnesses[0];
  if (!nearest) return false;
  if (agree(nearest)) return true;
  return witnesses.slice(0, EVENT.among).filter(agree).length >= 2;
}
