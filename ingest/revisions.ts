/**
 * The changelog of values: each run of QC and correction over stored history is one revision, kept for ever in `revisions/` of the data folder.
 *
 *  - `index.jsonl` – one line a revision, appended and fsynced when its last row is in the store.
 *  - `<number>.jsonl` – what moved, one line for each box, property and UTC day with a value that did.
 *
 * A value that no revision covers, or that came in after the one that does, is the *live* one. *revised*: the hour before, in true time order with
 * the next readings at hand (spikes confirmed or taken back). *archive*: a whole day run again the night after, and once more after 30 days, with
 * what came in late.
 */
import { appendFileSync, closeSync, existsSync, fsyncSync, mkdirSync, openSync, readFileSync, statSync, writeSync } from 'node:fs'; // prettier-ignore
import { join } from 'node:path';
import type { EpochMs } from '../model/time.ts';

export type Product = 'live' | 'revised' | 'archive';

/** What one run changed. Sizes in the property's unit; for several properties together they mean nothing and are left out. */
export interface Revision {
  /** From 1, without gaps. */
  readonly number: number;
  readonly product: Exclude<Product, 'live'>;
  /** Span of phenomenon times: inclusive, exclusive. */
  readonly from: EpochMs;
  readonly to: EpochMs;
  /** '' = all boxes. */
  readonly box: string;
  readonly thingNum: number;
  /** Rows that arrived later are not covered. */
  readonly issuedAt: EpochMs;
  /** Version of the QC and correction code. */
  readonly code: string;
  /** Start of the readings that the run learnt from. */
  readonly learntFrom: EpochMs;
  readonly values: number;
  readonly moved: number;
  /** Corrected values that were given before and no more, or the other way round; flags that changed. */
  readonly lost: number;
  readonly gained: number;
  readonly flags: number;
  /** Mean and largest size of the moves of PM2.5 [µg/m³]. */
  readonly meanShift: number;
  readonly maxShift: number;
  /** Of all rows written: two runs over the same data have the same. */
  readonly sha256: string;
}

/** What moved of one box and property on one UTC day. */
export interface BoxDayChange {
  readonly thingNum: number;
  readonly property: string;
  /** Start of the day. */
  readonly day: EpochMs;
  readonly values: number;
  readonly moved: number;
  readonly lost: number;
  readonly gained: number;
  readonly flags: number;
  /** Mean of new − old where both are given, and the largest size, in the property's unit. */
  readonly meanShift: number;
  readonly maxShift: number;
}

/** Which revision speaks for a value. */
export interface Edition {
  readonly product: Product;
  /** 0 = live. */
  readonly revision: number;
}

export const LIVE: Edition = { product: 'live', revision: 0 };

const INDEX = 'index.jsonl';
const changesFile = (folder: string, number: number): string => join(folder, `${number}.jsonl`);

function parseLines<T>(text: string): T[] {
  const found: T[] = [];
  for (const line of text.split('\n')) {
    if (line === '') continue;
    try {
      found.push(JSON.parse(line) as T);
    } catch {
      // torn off by a power cut: its revision was not finished
    }
  }
  return found;
}

/** Oldest first. */
export function readRevisions(folder: string): Revision[] {
  const file = join(folder, INDEX);
  return existsSync(file) ? parseLines<Revision>(readFileSync(file, 'utf8')) : [];
}

export function readChanges(folder: string, number: number): BoxDayChange[] {
  const file = changesFile(folder, number);
  return existsSync(file) ? parseLines<BoxDayChange>(readFileSync(file, 'utf8')) : [];
}

/** A revision in the making: changes go to its file as days end, the index names it when all is done. */
export class RevisionWriter {
  readonly number: number;
  readonly #folder: string;

  constructor(folder: string) {
    mkdirSync(folder, { recursive: true });
    this.#folder = folder;
    this.number = (readRevisions(folder).at(-1)?.number ?? 0) + 1;
    // What an aborted run left.
    closeSync(openSync(changesFile(folder, this.number), 'w'));
  }

  changes(changes: readonly BoxDayChange[]): void {
    if (changes.length === 0) return;
    appendFileSync(changesFile(this.#folder, this.number), changes.map((c) => `${JSON.stringify(c)}\n`).join(''));
  }

  finish(revision: Omit<Revision, 'number'>): Revision {
    const whole: Revision = { number: this.number, ...revision };
    const file = join(this.#folder, INDEX);
    const text = existsSync(file) ? readFileSync(file, 'utf8') : '';
    const fd = openSync(file, 'a');
    try {
      // Behind a line that a power cut tore off.
      writeSync(fd, `${text === '' || text.endsWith('\n') ? '' : '\n'}${JSON.stringify(whole)}\n`);
      fsyncSync(fd);
    } finally {
      closeSync(fd);
    }
    return whole;
  }
}

/** Says of each value which revision it comes from. Painted once: spans cut at every begin and end, the newest on top. */
export class Editions {
  /** Starts of pieces, ascending, and what covers each; null = nothing. */
  readonly #starts: number[] = [];
  readonly #top: (Revision | null)[] = [];
  /** Revisions of single boxes, newest first. */
  readonly #ofBox = new Map<number, Revision[]>();

  constructor(revisions: readonly Revision[]) {
    const all = revisions.filter((r) => r.thingNum === 0);
    this.#starts = [...new Set(all.flatMap((r) => [r.from, r.to]))].sort((a, b) => a - b);
    this.#top = this.#starts.map(() => null);
    for (const r of all) for (let i = this.#at(r.from); (this.#starts[i] as number) < r.to; i++) this.#top[i] = r;
    for (const r of revisions) {
      if (r.thingNum === 0) continue;
      const list = this.#ofBox.get(r.thingNum);
      if (list) list.unshift(r);
      else this.#ofBox.set(r.thingNum, [r]);
    }
  }

  /** Index of the piece that holds a time, −1 = before all. */
  #at(time: EpochMs): number {
    let [low, high] = [0, this.#starts.length];
    while (low < high) {
      const middle = (low + high) >> 1;
      if ((this.#starts[middle] as number) <= time) low = middle + 1;
      else high = middle;
    }
    return low - 1;
  }

  of(thingNum: number, phenomenonTime: EpochMs, resultTime: EpochMs): Edition {
    const covers = (r: Revision): boolean =>
      r.from <= phenomenonTime && phenomenonTime < r.to && resultTime <= r.issuedAt;
    const at = this.#at(phenomenonTime);
    const wide = at < 0 ? null : (this.#top[at] ?? null);
    const own = this.#ofBox.get(thingNum)?.find(covers);
    const best = !wide || !covers(wide) || (own && own.number > wide.number) ? own : wide;
    return best ? { product: best.product, revision: best.number } : LIVE;
  }
}

/** The ledger as readers see it; read again when the file has changed. */
export function revisionLedger(folder: string): {
  list(): readonly Revision[];
  editions(): Editions;
  changes(number: number): BoxDayChange[];
} {
  let stamp = '';
  let revisions: Revision[] = [];
  let editions = new Editions([]);
  const refresh = (): void => {
    let now = '';
    try {
      const { mtimeMs, size } = statSync(join(folder, INDEX));
      now = `${mtimeMs} ${size}`;
    } catch {
      // none yet
    }
    if (now === stamp) return;
    stamp = now;
    revisions = now === '' ? [] : readRevisions(folder);
    editions = new Editions(revisions);
  };
  return {
    list: () => (refresh(), revisions),
    editions: () => (refresh(), editions),
    changes: (number) => readChanges(folder, number),
  };
}
