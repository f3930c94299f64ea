/** What the pipeline notes among the registry's events: boxes that begin or cease to drift, correction models that were fitted. */
import type { StageCard } from '../calibration/stage.ts';
import { propertyOf, thingNumOf } from '../model/datastream.ts';
import { reason } from '../model/flags.ts';
import { property, PROPERTY_SLOTS } from '../model/properties.ts';
import type { EpochMs } from '../model/time.ts';
import type { Registry } from '../registry/registry.ts';
import type { ObservationColumns } from '../store/store.ts';

const DRIFT = reason('drift');
const PM25 = property('pm25').num;
/** Events looked back on at the start to know who drifts already. */
const LOOK_BACK = 10_000;

export interface EventKeeper {
  /** Rows that are in the store. */
  rows(rows: ObservationColumns): void;
  model(card: StageCard): void;
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

  return {
    rows(rows) {
      for (let i = 0; i < rows.length; i++) {
        const datastream = rows.datastream[i] as number;
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
          detail: drifts ? 'moves away from its neighbours, night after night' : 'no longer drifts',
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
  };
}
