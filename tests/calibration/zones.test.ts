/** A network that spans climates: one pooled model for all, and what each zone's stations say beyond it. */
import { describe, expect, it } from 'vitest';
import { DRY, HUMID, makeWorld, type World } from '../../bench/evaluate/worlds.ts';
import { runBacktest, type BacktestOutput } from '../../calibration/backtest/run.ts';
import type { ModelCard } from '../../calibration/correction/models.ts';
import { applyBetas, solutionIn, type Pairs } from '../../calibration/correction/solution.ts';
import { fitPooled } from '../../calibration/correction/pooled.ts';
import { SETTINGS } from '../../calibration/correction/settings.ts';
import { NO_ZONES, ZoneMap, zonesOf } from '../../calibration/correction/zones.ts';
import { createStage } from '../../calibration/create.ts';
import type { CalibrationStage } from '../../calibration/stage.ts';
import type { RawReading } from '../../model/observation.ts';
import { HOURLY } from './small_city.ts';

const HOUR = 3_600_000;
const DAY = 24 * HOUR;

describe('zones', () => {
  const station = (id: string, lat: number, lon: number) => ({ id, lat, lon });
  const island = Array.from({ length: 20 }, (_, i) => station(`t${String(i).padStart(2, '0')}`, 22 + 0.18 * i, 120.6));

  it('an island of 380 km is one, and what lies 400 km from there another', () => {
    expect(zonesOf(NO_ZONES, island).names).toHaveLength(1);
    const { of, names } = zonesOf(NO_ZONES, [...island, station('a', 24, 125), station('b', 24.1, 125.2)]);
    expect(names).toHaveLength(2);
    expect(of.get('a')).toBe(of.get('b'));
    expect(of.get('a')).not.toBe(of.get('t00'));
  });

  it('keep their centres while stations come and go, whatever the order they are named in', () => {
    const first = zonesOf(NO_ZONES, island);
    const later = [station('a0', 24.5, 120.7), ...island.toReversed().slice(3), station('z', 35, 135)];
    const second = zonesOf(first, later);
    expect(second.of.get('t05')).toBe(first.of.get('t05'));
    expect(second.of.get('a0')).toBe(first.of.get('t05'));
    expect(second.names).toHaveLength(2);
    expect(zonesOf(second, island).names).toEqual(first.names);
  });

  it('stations without a place are one; a box far from every station is in none', () => {
    const zones = zonesOf(NO_ZONES, [...island, { id: 'lost', lat: null, lon: null }]);
    expect(zones.of.get('lost')).toBe('');
    const map = new ZoneMap(zones);
    expect(map.at(25.3, 121)).toBe(zones.of.get('t00'));
    expect(map.at(35, 139)).toBeNull();
  });
});

/** Hours of pairs at a station where the sensor shows `gain` times too much. */
function pairsOf(name: string, gain: number, days = 12): Pairs {
  const out = { station: name, time: [] as number[], y: [] as number[], x: [] as number[], rh: [] as number[], temp: [] as number[], weight: 1 }; // prettier-ignore
  const seed = 31 * name.charCodeAt(0) + 101 * Number(name.slice(1)) + 7;
  for (let i = 0; i < 24 * days; i++) {
    const y = 18 + 11 * Math.sin((i + seed) / 13) + 4 * Math.sin((i * seed) / 7.7);
    out.time.push(i * HOUR);
    out.y.push(y + 1.5 * Math.sin(i * 1.7 + seed));
    out.x.push(gain * y);
    out.rh.push(60 + 20 * Math.sin(i / 3.8));
    out.temp.push(20 + 6 * Math.sin(i / 4.1));
  }
  return out;
}
const fit = (series: readonly Pairs[], zoneOf?: Record<string, string>) => {
  const model = fitPooled('plantower', series, 12 * DAY, 6, SETTINGS, new Map(), new Map(Object.entries(zoneOf ?? {})));
  if (!model) throw new Error('no model');
  return model;
};

