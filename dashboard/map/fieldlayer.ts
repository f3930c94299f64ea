/** Draws the field as a halftone: a square is as large as its value is sure. Recomputed when the map rests. */
import type { Map as MapLibre } from 'maplibre-gl';
import { KIND, type BoxTable } from '../values/table.ts';
import type { Level } from '../state/url.ts';
import type { FieldGrid } from './field.ts';
import { colours, counts, rowView, SHAPE } from './marks.ts';
import { relativeX, relativeY } from './mercator.ts';
import { PointLayer } from './points.ts';
import type { Palette } from '../scales/scales.ts';

const STEP_PX = 15;
const KM_PER_DEGREE = 111.195;
/** A reference station has a fifth of a box's nugget. */
const STATION_NOISE = 0.2;

export class FieldLayer {
  readonly points = new PointLayer('lamppost-field');
  readonly #map: MapLibre;
  #worker: Worker | null = null;
  #turn = 0;
  #places: { lon: number; lat: number }[] = [];
  #palette: Palette | null = null;
  /** Grid squares drawn now; tests ask. */
  drawn = 0;

  constructor(map: MapLibre) {
    this.#map = map;
  }

  update(t: BoxTable, level: Level, palette: Palette, now: number): void {
    this.#palette = palette;
    const { clientWidth: w, clientHeight: h } = this.#map.getContainer();
    const south = this.#map.unproject([0, h]).lat;
    const north = this.#map.unproject([0, 0]).lat;
    const west = this.#map.unproject([0, 0]).lng;
    const east = this.#map.unproject([w, 0]).lng;
    const [lat0, lon0] = [(south + north) / 2, (west + east) / 2];
    const kx = KM_PER_DEGREE * Math.cos((lat0 * Math.PI) / 180);
    const x: number[] = [];
    const y: number[] = [];
    const value: number[] = [];
    const noise: number[] = [];
    for (let row = 0; row < t.length; row++) {
      const lat = t.lat[row] as number;
      const lon = t.lon[row] as number;
      if (lat < south - 0.2 || lat > north + 0.2 || lon < west - 0.2 || lon > east + 0.2) continue;
      const v = rowView(t, row, level, now);
      if (!counts(t, row, v)) continue;
      x.push((lon - lon0) * kx);
      y.push((lat - lat0) * KM_PER_DEGREE);
      value.push(v.value);
      noise.push(t.kind[row] === KIND.station ? STATION_NOISE : 1);
    }
    // The grid hangs on the world, not on the screen: panning does not make it swim.
    const cell = STEP_PX / (512 * 2 ** Math.round(this.#map.getZoom()));
    const left = Math.floor(relativeX(west) / cell);
    const right = Math.ceil(relativeX(east) / cell);
    const top = Math.floor(relativeY(north) / cell);
    const bottom = Math.ceil(relativeY(south) / cell);
    this.#places = [];
    for (let j = top; j <= bottom; j++)
      for (let i = left; i <= right; i++) {
        const lon = (i * cell + relativeXOrigin) * 360 - 180;
        const lat = (Math.atan(Math.exp(Math.PI * (1 - 2 * (j * cell + relativeYOrigin)))) * 360) / Math.PI - 90;
        this.#places.push({ lon, lat });
      }
    const places = this.#places;
    if (!this.#worker) {
      this.#worker = new Worker(new URL('./field.worker.ts', import.meta.url), { type: 'module' });
      this.#worker.addEventListener('message', (e: MessageEvent<FieldGrid & { turn: number }>): void => {
        if (e.data.turn === this.#turn) this.#draw(e.data);
      });
    }
    this.#worker.postMessage({
      turn: ++this.#turn,
      x: Float64Array.from(x),
      y: Float64Array.from(y),
      value: Float64Array.from(value),
      noise: Float64Array.from(noise),
      gx: Float64Array.from(places, (p) => (p.lon - lon0) * kx),
      gy: Float64Array.from(places, (p) => (p.lat - lat0) * KM_PER_DEGREE),
    });
  }

  #draw(grid: FieldGrid): void {
    if (!this.#palette) return;
    const ramp = colours(this.#palette);
    const n = this.#places.length;
    const arrays = {
      length: n,
      position: new Float32Array(n * 2),
      colour: new Uint8Array(n * 4),
      mark: new Uint8Array(n * 4),
    };
    const scale = 2 ** (this.#map.getZoom() - Math.round(this.#map.getZoom()));
    this.drawn = 0;
    this.#places.forEach((p, i) => {
      const sure = grid.certainty[i] as number;
      if (sure === 0) return;
      this.drawn++;
      arrays.position.set([relativeX(p.lon), relativeY(p.lat)], i * 2);
      arrays.colour.set([...ramp.of(grid.value[i] as number), 205], i * 4);
      arrays.mark.set([SHAPE.tile, 0, Math.max(6, Math.round((STEP_PX / 2) * scale * Math.sqrt(sure) * 8)), 1], i * 4);
    });
    this.points.set(arrays);
  }

  clear(): void {
    this.#turn++;
    this.drawn = 0;
    this.points.set({ length: 0, position: new Float32Array(0), colour: new Uint8Array(0), mark: new Uint8Array(0) });
  }

  close(): void {
    this.#worker?.terminate();
  }
}

const relativeXOrigin = -relativeX(-180);
const relativeYOrigin = 0.5 - relativeY(0);
