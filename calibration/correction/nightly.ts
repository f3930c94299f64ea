/** The fits of the night: clocks, pooled models, own models. */
import { DAY, HOUR, type EpochMs } from '../../model/time.ts';
import { scanClock } from './clock.ts';
import { townOf, watchTowns } from './common_drift.ts';
import { decide } from './contest.ts';
import { forget, lowerBound, type History } from './history.ts';
import { ended } from './levels.ts';
import { median } from './linear.ts';
import { forgetScores, trim, unlearn, type BoxState, type Memory, type PoolState, type Series } from './memory.ts';
import { nameModel, nameZone, type ModelCard } from './models.ts';
import { carryOwn, fitOwn, type OwnModel } from './own.ts';
import { takeIn } from './pairing.ts';
import { boundsGrow, fitOnce, fitPooled } from './pooled.ts';
import type { StationState } from './reference.ts';
import { FIT_HOUR, HISTORY_MS, OWN_MIN_DAYS, OWN_MIN_PAIRS, YOUNG_MS, YOUNG_PAIRS, type CorrectionSettings } from './settings.ts'; // prettier-ignore
import { logOf } from './consensus.ts';
import { solutionAt, type Pairs, type PooledModel } from './solution.ts';
import { spotDistance } from './spatial.ts';
import { spreadOf } from './spread.ts';
import { newLearning, newOwnLearning } from './short_term.ts';
import { settleTrials, succeed } from './succession.ts';
import { newTrial, TRIAL, verdict } from './trial.ts';
import { inOtherUnits } from './units.ts';
import { errorsOnOtherDays } from './validation.ts';
import { zonesOf } from './zones.ts';

/** The next 03:00 local solar time after `now`, by the mean longitude of stations (else boxes) with a place, else UTC. */
export function nextFit(m: Memory, now: EpochMs): EpochMs {
  const lons: number[] = [];
  for (const s of m.s.stations.values()) if (s.lon !== null) lons.push(s.lon);
  if (lons.length === 0) for (const b of m.s.boxes.values()) if (b.box.lon !== null) lons.push(b.box.lon);
  const offset = lons.length === 0 ? 0 : (median(lons) / 15) * HOUR;
  const local = now + offset;
  const today = Math.floor(local / DAY) * DAY + FIT_HOUR;
  return (today > local ? today : today + DAY) - offset;
}

/** Kept in memory and in the snapshot, besides those of the last night. */
const MAX_CARDS = 2000;

