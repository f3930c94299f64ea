import { formatTime } from '../model/time.ts';
import type { RevisionEntry } from './options.ts';

/** A revision of values as outsiders see it. */
export const revisionView = (r: RevisionEntry) => ({
  number: r.number,
  product: r.product,
  from: formatTime(r.from),
  to: formatTime(r.to),
  box: r.box === '' ? null : r.box,
  issuedAt: formatTime(r.issuedAt),
  code: r.code,
  learntFrom: formatTime(r.learntFrom),
  values: r.values,
  moved: r.moved,
  lost: r.lost,
  gained: r.gained,
  flags: r.flags,
  meanShift: r.meanShift,
  maxShift: r.maxShift,
  sha256: r.sha256,
});
export type RevisionView = ReturnType<typeof revisionView>;
