/** Refusals as the server tells them, sorted for the reader: what is wrong now, and what is over. */
export interface Refusal {
  readonly id: number;
  readonly receivedAt: string;
  readonly topic: string;
  readonly thing?: string | null;
  readonly code: string;
  /** The server's words, in English. */
  readonly detail: string;
  readonly payload: string;
}

/** Newest first; those of one box and one code together. */
export function grouped(refusals: readonly Refusal[]): { readonly newest: Refusal; readonly count: number }[] {
  const groups = new Map<string, { newest: Refusal; count: number }>();
  for (const r of refusals) {
    const key = `${r.thing ?? ''} ${r.code}`;
    const group = groups.get(key);
    if (group) group.count++;
    else groups.set(key, { newest: r, count: 1 });
  }
  return [...groups.values()];
}

export interface Split {
  /** What is wrong now. */
  readonly current: readonly Refusal[];
  /** What readings came after: it has been put right. */
  readonly past: readonly Refusal[];
}
export const NO_REFUSALS: Split = { current: [], past: [] };

/**
 * `goodAt`: when the newest reading of the refusal's box was received, null = never. One of that very moment is current:
 * the newest packet itself was taken in part only. Both times are the server's.
 */
export function split(refusals: readonly Refusal[], goodAt: (r: Refusal) => string | null): Split {
  const isPast = (r: Refusal): boolean => {
    const good = goodAt(r);
    return good !== null && Date.parse(r.receivedAt) < Date.parse(good);
  };
  return { current: refusals.filter((r) => !isPast(r)), past: refusals.filter(isPast) };
}
