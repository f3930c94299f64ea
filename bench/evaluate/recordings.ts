/** The recordings of recombine.ts, each a real set and what is done to it. */
import { DAY, HOUR, MINUTE } from '../../model/time.ts';
import {
  cut,
  each,
  keepBoxes,
  means,
  renew,
  reversed,
  sceneOf,
  silence,
  span,
  spoil,
  swapped,
  type Change,
  type Scene,
} from './scenes.ts';
import { hasSet, loadSet } from './sets.ts';

export interface Recording {
  readonly name: string;
  readonly base: Scene;
  readonly change: readonly Change[];
}

const sensor =
  (name: string): Change =>
  (s) =>
    void (s.boxes = s.boxes.map((b) => ({ ...b, sensor: name })));
const field =
  (of: (i: number) => 'cf1' | 'atm' | ''): Change =>
  (s) =>
    void (s.boxes = s.boxes.map((b, i) => ({ ...b, field: of(i) })));
const noPlaces: Change = (s) => {
  s.boxes = s.boxes.map((b) => ({ ...b, lat: null, lon: null }));
  s.stations = s.stations.map((b) => ({ ...b, lat: null, lon: null }));
};
/** Boxes and stations where they stand for the stage, each pair a few metres apart, places 4 km from each other. */
const gridded: Change = (s) => {
  const at = (i: number): { lat: number; lon: number } => ({
    lat: 40 + 0.04 * (i % 4),
    lon: -100 + 0.05 * Math.floor(i / 4),
  });
  const index = new Map(s.stations.map((t, i) => [t.id, i]));
  s.stations = s.stations.map((t, i) => ({ ...t, ...at(i) }));
  s.boxes = s.boxes.map((b) => {
    const place = at(index.get(s.stands.get(b.id) ?? '') ?? 0);
    return { ...b, lat: place.lat + 0.0001, lon: place.lon };
  });
};
const byDistance: Change = (s) => void (s.colocations = null);
const lag =
  (ms: number): Change =>
  (s) =>
    void (s.lagMs = ms);
const fitFor =
  (days: number): Change =>
  (s) => {
    s.fitUntil = span(s)[0] + days * DAY;
    s.from = s.fitUntil;
  };
const late = (ms: number, from = 0): Change =>
  spoil((r, _, s) => (r.time >= span0(s) + from ? { time: r.time + ms } : {}));
const starts = new WeakMap<Scene, number>();
const span0 = (s: Scene): number => {
  let at = starts.get(s);
  if (at === undefined) starts.set(s, (at = span(s)[0]));
  return at;
};
let seed = 1;
const random = (): number => {
  seed = (Math.imul(seed, 1664525) + 1013904223) >>> 0;
  return seed / 2 ** 32;
};
const first = (s: Scene): string => (s.stations[0] as { id: string }).id;
const dry = each((r) => void (r.rh = NaN));
const bare = each((r) => void ([r.rh, r.temp] = [NaN, NaN]));

