/** What the pipeline notes among the registry's events: boxes that begin or cease to drift, water on the street, correction models that were fitted. */
import { FLOOD, floodStep, newFlood, type FloodChange, type FloodState } from '../calibration/qc/flood.ts';
import type { ModelTurn, StageCard } from '../calibration/stage.ts';
import { propertyOf, thingNumOf } from '../model/datastream.ts';
import { FLAG, reason } from '../model/flags.ts';
import { distanceM } from '../model/geo.ts';
import { property, PROPERTY_SLOTS } from '../model/properties.ts';
import { HOUR, MINUTE, type EpochMs } from '../model/time.ts';
import type { Registry } from '../registry/registry.ts';
import type { ObservationColumns } from '../store/store.ts';

const DRIFT = reason('drift');
const PM25 = property('pm25').num;
const WATER = property('water_level').num;
const RAIN = property('rain').num;
const SPIKE = reason('spike');
/** A gauge this near [m] with water in the last half hour supports another. */
const NEAR_M = 2000;
const NEAR_MS = 30 * 60_000;
/** Events looked back on at the start to know who drifts already. */
const LOOK_BACK = 10_000;

export interface EventKeeper {
  /** Rows that are in the store. */
  rows(rows: ObservationColumns): void;
  model(card: StageCard): void;
  /** One model took over from another, or did not. */
  turn(turn: ModelTurn): void;
}

export function eventKeeper(registry: Pick<Registry, 'addEvent' | 'events' | 'byNum' | 'get'>): EventKeeper {
  /** Number of each thing that drifts, and since when. */
  const drifting = new Map<number, EpochMs>();
  const over = new Set<string>();
  const past = ['drift', 'drift-over'].flatMap((kind) => registry.events({ kind, limit: LOOK_BACK }));
  for (const { kind, thing, time } of past.sort((a, b) => b.id - a.id)) {
    if (over.has(thing)) continue;
    over.add(thing);
    const num = kind === 'drift' ? registry.get(thing)?.num : undefined;
    if (num !== undefined) drifting.set(num, time);
  }

  /** By number of the gauge. Those that stood in water when the program ended are known from their events. */
  const floods = new Map<number, FloodState>();
  const wet = ['flood', 'flood-over'].flatMap((kind) => registry.events({ kind, limit: LOOK_BACK }));
  const seen = new Set<string>();
  for (const { kind, thing, detail } of wet.sort((a, b) => b.id - a.id)) {
    if (seen.has(thing)) continue;
    seen.add(thing);
    const num = kind === 'flood' ? registry.get(thing)?.num : undefined;
    if (num !== undefined)
      floods.set(num, { ...newFlood(), level: detail.startsWith('level 2') ? 2 : 1, confirmed: !detail.includes('unconfirmed') }); // prettier-ignore
  }

  /** Rain gauges by number: their last reading, and how hard it rained until then [mm/h]. */
  const rains = new Map<number, { time: EpochMs; rate: number }>();
  /** Readings of rain are what fell since the one before. */
  const rain = (num: number, time: EpochMs, mm: number, flag: number): void => {
    if (flag === FLAG.fail || flag === FLAG.missing || !(mm >= 0)) return;
    const before = rains.get(num);
    if (before && time <= before.time) return;
    const gap = before ? Math.min(time - before.time, HOUR) : HOUR;
    rains.set(num, { time, rate: (mm * HOUR) / Math.max(gap, MINUTE) });
  };
  const pours = (num: number, time: EpochMs): boolean => {
    const at = rains.get(num);
    return at !== undefined && at.rate >= FLOOD.rain && Math.abs(time - at.time) <= NEAR_MS;
  };

  /** Whether a gauge nearby stands in water too, or it pours here or there. */
  const supported = (num: number, time: EpochMs): boolean => {
    if (pours(num, time)) return true;
    const here = registry.byNum(num)?.place;
    if (!here) return false;
    for (const other of rains.keys()) {
      const there = other !== num && pours(other, time) ? registry.byNum(other)?.place : undefined;
      if (there && distanceM(here.lat, here.lon, there.lat, there.lon) <= NEAR_M) return true;
    }
    for (const [other, state] of floods) {
      if (other === num || !(state.depth >= FLOOD.levels[0]) || Math.abs(time - state.time) > NEAR_MS) continue;
      const there = registry.byNum(other)?.place;
      if (there && distanceM(here.lat, here.lon, there.lat, there.lon) <= NEAR_M) return true;
    }
    return false;
  };
  const water = (num: number, time: EpochMs, depth: number, flag: number, reasons: number): void => {
    if (flag === FLAG.fail || flag === FLAG.missing) return;
    let state = floods.get(num);
    if (!state) floods.set(num, (state = newFlood()));
    const near = depth >= FLOOD.levels[0] && supported(num, time);
    const changes = floodStep(state, { time, depth, doubted: (reasons & SPIKE) !== 0, supported: near });
    const thing = changes.length > 0 ? registry.byNum(num)?.id : undefined;
    if (thing === undefined) return;
    for (const change of changes)
      registry.addEvent({ time, kind: change.kind, thing, property: 'water_level', detail: floodWords(change, depth) });
  };

  return {
    rows(rows) {
      // Rain first: it stands behind the water of the same reading.
      for (let i = 0; i < rows.length; i++) {
        const datastream = rows.datastream[i] as number;
        if (datastream % PROPERTY_SLOTS === RAIN) rain(thingNumOf(datastream), rows.phenomenonTime[i] as number, rows.raw[i] as number, rows.flag[i] as number); // prettier-ignore
      }
      for (let i = 0; i < rows.length; i++) {
        const datastream = rows.datastream[i] as number;
        if (datastream % PROPERTY_SLOTS === WATER) {
          water(thingNumOf(datastream), rows.phenomenonTime[i] as number, rows.raw[i] as number, rows.flag[i] as number, rows.reasons[i] as number); // prettier-ignore
          continue;
        }
        if (datastream % PROPERTY_SLOTS !== PM25) continue;
        const num = thingNumOf(datastream);
        const drifts = ((rows.reasons[i] as number) & DRIFT) !== 0;
        const since = drifting.get(num);
        if (drifts === (since !== undefined)) continue;
        const time = rows.phenomenonTime[i] as number;
        // A late reading from before the drift was found says nothing of its end.
        if (since !== undefined && time <= since) continue;
        const thing = registry.byNum(num)?.id;
        if (thing === undefined) continue;
        if (drifts) drifting.set(num, time);
        else drifting.delete(num);
        registry.addEvent({
          time,
          kind: drifts ? 'drift' : 'drift-over',
          thing,
          property: propertyOf(datastream),
          detail: drifts
            ? 'drifts: from its neighbours night after night, or with all of them from the stations'
            : 'no longer drifts',
        });
      }
    },
    model({ id, kind, subject, madeAt, pairs }) {
      // The field of the stations is made anew every hour: its card is kept, but it is no event.
      if (kind === 'network') return;
      registry.addEvent({
        time: madeAt,
        kind: 'refit',
        thing: kind === 'own' ? subject : '',
        property: 'pm25',
        detail: `model ${id}: ${kind} fit of ${subject} from ${pairs} pairs`,
      });
    },
    turn(turn) {
      registry.addEvent({
        time: turn.time,
        kind: `model-${turn.turn.replaceAll(' ', '-')}`,
        thing: '',
        property: 'pm25',
        detail: turnWords(turn),
      });
    },
  };
}

