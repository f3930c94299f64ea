/** Recorded networks with injected and natural faults. The gates have a margin below what docs/qc.md reports. */
import { existsSync, readFileSync } from 'node:fs';
import { gunzipSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { lamppost } from '../../bench/qc.ts';
import { FAULT_SET, hasFaultSet, inject, loadFaultSet, pool, rates, score } from '../../bench/qc_faults.ts';
import { createQc } from '../../calibration/qc/qc.ts';
import { reasonCodes } from '../../model/flags.ts';
import { parseTime } from '../../model/time.ts';
import { reading, setBoxes } from './town.ts';

describe.skipIf(!hasFaultSet())(`injected faults in ../${FAULT_SET}`, () => {
  it('reproduces the recipe', () => {
    const { boxes, cities } = loadFaultSet();
    expect(boxes).toHaveLength(450);
    const counts = Object.values(cities).map((city) => {
      const cells = inject(city)
        .flat()
        .filter((x) => x !== null);
      return [city.length, cells.length, cells.filter((x) => x.fault >= 0).length];
    });
    // README of the set, baseline 2, steps 2 and 3.
    expect(counts).toEqual([
      [30, 10_793, 182],
      [91, 32_753, 640],
      [65, 23_400, 444],
      [26, 9_360, 162],
    ]);
  });
  it('finds them: pooled F1 above 0.84 with at most 0.3 % of good readings flagged', () => {
    const { cities, times } = loadFaultSet();
    const all = pool(
      Object.values(cities).map((city) => {
        const rows = inject(city);
        return score(rows, lamppost(city, rows, times));
      }),
    );
    expect(rates(all).f1).toBeGreaterThan(0.84);
    expect(rates(all).fpr).toBeLessThan(0.003);
    expect(all.untested).toBe(0);
  });
});

const LEARN = new URL('../../../shared/data/learnciot_airbox_20221015/', import.meta.url);
describe.skipIf(!existsSync(LEARN))('twenty sick boxes in ../shared/data/learnciot_airbox_20221015', () => {
  it('finds the dead T/RH chips, the saturated humidity and the dead or damped PM sensors, and keeps the good ones', () => {
    const lines = (path: string): string[][] => {
      const bytes = readFileSync(new URL(path, LEARN));
      const text = path.endsWith('.gz') ? gunzipSync(bytes).toString() : bytes.toString();
      return text
        .trim()
        .split('\n')
        .slice(1)
        .map((l) => l.split(','));
    };
    const boxes = lines('canonical/boxes.csv').map(([id = '', lat, lon], i) => ({
      id,
      num: i + 1,
      lat: Number(lat),
      lon: Number(lon),
    }));
    const numOf = new Map(boxes.map((b) => [b.id, b.num]));
    const qc = setBoxes(createQc(), boxes);
    const seen = boxes.map(() => ({ n: 0, bad: 0, humidity: 0, temperature: 0, said: new Set<string>() }));
    for (const [id = '', time = '', pm25, temperature, humidity] of lines('canonical/readings.csv.gz')) {
      const t = parseTime(time) as number;
      qc.advance(t);
      const [r] = qc.check([
        reading(numOf.get(id) as number, t, {
          pm25: Number(pm25),
          temperature: Number(temperature),
          humidity: Number(humidity),
        }),
      ]);
      const box = seen[(numOf.get(id) as number) - 1];
      if (!r || !box) throw new Error('lost a reading');
      box.n++;
      for (const v of r.values) {
        if (v.flag >= 3)
          if (v.property === 'pm25') box.bad++;
          else if (v.property === 'humidity') box.humidity++;
          else box.temperature++;
        if (v.property === 'pm25') for (const code of reasonCodes(v.reasons)) box.said.add(code);
      }
    }
    for (const [id = '', , , zeros, rh100, rh0, , pm, rh] of lines('inferred_annotations.csv')) {
      const box = seen[(numOf.get(id) as number) - 1];
      if (!box) throw new Error(`no box ${id}`);
      const share = box.bad / box.n;
      // A box with many zeros beside 30 µg/m³ is not well, whatever its correlation.
      if (pm === '' && Number(zeros) < 0.05) expect(share, `${id} reads well`).toBeLessThan(0.08);
      if (pm === 'dead_or_indoor_zero') {
        expect(share, `${id} is dead`).toBeGreaterThan(0.5);
        expect(box.said).toContain('stuck_zero');
      }
      if (pm === 'attenuated_low') expect(box.said, id).toContain('indoor');
      if (rh !== '')
        expect(box.humidity / box.n, `${id} humidity, ${rh100} at 100 and ${rh0} at 0`).toBeGreaterThan(0.85);
      if (rh === 'rh_dead_zero') expect(box.temperature / box.n, id).toBeGreaterThan(0.99);
    }
  });
});