export function fitNight(m: Memory, now: EpochMs): void {
  const s = m.s;
  // Cards are taken up as they come; those of the nights before have been. Cutting behind a night would lose cards of a large one.
  if (s.cards.length > MAX_CARDS) s.cards.splice(0);
  if (s.turns.length > MAX_CARDS) s.turns.splice(0);
  const repaired = new Set<string>();
  if (m.settings.scanClocks) {
    for (const station of s.stations.values()) for (const key of scan(m, station, now)) repaired.add(key);
  }
  for (const b of s.boxes.values()) if (b.history) forget(b.history, now - HISTORY_MS);
  const correlated = Math.max(1, (m.settings.correlatedPairs * HOUR) / m.step);
  const byPool = new Map<string, Series[]>();
  for (const series of s.series) {
    trim(series, Math.min(now, series.time.at(-1) ?? now) - Math.max(m.settings.memoryMs, 720 * m.step));
    const list = byPool.get(series.pool) ?? [];
    list.push(series);
    byPool.set(series.pool, list);
  }
  const apart = stationsApart(m);
  s.zones = zonesOf(s.zones, stationsWithPairs(m));
  const zoneOf = s.zones.of;
  for (const [key, all] of byPool) {
    const pool = m.pool(key);
    const strange = inOtherUnits(all);
    const list = all.filter((x) => !strange.includes(x.station));
    if (strange.length > 0 && list.every((x) => x.time.length === 0)) {
      doubt(pool, strange, all);
      continue;
    }
    const own = list.filter((x) => x.kind === 'own' && x.time.length > 0);
    const ownStations = new Set(own.map((x) => x.station));
    const ownIn = Map.groupBy(ownStations, (station) => m.region(station));
    const used = list
      .filter(
        (x) =>
          x.kind === 'own' ||
          ((ownIn.get(m.region(x.station))?.length ?? 0) < 3 &&
            !ownStations.has(x.station) &&
            townOf(m, pool, x.station) === 0),
      )
      .map((x) => ({ ...x, weight: x.kind === 'own' ? 1 : 0.3 }));
    const newest = Math.max(...used.map((x) => x.time.at(-1) ?? -Infinity));
    // Without new reference the season moves on: the older the newest pair, the less the newest ones count for more.
    const silent = Math.max(0, now - newest - m.s.delay - 4 * DAY);
    if (silent > 0 && pool.pooled && Math.floor(silent / (7 * DAY)) === Math.floor((silent - DAY) / (7 * DAY)))
      continue;
    const otherKind = decide(pool);
    settleTrials(m, key, pool, now);
    const settings = {
      ...m.settings,
      pooledHalfLifeMs: m.settings.pooledHalfLifeMs + 3 * silent,
      ownHalfLifeMs: m.settings.ownHalfLifeMs + 3 * silent,
      growth: pool.growth,
    };
    const pooled = fitPooled(key, used, newest, correlated, settings, apart, zoneOf);
    if (!pooled || !enough(m, key, pooled, own.length > 0 ? used : [], newest, correlated)) continue;
    const { without, range, betas, validation, zones, between, ...rest } = pooled;
    const liars = [...strange, ...pooled.liars];
    const facts = { subject: key, madeAt: now, from: rest.from, to: rest.to, scale: rest.scale };
    const zoneCards = zones.map((zone) => nameZone(zone, facts));
    const namedZones = zones.map((zone, i) => ({ ...zone, id: (zoneCards[i] as ModelCard).id }));
    const card = nameModel({
      kind: 'pooled',
      ...facts,
      pairs: rest.pairs,
      stations: rest.stations,
      coefficients: betas,
      live: {},
      guards: [...rest.guards, ...strange.map((name) => `station ${name} does not speak in µg/m³`)],
      validation: validation ?? errorsOnOtherDays(used, (left) => fitOnce(key, left, newest, correlated, settings)),
      range,
      without,
      ...(zones.length > 0 ? { zones: namedZones, between } : {}),
    });
    s.cards.push(card, ...zoneCards);
    const named = { ...pooled, id: card.id, zones: namedZones };
    const atOnce =
      otherKind ||
      silent > 0 ||
      // Means of days: a day in the shadow would be one pair a station.
      m.step > TRIAL.block ||
      repaired.has(key) ||
      liars.join() !== pool.doubted.join() ||
      (pooled.days < TRIAL.young && !pool.putBack);
    succeed(m, key, pool, named, atOnce, now);
    pool.rival = fitPooled(key, used, newest, correlated, { ...settings, growth: !pool.growth }, apart, zoneOf);
    doubt(pool, liars, all);
    if (repaired.has(key)) forgetScores(pool);
    pool.spread = spreadOf(m, key, own, now);
    pool.common = common(m, own, pool.spread);
    watchTowns(m, key, pool);
    const baseAt = (x: Series): PooledModel => ({ ...pooled, betas: solutionAt(pooled, x.station).betas });
    const fit = (x: Series, by: CorrectionSettings): OwnModel | null =>
      fitOwn({ ...x, weight: 1 }, baseAt(x), correlated, by, boundsGrow(key));
    // Once a co-location has ended, its last weeks count for no more than its first ones.
    const lasting = (was: OwnModel, x: Series): OwnModel => {
      if (was.whole || !ended(m, x, now)) return was;
      return { ...(fit(x, { ...settings, ownHalfLifeMs: settings.endedPairHalfLifeMs }) ?? was), whole: true };
    };
    for (const x of own) {
      if (pool.doubted.includes(x.station)) continue;
      const model =
        silent === 0 && x.own && x.own.to === x.time.at(-1)
          ? carryOwn(lasting(x.own, x), baseAt(x), now, settings)
          : fit(x, settings);
      if (!model) continue;
      const e = x.errors;
      const ownCard = nameModel({
        kind: 'own',
        subject: x.boxes[0] as string,
        madeAt: now,
        from: model.from,
        to: model.to,
        pairs: model.pairs,
        stations: [x.station],
        coefficients: model.betas,
        scale: model.scale,
        live: e.n > 0 ? { raw: Math.sqrt(e.raw), pooled: Math.sqrt(e.pooled), own: Math.sqrt(e.own) } : {},
        guards: [],
      });
      s.cards.push(ownCard);
      const ownNamed = { ...model, id: ownCard.id };
      const carried = silent === 0 && x.own?.to === model.to;
      if (x.ownShadow) {
        const told = verdict(x.ownShadow, now);
        if (told === 'promoted') x.own = x.ownShadow.model;
        if (told !== null) x.ownShadow = null;
      }
      if (!x.own || carried || silent > 0 || m.step > TRIAL.block || repaired.has(key) || model.days < TRIAL.young) {
        x.own = ownNamed;
        x.ownShadow = null;
      } else x.ownShadow ??= newTrial(ownNamed, now);
    }
  }
}

/** A station without a place is where its box is. */
function stationsWithPairs(m: Memory): { id: string; lat: number | null; lon: number | null }[] {
  const found = new Map<string, { id: string; lat: number | null; lon: number | null }>();
  for (const { station, kind, boxes, time } of m.s.series) {
    if (time.length === 0 || found.has(station)) continue;
    const at = m.s.stations.get(station);
    const box = kind === 'own' ? m.s.boxes.get(boxes[0] as string)?.box : undefined;
    const { lat, lon } = at?.lat != null ? at : (box ?? { lat: null, lon: null });
    found.set(station, { id: station, lat, lon });
  }
  return [...found.values()];
}

/** Steps looked at, one in three, and how many stations how far away are asked. */
const APART = { steps: 240, stride: 3, around: 6, km: 50, least: 20 };