/** What is done to every set. */
const COMMON: readonly (readonly [string, readonly Change[]])[] = [
  ['as recorded', []],
  ['time reversed', [reversed]],
  ['second half first', [swapped]],
  ['lag 6 h', [lag(6 * HOUR)]],
  ['lag 1 d', [lag(DAY)]],
  ['lag 7 d', [lag(7 * DAY)]],
  ['lag 0', [lag(0)]],
  ['fit until day 7', [fitFor(7)]],
  ['fit until day 14', [fitFor(14)]],
  ['fit until day 30', [fitFor(30)]],
  ['no humidity', [dry]],
  ['no humidity, no temperature', [bare]],
  ['no temperature', [each((r) => void (r.temp = NaN))]],
  [
    'humidity 100 in half of the boxes',
    [
      (s) => {
        const half = new Set(s.boxes.filter((_, i) => i % 2 === 0).map((b) => b.id));
        each((r) => void (half.has(r.box) && (r.rh = 100)))(s);
      },
    ],
  ],
  ['humidity 100 everywhere', [each((r) => void (r.rh = 100))]],
  ['one channel only', [each((r) => void (r.b = NaN))]],
  ['no places', [noPlaces]],
  ['no colocation file, places', [gridded, byDistance]],
  ['declared and placed', [gridded]],
  ['no colocation file, no places', [noPlaces, byDistance]],
  ['sensor not named', [sensor('')]],
  ['sensor misspelt (PSM5003)', [sensor('PSM5003')]],
  ['sensor SDS011', [sensor('SDS011')]],
  [
    'sensor named by serial, each its own',
    [(s) => void (s.boxes = s.boxes.map((b) => ({ ...b, sensor: `unit-${b.id}` })))],
  ],
  ['boxes.csv empty', [(s) => void (s.boxes = [])]],
  ['field atm', [field(() => 'atm')]],
  ['field cf1 and atm mixed', [field((i) => (i % 2 === 0 ? 'cf1' : 'atm'))]],
  ['one box only', [keepBoxes((_, i) => i === 0)]],
  ['two boxes', [keepBoxes((_, i) => i < 2)]],
  ['every 2nd reference missing', [spoil((r, _, s) => (Math.floor(r.time / s.stepMs) % 2 === 0 ? null : {}))]],
  ['every 5th reference missing', [spoil((r, _, s) => (Math.floor(r.time / s.stepMs) % 5 === 0 ? null : {}))]],
  ['one reference in six', [spoil((r, _, s) => (Math.floor(r.time / s.stepMs) % 6 === 0 ? {} : null))]],
  ['half of the references missing at random', [spoil(() => (random() < 0.5 ? null : {}))]],
  ['reference two weeks on, two off', [spoil((r) => (Math.floor(r.time / (14 * DAY)) % 2 === 0 ? {} : null))]],
  [
    'boxes silent every third week',
    [(s) => void (s.readings = s.readings.filter((r) => Math.floor(r.time / (7 * DAY)) % 3 !== 1))],
  ],
  [
    'station 30 % up from the middle on',
    [renew((r, s) => (r.time > (span0(s) + spanEnd(s)) / 2 ? { y: 1.3 * r.y } : {}))],
  ],
  ['one station in mg/m³', [spoil((r, _, s) => (r.station === first(s) ? { y: r.y / 1000 } : {}))]],
  ['one station doubled', [spoil((r, _, s) => (r.station === first(s) ? { y: r.y * 2 } : {}))]],
  [
    'one station frozen from the middle on',
    [spoil((r, _, s) => (r.station === first(s) && r.time > (span0(s) + spanEnd(s)) / 2 ? { y: 12.3 } : {}))],
  ],
  ['references −999 in one hour of 20', [spoil((_, i) => (i % 20 === 7 ? { y: -999 } : {}))]],
  ['references whole numbers', [renew((r) => ({ y: Math.round(r.y) }))]],
  ['readings whole numbers', [each((r) => void ([r.pm25, r.b] = [Math.round(r.pm25), Math.round(r.b)]))]],
  ['five times as dirty', [each((r) => void ([r.pm25, r.b] = [5 * r.pm25, 5 * r.b])), renew((r) => ({ y: 5 * r.y }))]],
  [
    'fifteen times as dirty',
    [each((r) => void ([r.pm25, r.b] = [15 * r.pm25, 15 * r.b])), renew((r) => ({ y: 15 * r.y }))],
  ],
  [
    'a third as dirty',
    [each((r) => void ([r.pm25, r.b] = [0.3 * r.pm25, 0.3 * r.b])), renew((r) => ({ y: 0.3 * r.y }))],
  ],
  ['boxes show a third', [each((r) => void ([r.pm25, r.b] = [r.pm25 / 3, r.b / 3]))]],
  ['boxes show thrice', [each((r) => void ([r.pm25, r.b] = [r.pm25 * 3, r.b * 3]))]],
  [
    'raw nearly right',
    [
      each((r, s) => {
        const k = ratioOf(s);
        r.pm25 *= k;
        r.b *= k;
      }),
    ],
  ],
  [
    'half a year old reference only',
    [
      (s) => {
        const mid = (span0(s) + spanEnd(s)) / 2;
        s.reference = s.reference.filter((r) => r.time < mid);
        s.from = mid;
      },
    ],
  ],
  [
    'duplicated and shuffled',
    [
      (s) => {
        s.readings = s.readings
          .flatMap((r, i) => (i % 5 === 0 ? [r, { ...r }] : [r]))
          .map((r) => ({ r, k: random() }))
          .sort((a, b) => a.k - b.k)
          .map((v) => v.r);
        s.reference.reverse();
      },
    ],
  ],
  ['boxes change places in the middle', [(s) => changePlaces(s)]],
];

const ends = new WeakMap<Scene, number>();
function spanEnd(s: Scene): number {
  let at = ends.get(s);
  if (at === undefined) ends.set(s, (at = span(s)[1]));
  return at;
}

const ratios = new WeakMap<Scene, number>();
function ratioOf(s: Scene): number {
  let k = ratios.get(s);
  if (k === undefined) {
    const mean = (v: number[]): number => v.reduce((a, b) => a + b, 0) / v.length;
    k =
      mean(s.truth.map((r) => r.y).filter((y) => y > -20 && y < 900)) /
      mean(s.readings.map((r) => r.pm25).filter((x) => x >= 0 && x < 900));
    ratios.set(s, k);
  }
  return k;
}

/** Declared co-locations end in the middle: boxes go on without station. */
function changePlaces(s: Scene): void {
  const mid = Math.round((span0(s) + spanEnd(s)) / 2 / HOUR) * HOUR;
  s.colocations = (s.colocations ?? []).map((c) => ({ ...c, to: mid }));
  s.from = mid;
}

