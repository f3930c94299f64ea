/**
 * Named neighbourhoods: which boxes and stations there are and what is wrong with them. A scenario and a seed name a run
 * completely.
 */
import { createBox, FAULTS, type Fault, type SimBox } from './box.ts';
import { createCity, moveKm, type City, type Position } from './city.ts';
import { hash01 } from './random.ts';
import { createStation, type SimStation } from './station.ts';

export interface Neighbourhood {
  readonly city: City;
  readonly boxes: readonly SimBox[];
  readonly stations: readonly SimStation[];
  /** Boxes that stand beside a station: [box id, station id]. */
  readonly colocated: readonly (readonly [string, string])[];
}

interface Scenario {
  readonly about: { readonly zh: string; readonly en: string };
  readonly plumesPerDay: number;
  /** The fault of the i-th of n boxes. */
  readonly fault: (i: number, n: number, seed: number) => Fault | null;
  readonly lyingStation?: number;
}

const some =
  (faults: readonly Fault[], share: number) =>
  (i: number, _n: number, seed: number): Fault | null =>
    hash01(seed, i, 0xa1) < share ? (faults[Math.floor(hash01(seed, i, 0xa2) * faults.length)] ?? null) : null;

export const SCENARIOS = {
  calm: { about: { zh: '一切正常', en: 'nothing wrong' }, plumesPerDay: 0, fault: () => null },
  city: {
    about: { zh: '平常的一天:少數盒子有狀況,偶有煙團', en: 'an ordinary day: a few odd boxes, a plume now and then' },
    plumesPerDay: 4,
    fault: some(['rh-100', 'dead-trh', 'dead-fan', 'stuck', 'indoor', 'offline', 'resend'], 0.08),
  },
  plumes: { about: { zh: '許多煙團,盒子正常', en: 'many plumes, healthy boxes' }, plumesPerDay: 12, fault: () => null },
  faults: {
    about: { zh: '每種故障都有', en: 'every kind of fault' },
    plumesPerDay: 2,
    fault: (i) => (i % 3 === 0 ? (FAULTS[(i / 3) % FAULTS.length] ?? null) : null),
  },
  clocks: {
    about: { zh: '時鐘錯亂', en: 'clocks gone wrong' },
    plumesPerDay: 2,
    fault: some(['clock-ahead', 'clock-1970', 'clock-2080', 'clock-slow'], 0.3),
  },
  offline: {
    about: { zh: '斷線後補傳與重送', en: 'offline buffers and resends' },
    plumesPerDay: 2,
    fault: some(['offline', 'resend'], 0.4),
  },
  twins: {
    about: { zh: '兩個盒子共用一個編號', en: 'two boxes, one id' },
    plumesPerDay: 2,
    fault: (i) => (i % 10 === 1 ? 'twin' : null),
  },
  liar: {
    about: { zh: '一個參考站說謊', en: 'one reference station lies' },
    plumesPerDay: 2,
    fault: () => null,
    lyingStation: 0,
  },
} as const satisfies Record<string, Scenario>;

export type ScenarioName = keyof typeof SCENARIOS;
export const isScenario = (name: string): name is ScenarioName => Object.hasOwn(SCENARIOS, name);

export interface NeighbourhoodOptions {
  readonly scenario: ScenarioName;
  readonly seed: number;
  readonly boxes: number;
  readonly stations?: number;
  /** Faults show from here on [epoch ms]; drift counts from here too. */
  readonly start: number;
  /** Where the city lies. @default Taichung */
  readonly centre?: Position;
  readonly boxId?: (i: number) => string;
  readonly stationId?: (i: number) => string;
}

export function createNeighbourhood(options: NeighbourhoodOptions): Neighbourhood {
  const scenario: Scenario = SCENARIOS[options.scenario];
  const { seed, start } = options;
  // Density stays that of a Taiwanese city (about one box a square kilometre) up to a few thousand boxes, then the area grows.
  const radiusKm = Math.min(60, Math.max(5, Math.sqrt(options.boxes / Math.PI)));
  const centre = options.centre ? { centre: options.centre } : {};
  const city = createCity({ seed, plumesPerDay: scenario.plumesPerDay, radiusKm, ...centre });
  const stationCount = options.stations ?? Math.max(3, Math.min(30, Math.round(options.boxes / 30)));
  const boxId = options.boxId ?? ((i) => `sim-box-${String(i).padStart(6, '0')}`);
  const stationId = options.stationId ?? ((i) => `sim-station-${String(i).padStart(3, '0')}`);

  const stations = Array.from({ length: stationCount }, (_, i) =>
    createStation(city, {
      id: stationId(i),
      index: i,
      place: city.place(i, 0xb1),
      ...(scenario.lyingStation === i ? { liesBy: 2.5, liesFrom: start } : {}),
    }),
  );
  const colocated: (readonly [string, string])[] = [];
  const boxes = Array.from({ length: options.boxes }, (_, i) => {
    const beside = i < stations.length ? stations[i] : undefined;
    if (beside) colocated.push([boxId(i), beside.id]);
    // A box beside a station is looked after: it has no fault, so that fitting has something to fit on.
    const fault = beside ? null : scenario.fault(i, options.boxes, seed);
    const twinOf = fault === 'twin' ? i - 1 : i;
    return createBox(city, {
      id: boxId(twinOf),
      index: i,
      // The first boxes stand beside the stations, as agencies and volunteers like to do it.
      place: beside ? moveKm(beside, 0.01, 0.005) : city.place(i, 0xb2),
      sensor: hash01(seed, i, 0xb3) < 0.8 ? 'PMS5003' : 'SDS011',
      fault,
      faultFrom: start,
      installed: start,
    });
  });
  return { city, boxes, stations, colocated };
}
