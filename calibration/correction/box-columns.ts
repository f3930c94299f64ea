/** What the correction remembers of each box, and how it lay in the snapshots of earlier versions. */
import type { StageBox } from '../stage.ts';
import type { Gain } from './consensus.ts';
import type { History } from './history.ts';

export interface KeptBox {
  box: StageBox;
  /** Positions in `series` where this box stands beside a station. */
  own: number[];
  history: History | null;
  /** Field at this place, valid while `fieldVersion` is the stage's. */
  fieldVersion: number;
  fieldValue: number;
  fieldKm: number;
  gain: Gain;
  /** The nightly control takes it to hang indoors. */
  indoor: boolean;
}

const NUMBERS = ['num', 'lat', 'lon', 'fieldVersion', 'fieldValue', 'fieldKm', 'log', 'time', 'ratio', 'n'] as const;

/** As it was written before `box-rows.ts` was; only read. */
export interface BoxColumns {
  readonly ids: string[];
  /** Sensor, field, trusted, exposure of each box, as a place in `kinds`. */
  readonly kind: Uint32Array;
  readonly kinds: Pick<StageBox, 'sensor' | 'field' | 'trusted' | 'exposure'>[];
  /** NUMBERS of each box, one column behind the other; NaN stands for no place. */
  readonly numbers: Float64Array;
  /** Bit 0: anchored gain; bit 1: indoor. */
  readonly bits: Uint8Array;
  /** Few boxes have these. */
  readonly paired: Map<number, Pick<KeptBox, 'own' | 'history'>>;
}

export function* unpackBoxes(columns: BoxColumns): Generator<KeptBox> {
  const n = columns.ids.length;
  for (let i = 0; i < n; i++) {
    const of = (name: (typeof NUMBERS)[number]): number => columns.numbers[NUMBERS.indexOf(name) * n + i] as number;
    const degrees = (name: 'lat' | 'lon'): number | null => (Number.isNaN(of(name)) ? null : of(name));
    const bits = columns.bits[i] as number;
    const kind = columns.kinds[columns.kind[i] as number] as BoxColumns['kinds'][number];
    yield {
      box: { id: columns.ids[i] as string, num: of('num'), lat: degrees('lat'), lon: degrees('lon'), ...kind },
      own: columns.paired.get(i)?.own ?? [],
      history: columns.paired.get(i)?.history ?? null,
      fieldVersion: of('fieldVersion'),
      fieldValue: of('fieldValue'),
      fieldKm: of('fieldKm'),
      gain: {
        log: of('log'),
        time: of('time'),
        anchored: (bits & 1) !== 0,
        ratio: of('ratio'),
        n: of('n'),
      },
      indoor: (bits & 2) !== 0,
    };
  }
}
