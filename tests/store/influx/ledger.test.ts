/** What is known of datastreams comes back after any end of the process, or says that it does not. */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, statSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import * as fc from '../../property.ts';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { columnsOf } from '../../../store/columns.ts';
import { Ledger } from '../../../store/influx/ledger.ts';

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'lamppost-ledger-'));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

interface Told {
  readonly id: number;
  readonly time: number;
  readonly corrected: number;
}

/** As the store does it. @returns the number under which it would be committed */
function take(ledger: Ledger, told: readonly Told[], checkpoint: number): number {
  const rows = columnsOf(
    told.map(({ id, time, corrected }) => ({ datastream: id, phenomenonTime: time, raw: 1, corrected })),
  );
  ledger.begin(rows.length);
  for (const { id, time } of told) ledger.newest.raise(id, time, -Infinity);
  return ledger.note(rows, Int32Array.from(told.keys()), checkpoint);
}

const state = (ledger: Ledger) => {
  const { datastream, first, last, corrected } = ledger.entries();
  return [...datastream].map((id, i) => [id, first[i], last[i], corrected[i]]);
};

const batches = fc.array(
  fc.array(
    fc.record({
      id: fc.integer({ min: 64, max: 90 }),
      time: fc.integer({ min: 0, max: 50 }),
      corrected: fc.constantFrom(NaN, NaN, 4),
    }),
    { minLength: 1, maxLength: 12 },
  ),
  { minLength: 1, maxLength: 12 },
);

describe('the ledger', () => {
  it('knows oldest and newest time of each, whatever was written and wherever it was opened again', () => {
    fc.assert(
      fc.property(batches, fc.integer({ min: 1, max: 5 }), fc.boolean(), (all, every, tidied) => {
        rmSync(join(folder, 'newest.log'), { force: true });
        let ledger = new Ledger(folder, 0, 0);
        let noted = 0;
        const known = new Map<number, [number, number, number, number]>();
        for (const [i, told] of all.entries()) {
          noted = take(ledger, told, i + 1);
          for (const { id, time, corrected } of told) {
            const [, first, last, has] = known.get(id) ?? [id, Infinity, -Infinity, 0];
            known.set(id, [id, Math.min(first, time), Math.max(last, time), has || (Number.isNaN(corrected) ? 0 : 1)]);
          }
          if (i % every !== 0) continue;
          if (tidied) ledger.tidy(true);
          ledger.close();
          ledger = new Ledger(folder, i + 1, noted);
          expect(ledger.complete).toBe(true);
        }
        expect(state(ledger)).toEqual([...known.values()].sort((a, b) => a[0] - b[0]));
        ledger.close();
      }),
      { numRuns: 60 },
    );
  });

  it('tells the batch that was under way when the process was killed, and does not count it', () => {
    const ledger = new Ledger(folder, 0, 0);
    const noted = take(ledger, [{ id: 65, time: 10, corrected: NaN }], 1);
    take(ledger, [{ id: 65, time: 20, corrected: NaN }], 2);
    ledger.close();
    const again = new Ledger(folder, 1, noted);
    expect(again.complete).toBe(true);
    expect(again.intent).toEqual({ checkpoint: 2, last: 20 });
    expect(state(again)).toEqual([[65, 10, 10, 0]]);
    again.close();
  });

  it('cut short at any byte it is whole up to there, and says when something that counts is missing', () => {
    const ledger = new Ledger(folder, 0, 0);
    take(ledger, [{ id: 65, time: 10, corrected: 1 }], 1);
    const first = statSync(join(folder, 'newest.log')).size;
    const noted = take(ledger, [{ id: 66, time: 20, corrected: NaN }], 2);
    ledger.close();
    for (let size = statSync(join(folder, 'newest.log')).size - 1; size >= 0; size--) {
      truncateSync(join(folder, 'newest.log'), size);
      const cut = new Ledger(folder, 2, noted);
      expect(cut.complete, `${size} bytes`).toBe(false);
      expect(state(cut)).toEqual(size >= first ? [[65, 10, 10, 1]] : []);
      // What comes from now on counts again.
      if (size === first) {
        const next = take(cut, [{ id: 67, time: 30, corrected: NaN }], 3);
        cut.close();
        const after = new Ledger(folder, 3, next);
        expect(after.complete).toBe(true);
        expect(state(after).map(([id]) => id)).toEqual([65, 67]);
        after.close();
        truncateSync(join(folder, 'newest.log'), first);
      } else cut.close();
    }
  });

  it('written anew it says the same in less', () => {
    const ledger = new Ledger(folder, 0, 0);
    let noted = 0;
    for (let t = 1; t <= 200; t++) noted = take(ledger, [{ id: 65, time: t, corrected: NaN }, { id: 70, time: 100 - t, corrected: 2 }], t); // prettier-ignore
    const before = state(ledger);
    const size = statSync(join(folder, 'newest.log')).size;
    ledger.tidy(true);
    expect(statSync(join(folder, 'newest.log')).size).toBeLessThan(size / 20);
    take(ledger, [{ id: 71, time: 5, corrected: NaN }], 201);
    ledger.close();
    const again = new Ledger(folder, 201, noted);
    expect(again.complete).toBe(true);
    expect(state(again)).toEqual([...before, [71, 5, 5, 0]]);
    again.close();
  });

  it('what a full disk refused is written once there is room (needs root, to mount a tmpfs)', (context) => {
    if (spawnSync('mount', ['-t', 'tmpfs', '-o', 'size=1m', 'tmpfs', folder]).status !== 0)
      return context.skip('mounting a tmpfs is not allowed here');
    try {
      const ledger = new Ledger(folder, 0, 0);
      const filler = join(folder, 'filler');
      expect(() => writeFileSync(filler, Buffer.alloc(2 ** 21))).toThrow('ENOSPC');
      const told = [{ id: 70, time: 5, corrected: 4 }];
      expect(() => take(ledger, told, 1)).toThrow('ENOSPC');
      ledger.rollBack();
      rmSync(filler);
      const number = take(ledger, told, 1);
      ledger.tidy();
      ledger.close();
      const again = new Ledger(folder, 1, number);
      expect(state(again)).toEqual([[70, 5, 5, 1]]);
      again.close();
    } finally {
      spawnSync('umount', [folder]);
    }
  });
});