/** Only for hourly references. */
const HOURLY: readonly (readonly [string, readonly Change[]])[] = [
  ['reference half an hour late', [late(HOUR / 2)]],
  ['reference an hour late', [late(HOUR)]],
  ['reference an hour early', [late(-HOUR)]],
  ['reference 3 h late', [late(3 * HOUR)]],
  ['reference 3 h early', [late(-3 * HOUR)]],
  ['reference 8 h early', [late(-8 * HOUR)]],
  ['reference an hour early from day 30 on', [late(-HOUR, 30 * DAY)]],
  ['daily means', [means(DAY)]],
  ['readings every 3 h', [(s) => void (s.readings = s.readings.filter((r) => Math.floor(r.time / HOUR) % 3 === 0))]],
];

export async function recordings(): Promise<Recording[]> {
  const out: Recording[] = [];
  const add = (set: string, base: Scene, list: readonly (readonly [string, readonly Change[]])[]): void => {
    for (const [name, change] of list) out.push({ name: `${set}: ${name}`, base, change });
  };
  if (hasSet('denver_lovemyair')) {
    const all = sceneOf(await loadSet('denver_lovemyair'), HOUR, HOUR);
    const of = (from: string, to: string): Scene => {
      const s = { ...all };
      cut(Date.parse(from), Date.parse(to))(s);
      return s;
    };
    const winter = of('2018-12-01', '2019-02-10');
    add('Denver winter', winter, COMMON);
    add('Denver winter', winter, HOURLY);
    const seasons = { summer: of('2018-08-20', '2018-10-20'), spring: of('2019-03-20', '2019-06-01'), whole: all };
    const few: Parameters<typeof add>[2] = [
      ['as recorded', []],
      ['time reversed', [reversed]],
      ['second half first', [swapped]],
      ['lag 1 d', [lag(DAY)]],
      ['daily means', [means(DAY)]],
      ['fit until day 14', [fitFor(14)]],
      ['fit until day 30', [fitFor(30)]],
    ];
    for (const [name, scene] of Object.entries(seasons)) add(`Denver ${name}`, scene, few);
    for (const [name, scene] of Object.entries({ ...seasons, winter })) {
      for (let k = 0; k < 4; k++)
        add(`Denver ${name}`, scene, [[`station ${k + 1} left out`, [silence((_, i) => i === k)]]]);
      add(`Denver ${name}`, scene, [['one station, others left out', [silence((_, i) => i > 0)]]]);
    }
  }
  if (hasSet('va_deq_purpleair')) {
    const va = sceneOf(await loadSet('va_deq_purpleair'), HOUR, 10 * MINUTE, 5 * HOUR);
    const mended: Change = (s) => void (s.reference = s.truth.map((r) => ({ ...r })));
    add('VA', va, COMMON.slice(0, 12));
    const right = { ...va };
    mended(right);
    add('VA right clock', right, COMMON);
    add('VA right clock', right, HOURLY);
    add('VA right clock', right, [
      ['before and in the smoke', [cut(Date.parse('2023-06-17'), Date.parse('2023-07-02'))]],
      ['out of the smoke', [cut(Date.parse('2023-06-27'), Date.parse('2023-07-26'))]],
      [
        'readings every hour',
        [
          (s) => {
            s.readings = s.readings.filter((r) => r.time % HOUR < 10 * MINUTE);
            s.every = HOUR;
          },
        ],
      ],
      [
        '10-min reference',
        [
          (s) => {
            s.reference = s.reference.flatMap((r) =>
              [0, 1, 2, 3, 4, 5].map((k) => ({ ...r, time: r.time + k * 10 * MINUTE })),
            );
            s.truth = s.reference.map((r) => ({ ...r }));
            s.stepMs = 10 * MINUTE;
          },
        ],
      ],
    ]);
  }
  if (hasSet('us_se_purpleair_daily')) {
    const se = sceneOf(await loadSet('us_se_purpleair_daily'), DAY, DAY);
    add('US SE', se, COMMON);
    const days =
      (n: number): Change =>
      (s) => {
        const start = new Map<string, number>();
        for (const r of s.readings) start.set(r.box, Math.min(r.time, start.get(r.box) ?? Infinity));
        s.readings = s.readings.filter((r) => r.time < (start.get(r.box) as number) + n * DAY);
      };
    add('US SE', se, [
      ['4 boxes', [keepBoxes((_, i) => i % 5 === 0)]],
      ['6 boxes', [keepBoxes((_, i) => i % 3 === 1)]],
      ['5 boxes, reversed', [keepBoxes((_, i) => i % 4 === 1), reversed]],
      ['2022 only', [cut(Date.parse('2022-01-01'), Date.parse('2023-01-01'))]],
      ['summer 2022', [cut(Date.parse('2022-05-01'), Date.parse('2022-10-01'))]],
      ['first 60 days of each', [days(60)]],
      ['6 of 18 stations left out', [silence((_, i) => i % 3 === 0)]],
      ['all but 3 stations left out', [silence((_, i) => i % 6 !== 0)]],
    ]);
  }
  return out;
}