/** Median log-ratio of each station to the middle of the nearest others, where there are two or more. */
function stationsApart(m: Memory): Map<string, number> {
  const out = new Map<string, number>();
  const all = [...m.s.stations.values()].filter((s) => s.time.length >= APART.least);
  if (all.length < 3) return out;
  for (const a of all) {
    const around = all
      .filter((b) => b !== a)
      .map((b) => ({ b, km: spotDistance(a, b) }))
      .filter((v) => v.km < APART.km)
      .sort((p, q) => p.km - q.km || (p.b.id < q.b.id ? -1 : 1))
      .slice(0, APART.around);
    const ratios: number[] = [];
    for (let k = Math.max(0, a.time.length - APART.steps); k < a.time.length; k += APART.stride) {
      const logs: number[] = [];
      for (const { b } of around) {
        const at = lowerBound(b.time, a.time[k] as number);
        if (b.time[at] === a.time[k]) logs.push(logOf(b.y[at] as number));
      }
      if (logs.length >= 2) ratios.push(logOf(a.y[k] as number) - median(logs));
    }
    if (ratios.length >= APART.least) out.set(a.id, median(ratios));
  }
  return out;
}

/**
 * What the boxes beside stations have in common against their neighbours without. As much of it is believed as the mean of so few
 * boxes' gains explains; the rest are the places.
 */
function common(m: Memory, own: readonly Series[], spread: PoolState['spread']): number {
  const ratios: number[] = [];
  for (const at of Map.groupBy(own, (x) => x.station).values()) {
    const known = at
      .map((x) => (m.s.boxes.get(x.boxes[0] as string) as BoxState).gain)
      .filter((gain) => gain.anchored && gain.n >= 24);
    if (known.length > 0) ratios.push(median(known.map((gain) => gain.ratio)));
  }
  if (ratios.length < 2) return 0;
  const mean = ratios.reduce((a, b) => a + b, 0) / ratios.length;
  const moved = (mean * spread.box) / (spread.box + 1.25 * spread.place + spread.box / 4);
  return Math.min(0.3, Math.max(-0.3, moved));
}

/** A station found to lie has no say any more; what the intervals learnt from it is forgotten. */
function doubt(pool: PoolState, liars: readonly string[], list: readonly Series[]): void {
  const found = liars.filter((name) => !pool.doubted.includes(name));
  pool.doubted = liars;
  if (found.length === 0) return;
  forgetScores(pool);
  pool.learning = newLearning();
  pool.ownLearning = newOwnLearning();
  for (const x of list) {
    if (!found.includes(x.station)) continue;
    unlearn(x);
  }
}

/**
 * With a published prior a day of pairs is enough to begin moving; without one a model needs a week, or three days beside a station
 * when it is much better than raw values on days it has not seen.
 */
function enough(
  m: Memory,
  key: string,
  { days, pairs, from, to }: PooledModel,
  beside: readonly (Pairs & Series)[],
  newest: EpochMs,
  correlated: number,
): boolean {
  if (key.startsWith('plantower')) return days >= 2 && pairs >= Math.min(24, (2 * DAY) / m.step);
  if (days >= OWN_MIN_DAYS && pairs >= Math.min(OWN_MIN_PAIRS, (OWN_MIN_DAYS * DAY) / m.step)) return true;
  if (beside.length === 0 || to - from < YOUNG_MS || pairs < YOUNG_PAIRS) return false;
  const e = errorsOnOtherDays(beside, (left) => fitOnce(key, left, newest, correlated, m.settings));
  return e !== null && e.rmse ** 2 < 0.7 * e.raw ** 2;
}

/** @returns the types of which what was learnt, was learnt under a wrong clock */
function scan(m: Memory, station: StationState, now: EpochMs): Set<string> {
  const repaired = new Set<string>();
  const beside: History[] = [];
  const around: History[] = [];
  for (const series of m.s.series) {
    if (series.station !== station.id) continue;
    for (const id of series.boxes) {
      const h = m.s.boxes.get(id)?.history;
      if (h && h.time.length > 0) (series.kind === 'own' ? beside : around).push(h);
    }
  }
  const histories = (beside.length > 0 ? beside : around).slice(0, 3);
  const cut = lowerBound(station.time, now - HISTORY_MS);
  if (cut > 500) {
    station.time.splice(0, cut);
    station.y.splice(0, cut);
  }
  if (histories.length === 0) return repaired;
  const found = scanClock(station.time, station.y, histories, m.step, station.clockMs, now - 30 * DAY);
  if (!found) return repaired;
  station.clockMs = found.lagMs;
  for (const series of m.s.series) {
    if (series.station !== station.id) continue;
    // What intervals learnt from the wrong clock would widen them for months.
    m.pool(series.pool).quantiles = {};
    m.pool(series.pool).places = {};
    // Pairs made with the wrong clock are made again; what is older than the history is given up.
    series.time = [];
    series.y = [];
    series.x = [];
    series.rh = [];
    series.temp = [];
    unlearn(series);
    repaired.add(series.pool);
  }
  station.pending = station.time
    .map((time, i) => ({ time, y: station.y[i] as number }))
    .filter((p) => p.time >= now - HISTORY_MS);
  takeIn(m, now);
  return repaired;
}