describe('the pooled model of a type', () => {
  const west = [1.2, 1.25, 1.15].map((gain, i) => pairsOf(`w${i}`, gain));
  const east = [2.3, 2.4, 2.25].map((gain, i) => pairsOf(`e${i}`, gain));
  const two = { w0: 'w', w1: 'w', w2: 'w', e0: 'e', e1: 'e', e2: 'e' };
  const at = (model: ReturnType<typeof fit>, zone: string | null, x: number): number => {
    const { betas, range } = solutionIn(model, zone);
    return applyBetas(betas, range, x, 60, 20);
  };

  it('is the same to the last digit where all stations are of one zone', () => {
    const all = [...west, ...east];
    expect(fit(all, Object.fromEntries(all.map((s) => [s.station, 'w'])))).toEqual(fit(all));
    expect(fit(all).zones).toEqual([]);
  });

  it('stands differently in each zone where the zones differ', () => {
    const model = fit([...west, ...east], two);
    expect(Math.abs(at(model, 'w', 24) - 20)).toBeLessThan(1.2);
    expect(Math.abs(at(model, 'e', 46) - 20)).toBeLessThan(1.2);
    expect(Math.abs(at(model, null, 46) - 20)).toBeGreaterThan(3);
    expect(model.between).toBeGreaterThan(0.04);
  });

  it('hardly differs between zones that are alike', () => {
    const alike = [1.5, 1.6, 1.42, 1.55, 1.45, 1.58].map((gain, i) => pairsOf(Object.keys(two)[i] as string, gain));
    const model = fit(alike, two);
    expect(Math.abs(at(model, 'w', 30) - at(model, 'e', 30))).toBeLessThan(0.6);
  });

  it('leaves a zone with one station for the whole, the fewer its pairs the more', () => {
    const off = (days: number): number => {
      const model = fit([...west, pairsOf('e0', 2.3, days)], two);
      return Math.abs(at(model, 'e', 46) - 20) / Math.abs(at(model, null, 46) - 20);
    };
    expect(off(1)).toBeGreaterThan(off(12));
  });

  it('keeps for a zone what its stations had shown before they fell silent', () => {
    const later = (s: Pairs): Pairs => ({ ...s, time: s.time.map((t) => t + 75 * DAY) });
    const zoneOf = new Map(Object.entries(two));
    const model = fitPooled('plantower', [...west.map(later), ...east], 87 * DAY, 6, SETTINGS, new Map(), zoneOf);
    expect(Math.abs(at(model as ReturnType<typeof fit>, 'e', 46) - 20)).toBeLessThan(1.5);
  });

  it('tells a box at the only station of a zone, were it not there, what the others say', () => {
    const model = fit([...west, east[0] as Pairs], two);
    const without = applyBetas(model.without['e0'] ?? {}, model.range, 24, 60, 20);
    expect(Math.abs(without - at(fit(west), null, 24))).toBeLessThan(1);
    // And at one of three what the other two do.
    const beside = fit([...west, ...east], two);
    const { range } = solutionIn(beside, 'e');
    expect(Math.abs(applyBetas(beside.without['e1'] ?? {}, range, 46, 60, 20) - 20)).toBeLessThan(2);
  });

  it('takes an honest station of another climate for no liar, and finds the one that lies among its own', () => {
    const many = [1.2, 1.25, 1.15, 1.22, 1.18].map((gain, i) => pairsOf(`w${i}`, gain));
    const zoneOf = { w0: 'w', w1: 'w', w2: 'w', w3: 'w', w4: 'w', e0: 'e' };
    const dusty = pairsOf('e0', 0.55);
    expect(fit([...many, dusty]).liars).toEqual(['e0']);
    expect(fit([...many, dusty], zoneOf).liars).toEqual([]);
    const lying = { ...(many[2] as Pairs), y: (many[2] as Pairs).y.map((y) => 2.5 * y) };
    expect(fit([...many.filter((s) => s.station !== 'w2'), lying, dusty], zoneOf).liars).toEqual(['w2']);
  });
});

const dry: World = { ...DRY, boxes: 8, days: 12 };
const humid: World = { ...HUMID, boxes: 8, days: 12 };
const union = makeWorld({ ...dry, also: humid }, 11);

