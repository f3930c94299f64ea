/** A single reading that stands out from its neighbours: how much of it is air, the stations of the hour say. */
import { expect, it } from 'vitest';
import { runBacktest } from '../../calibration/backtest/run.ts';
import { newGain } from '../../calibration/correction/consensus.ts';
import { fade, newLone, learnLone, shareOfBox, standsOut, witnesses } from '../../calibration/correction/lone.ts';
import { fitNetwork } from '../../calibration/correction/network.ts';
import { HOUR, MINUTE } from '../../model/time.ts';
import { random, START, table, type Row } from './small_city.ts';

const steps = Array.from({ length: 12 }, (_, i) => ({ station: `s${i}`, spot: { lat: 24 + i / 20, lon: 121 }, x: 4 * (i + 1), y: 2 + 2 * (i + 1), weight: 1 })); // prettier-ignore
const network = fitNetwork(steps, 0, 'raw', 'plantower');
if (!network) throw new Error('no network');

it('stands out by what is neither usual nor lasts', () => {
  expect(standsOut(network, 21, 20, newGain())).toBe(0);
  expect(standsOut(network, 60, NaN, newGain())).toBe(0);
  const now = standsOut(network, 60, 20, newGain());
  expect(now).toBeGreaterThan(0.4);
  expect(standsOut(network, 60, 20, { ...newGain(), n: 48, ratio: 0.3 })).toBeCloseTo(now - 0.3, 9);
  expect(standsOut(network, 5, 20, newGain())).toBeLessThan(-0.1);
});

it('is believed until stations say otherwise, and forgets', () => {
  const lone = newLone();
  expect(shareOfBox(lone)).toBe(0);
  const next = random(7);
  const near = (noise: number) =>
    Array.from(
      { length: 20 },
      () =>
      witnesses(Array.from({ length: 3 }, () => ({ out: 1.2 * (next() - 0.5), at: 0.2 * (next() - 0.5) })).map(({ out, at }) => ({ out, error: noise * out + at }))), // prettier-ignore
    );
  const hours = (n: number, noise: number) => {
    for (let h = 0; h < n; h++) {
      fade(lone);
      learnLone(lone, near(noise));
    }
  };
  hours(5, 0);
  expect(shareOfBox(lone)).toBeLessThan(0.1);
  hours(40, 0.9);
  expect(shareOfBox(lone)).toBeGreaterThan(0.7);
  hours(40, 0);
  expect(shareOfBox(lone)).toBeLessThan(0.1);
});

it('takes nothing while stations are not sure', () => {
  const lone = newLone();
  // One of four says so loudly, the others nothing.
  learnLone(lone, [witnesses([{ error: 0.5, out: 0.5 }]), ...[-0.1, 0, 0.1].map((error) => witnesses([{ error, out: 0.3 }]))]); // prettier-ignore
  expect(lone.ea / lone.aa).toBeGreaterThan(0.4);
  expect(shareOfBox(lone)).toBe(0);
  const twice = [0, 1, 2, 3].map(() => witnesses([{ error: 0.3, out: 0.5 }]));
  learnLone(lone, twice);
  const share = shareOfBox(lone);
  expect(share).toBeGreaterThan(0.1);
  expect(shareOfBox(lone, twice[0])).toBeLessThan(share);
});

/** Twelve stations with five boxes within a kilometre; one hour of reference, then one box far from all stations shows thrice. */
function answer(boxesErr: boolean): number {
  const next = random(11);
  const rows: Row[] = [];
  const boxes: { id: string; lat: number; lon: number }[] = [];
  const stations = Array.from({ length: 12 }, (_, i) => ({ id: `s${i}`, num: 100 + i, lat: 24 + 0.1 * i, lon: 120.6 }));
  const reference = stations.map((s) => ({ station: s.id, time: START, pm25: 0 }));
  const air = (i: number): number => 10 + 2 * i;
  stations.forEach((s, i) => {
    let seen = 0;
    for (let k = 0; k < 5; k++) {
      boxes.push({ id: `b${i}-${k}`, lat: s.lat + 0.002 * (k - 2), lon: s.lon + 0.003 });
      const local = Math.exp(1.4 * (next() - 0.5));
      seen += k === 2 ? Math.log(local) : 0;
      for (const t of [START + (k + 1) * MINUTE, START + HOUR + (k + 1) * MINUTE])
        rows.push({ box: `b${i}-${k}`, time: t, pm25: 2 * air(i) * local, temperature: 20, humidity: 60 });
    }
    // The air of the station is that of the box nearest to it, or has nothing to do with what single boxes show.
    (reference[i] as { pm25: number }).pm25 = Math.round(air(i) * (boxesErr ? 1 : Math.exp(seen)));
  });
  for (let k = 0; k < 6; k++) {
    boxes.push({ id: `c${k}`, lat: 24.55 + 0.003 * k, lon: 120.7 });
    for (const t of [START + (k + 1) * MINUTE, START + HOUR + (k + 7) * MINUTE])
      rows.push({ box: `c${k}`, time: t, pm25: k === 5 ? 90 : 30, temperature: 20, humidity: 60 });
  }
  const out = runBacktest(
    {
      boxes: boxes.map((b, i) => ({
        ...b,
        num: i + 1,
        sensor: 'PMS5003',
        field: '',
        trusted: true,
        exposure: 'unknown',
      })),
      stations,
      readings: table(rows),
      reference,
      colocations: null,
    },
    { stepMs: HOUR, lagMs: 0, fitUntil: null },
  );
  return out.corrected[rows.length - 1] as number;
}

it('where boxes near stations err by what sets them apart, a lone high value is told lower; where they do not, hardly', () => {
  const [err, true_] = [answer(true), answer(false)];
  expect(err).toBeLessThan(0.8 * true_);
  expect(err).toBeGreaterThan(16);
});
