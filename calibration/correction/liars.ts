/** Stations that do not fit the others. */
import { median } from './linear.ts';
import { applyBetas, type Pairs, type PooledModel } from './solution.ts';
import { NOWHERE } from './zones.ts';

const MIN_TO_JUDGE = 4;
/** Of three, one is known to be off when it is a factor 2 from two that agree. */
const OF_THREE = { apart: 0.7, agree: 0.3 };
/** Log-ratios of a station to the stations around it, and to what its box says, that together no place and no box explains. */
const TWICE = { stations: 0.6, boxes: 0.4 };
interface Judged {
  readonly name: string;
  readonly ratio: number;
}
/** Log-ratio that no difference of places or boxes explains. */
const LEAST = 0.5;
/** … nor another climate: a station alone in its zone is believed as it would be alone in the world, but for wrong units. */
const ELSEWHERE = Math.log(10);
/** Judged by the latest pairs of each series: a station may begin to lie at any time, and may be put right. */
const LATEST = 240;
/** A station that hardly follows its boxes, where stations elsewhere do, over so many pairs, speaks of something else. */
const FOLLOWS = { least: 0.3, others: 0.6, pairs: 100, stations: 3 };

/**
 * Stations whose pairs lie far from all others, by their median log-ratio to the common model: a scale or unit error, a dead
 * analyser, a box in a cupboard. Needs four stations of a zone, or three of which two agree closely. A station that does not move with its
 * boxes while the others do is known among three.
 */
export function liarsAmong(
  model: PooledModel,
  series: readonly Pairs[],
  apart: ReadonlyMap<string, number>,
  zoneOf: ReadonlyMap<string, string>,
): Set<string> {
  const pairs = new Map<string, { ratio: number[]; box: number[]; station: number[] }>();
  for (const s of series) {
    const of = pairs.get(s.station) ?? { ratio: [], box: [], station: [] };
    pairs.set(s.station, of);
    for (let i = Math.max(0, s.time.length - LATEST); i < s.time.length; i++) {
      const x = s.x[i] as number;
      const y = applyBetas(model.betas, model.range, x, s.rh[i] as number, s.temp[i] as number);
      if (Number.isNaN(y)) continue;
      const station = logOf(s.y[i] as number);
      of.ratio.push(station - logOf(y));
      of.box.push(logOf(x));
      of.station.push(station);
    }
  }
  const liars = new Set<string>();
  const judged = [...pairs]
    .filter(([, of]) => of.ratio.length >= 20)
    .map(([name, of]) => ({ name, ratio: median(of.ratio) }));
  const zoneOfStation = (name: string): string => zoneOf.get(name) ?? NOWHERE;
  const byZone = Map.groupBy(judged, (j) => zoneOfStation(j.name));
  for (const list of byZone.values()) {
    if (list.length >= MIN_TO_JUDGE) for (const name of farFrom(list, list, LEAST)) liars.add(name);
    else if (list.length === 3) {
      const [low, middle, high] = list.toSorted((a, b) => a.ratio - b.ratio) as [Judged, Judged, Judged];
      const [odd, gap, others] =
        high.ratio - middle.ratio > middle.ratio - low.ratio
          ? [high, high.ratio - middle.ratio, middle.ratio - low.ratio]
          : [low, middle.ratio - low.ratio, high.ratio - middle.ratio];
      if (gap > OF_THREE.apart && others < Math.max(OF_THREE.agree, 0.4 * gap)) liars.add(odd.name);
    } else if (judged.length >= MIN_TO_JUDGE) {
      // One or two in a zone may differ from all others because the air does; two that agree are believed.
      const [a, b] = list as [Judged, Judged | undefined];
      if (b && Math.abs(a.ratio - b.ratio) < OF_THREE.agree) continue;
      for (const name of farFrom(list, judged, ELSEWHERE)) liars.add(name);
    }
  }
  for (const j of judged) {
    const among = apart.get(j.name) ?? 0;
    const here = (byZone.get(zoneOfStation(j.name)) ?? []).filter((o) => o !== j);
    const beside = j.ratio - median((here.length > 0 ? here : judged.filter((o) => o !== j)).map((o) => o.ratio));
    // Neither the air of its place (its box would see it) nor its box (other stations would not) explains both.
    if (Math.abs(among) > TWICE.stations && beside * Math.sign(among) > TWICE.boxes) liars.add(j.name);
  }
  const moves = [...pairs]
    .filter(([, of]) => of.ratio.length >= FOLLOWS.pairs)
    .map(([name, of]) => ({ name, r: correlation(of.box, of.station) }));
  for (const list of Map.groupBy(moves, (m) => zoneOfStation(m.name)).values()) {
    const among = list.length >= FOLLOWS.stations ? list : moves;
    if (among.length < FOLLOWS.stations || median(among.map((m) => m.r)) <= FOLLOWS.others) continue;
    for (const m of list) if (m.r < FOLLOWS.least) liars.add(m.name);
  }
  return liars;
}

/** Those of `list` that lie far from the middle of `all`. */
function farFrom(list: readonly Judged[], all: readonly Judged[], least: number): string[] {
  const middle = median(all.map((j) => j.ratio));
  const spread = 1.4826 * median(all.map((j) => Math.abs(j.ratio - middle)));
  return list.filter((j) => Math.abs(j.ratio - middle) > Math.max(least, 4 * spread)).map((j) => j.name);
}

const logOf = (v: number): number => Math.log(Math.max(0, v) + 3);

function correlation(a: readonly number[], b: readonly number[]): number {
  const n = a.length;
  const mean = (v: readonly number[]): number => v.reduce((sum, z) => sum + z, 0) / n;
  const [ma, mb] = [mean(a), mean(b)];
  let [aa, bb, ab] = [0, 0, 0];
  for (let i = 0; i < n; i++) {
    const [da, db] = [(a[i] as number) - ma, (b[i] as number) - mb];
    aa += da * da;
    bb += db * db;
    ab += da * db;
  }
  return aa * bb > 0 ? ab / Math.sqrt(aa * bb) : 0;
}