describe('a network of two climates', () => {
  const out = runBacktest(union.input, HOURLY);
  const rmse = (made: typeof union, of: BacktestOutput, in_: (box: string) => boolean): number => {
    let [sum, n] = [0, 0];
    made.truth.forEach((t, i) => {
      if (t.time < made.judgeFrom || made.beside.has(t.box) || !in_(t.box) || Number.isNaN(of.corrected[i])) return;
      sum += ((of.corrected[i] as number) - t.y) ** 2;
      n++;
    });
    return Math.sqrt(sum / n);
  };

  it('serves boxes without station hardly worse than two networks would', () => {
    for (const [place, seed, mine] of [
      [dry, 11, (box: string) => !box.startsWith('z')],
      [humid, 1011, (box: string) => box.startsWith('z')],
    ] as const) {
      const alone = makeWorld(place, seed);
      const before = rmse(alone, runBacktest(alone.input, HOURLY), () => true);
      expect(rmse(union, out, mine)).toBeLessThan(1.15 * before);
    }
  });
});

/** The union through a stage, slice by slice; `resumeAt` puts it away and takes it up again. */
function feed(extra: readonly { id: string; lat: number; lon: number }[], resumeAt = NaN) {
  const { input } = union;
  const r = input.readings;
  let stage: CalibrationStage = createStage({ lagMs: HOUR });
  const far = extra.map((b, i) => ({ ...(input.boxes[0] as (typeof input.boxes)[number]), ...b, num: 1000 + i }));
  for (const s of input.stations) stage.setStation(s);
  for (const b of [...input.boxes, ...far]) stage.setBox(b);
  stage.setColocations(input.colocations);
  const answers = new Map<string, { model: string; width: number; text: string }>();
  const rows = Map.groupBy(r.time.keys(), (i) => r.time[i] as number);
  for (const [time, list] of [...rows].sort(([a], [b]) => a - b)) {
    if (time === resumeAt) {
      const kept = stage.snapshot();
      stage = createStage({ lagMs: HOUR });
      stage.restore(kept);
    }
    stage.reference(input.reference.filter((v) => v.time === time - 2 * HOUR).map((v) => ({ ...v })));
    stage.advance(time);
    const of = (i: number, thing: string, thingNum: number): RawReading => ({
      stage: 'raw',
      thing,
      thingNum,
      phenomenonTime: time,
      resultTime: time,
      clock: 'box',
      seq: 0,
      values: (['pm25', 'temperature', 'humidity'] as const).map((property) => ({
        property,
        raw: r[property][i] as number,
      })),
    });
    const slice = list.map((i) => of(i, r.boxes[r.box[i] as number] as string, (r.box[i] as number) + 1));
    const like = list.find((i) => r.boxes[r.box[i] as number] === 'b05') as number;
    slice.push(...far.map((b) => of(like, b.id, b.num)));
    for (const { thing, values } of stage.correct(stage.check(slice))) {
      const v = values[0];
      answers.set(`${thing} ${time}`, {
        model: v?.model ?? '',
        width: (v?.hi90 ?? NaN) - (v?.lo90 ?? NaN),
        text: JSON.stringify(v),
      });
    }
  }
  return { stage, answers, times: [...rows.keys()].sort((a, b) => a - b) };
}

describe('models by zone', () => {
  const far = [
    { id: 'near', lat: 24.15, lon: 120.67 },
    { id: 'far', lat: 12, lon: 100 },
  ];
  const { stage, answers, times } = feed(far);
  const last = times.at(-1) as number;
  const cards = new Map((stage.cards as readonly ModelCard[]).map((c) => [c.id, c]));

  it('have cards of their own, which the pooled model names', () => {
    const [here, there] = ['b05', 'zb05'].map((box) => cards.get(answers.get(`${box} ${last}`)?.model ?? ''));
    expect([here?.kind, there?.kind]).toEqual(['zone', 'zone']);
    expect(here?.id).not.toBe(there?.id);
    expect(here?.subject).toMatch(/^plantower @ s\d$/);
    expect(there?.stations).toEqual(['zs0', 'zs1', 'zs2']);
    const pooled = cards.get(stage.inForce()[0]?.model ?? '');
    expect(pooled?.zones?.map((z) => z.id)).toEqual([here?.id, there?.id]);
  });

  it('a box in no zone gets the published equation and a wider interval', () => {
    const [near, lost] = [answers.get(`near ${last}`), answers.get(`far ${last}`)];
    expect(lost?.model).toBe('barkjohn-2021');
    expect(lost?.text).toContain('"level":"L2"');
    expect(lost?.width).toBeGreaterThan(1.2 * (near?.width ?? NaN));
  });

  it('go on from a snapshot as if nothing had happened', () => {
    const again = feed(far, times[9 * 24 + 5]);
    expect([...again.answers]).toEqual([...answers]);
  });
});