function floodWords(change: FloodChange, depth: number): string {
  const cm = Math.round(100 * depth);
  if (change.kind === 'flood-over') return `${cm} cm: no flood any more`;
  if (change.kind === 'flood-rising')
    return `rose by ${Math.round(100 * change.by)} cm within ten minutes, to ${cm} cm`;
  return `level ${change.level}: ${cm} cm of water${change.confirmed ? '' : ', unconfirmed'}`;
}

function turnWords({ subject, turn, model, before, pairs, force, other }: ModelTurn): string {
  const judged = `${pairs} pairs: error ${other ?? '?'} against ${force ?? '?'} µg/m³ of the one in force`;
  switch (turn) {
    case 'in force':
      return `${subject}: model ${model} is in force at once${before ? `, in the place of ${before}` : ''}`;
    case 'shadow':
      return `${subject}: model ${model} runs in the shadow of ${before}`;
    case 'promoted':
      return `${subject}: model ${model} takes over from ${before}; ${judged}`;
    case 'declined':
      return `${subject}: model ${model} does not take over from ${before}; ${judged}`;
    case 'came back':
      return `${subject}: model ${model} comes back, ${before} did worse; ${judged}`;
    case 'put back':
      return `${subject}: an operator put model ${model} in the place of ${before || 'none'}`;
    case 'released':
      return `${subject}: model ${model} is no longer held by an operator`;
  }
}
