/** The GeoJSON of `/api/v1/latest.geojson` and of the live stream, turned into columns. Nothing in it is trusted. */
import { parseTime } from '../../model/time.ts';
import { EXPOSURE, KIND, type DataLevel, type LevelColumns, type ThingColumns } from './table.ts';

export interface LatestProperties {
  readonly id: string;
  readonly name: string;
  readonly nativeId: string;
  readonly kind: 'box' | 'station';
  readonly property: string;
  readonly value: number | null;
  readonly unit: string;
  readonly level: DataLevel;
  readonly flag: number;
  readonly reasons: readonly string[];
  readonly lo90: number | null;
  readonly hi90: number | null;
  readonly model: string | null;
  readonly correctionLevel?: string;
  readonly phenomenonTime: string | null;
  readonly claimed: boolean;
  readonly exposure: string;
}

export interface LatestFeature {
  readonly geometry: { readonly coordinates: readonly number[] } | null;
  readonly properties: LatestProperties;
}

const number = (x: unknown): number => (typeof x === 'number' && Number.isFinite(x) ? x : NaN);
const text = (x: unknown): string => (typeof x === 'string' ? x.replaceAll('\0', '') : '');

/** Gives every Thing a row, the same for as long as the page lives. */
export class RowIndex {
  readonly #rows = new Map<string, number>();

  /** Columns of the features, and of the Things among them that are new. Features without id or place are left out. */
  columns(features: readonly LatestFeature[], level: DataLevel): { things: ThingColumns; values: LevelColumns } {
    const first = this.#rows.size;
    const ids: string[] = [];
    const names: string[] = [];
    const place: number[] = [];
    const marks: number[] = [];
    const used: LatestFeature[] = [];
    const rows: number[] = [];
    for (const f of features) {
      const id = text(f?.properties?.id);
      const lon = number(f?.geometry?.coordinates?.[0]);
      const lat = number(f?.geometry?.coordinates?.[1]);
      if (id === '' || !(Math.abs(lon) <= 180) || !(Math.abs(lat) <= 85)) continue;
      let row = this.#rows.get(id);
      if (row === undefined) {
        row = this.#rows.size;
        this.#rows.set(id, row);
        ids.push(id);
        names.push(text(f.properties.name));
        place.push(lon, lat);
        const exposure = EXPOSURE.indexOf(f.properties.exposure as (typeof EXPOSURE)[number]);
        marks.push(KIND[f.properties.kind] ?? 0, exposure < 0 ? 3 : exposure, !f.properties.claimed ? 0 : 1);
      }
      used.push(f);
      rows.push(row);
    }
    const n = used.length;
    const values = {
      level,
      row: Int32Array.from(rows),
      value: new Float32Array(n),
      lo90: new Float32Array(n),
      hi90: new Float32Array(n),
      time: new Float64Array(n),
      flag: new Uint8Array(n),
      reasons: Array.from<string>({ length: n }),
      model: Array.from<string>({ length: n }),
      correctionLevel: Array.from<string>({ length: n }),
    };
    used.forEach((f, i) => {
      const p = f.properties;
      values.value[i] = number(p.value);
      values.lo90[i] = number(p.lo90);
      values.hi90[i] = number(p.hi90);
      values.time[i] = parseTime(text(p.phenomenonTime)) ?? NaN;
      values.flag[i] = number(p.flag) || 9;
      values.reasons[i] = Array.isArray(p.reasons) ? p.reasons.map(text).join(';') : '';
      values.model[i] = text(p.model);
      values.correctionLevel[i] = text(p.correctionLevel);
    });
    const pick = (from: readonly number[], step: number, at: number): number[] =>
      from.filter((_, i) => i % step === at);
    return {
      things: {
        first,
        ids: ids.join('\0'),
        names: names.join('\0'),
        lon: Float64Array.from(pick(place, 2, 0)),
        lat: Float64Array.from(pick(place, 2, 1)),
        kind: Uint8Array.from(pick(marks, 3, 0)),
        exposure: Uint8Array.from(pick(marks, 3, 1)),
        claimed: Uint8Array.from(pick(marks, 3, 2)),
      },
      values,
    };
  }
}
