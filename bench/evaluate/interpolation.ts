/**
 * Leave-one-out interpolation over 510 Taiwanese boxes, March 2017, every sixth hour (README of taiwan_airbox_2017_03, baseline 1):
 * ordinary kriging of the hour, and the same with what earlier hours have shown of each neighbour: its persistent difference to the field, and how
 * far it strays from it. Each hour is estimated from hours before it and from the other boxes only.
 */
import { readFileSync } from 'node:fs';
import { gunzipSync } from 'node:zlib';
import { interpolate } from '../../dashboard/map/field.ts';
import { distanceKm } from '../../calibration/geo/distance.ts';
import { cholesky, covarianceMatrix, exponentialCovariance, solveCholesky } from '../../calibration/geo/kriging.ts';
import { median } from '../qc_faults.ts';
import { folder } from './sets.ts';

interface Box {
  readonly lat: number;
  readonly lon: number;
  readonly values: number[];
}

const LENGTH_KM = 10;
const NUGGET = 1;
/** More than the 16 of the README: 38 boxes share one wrong coordinate, and 16 of them are a chance choice. */
const NEIGHBOURS = 24;
/** A neighbour is held within so many robust deviations of the middle of all asked. */
const HELD = 3;
/** Part of a neighbour's persistent difference that is taken away, and rate at which it is learnt (as QC's site offset). */
const OFFSET = 0.7;
const RATE = 0.01;
/** Usual deviation of a box from the field [µg/m³]: what a noise share of 1 means. */
const USUAL = 9;

function loadBoxes(): Box[] {
  const at = folder('taiwan_airbox_2017_03');
  const byId = new Map<string, Box>();
  for (const line of readFileSync(`${at}boxes.csv`, 'utf8').trim().split('\n').slice(1)) {
    const [id = '', lat, lon] = line.split(',');
    byId.set(id, { lat: Number(lat), lon: Number(lon), values: [] });
  }
  const text = gunzipSync(readFileSync(`${at}readings.csv.gz`)).toString();
  for (const line of text.trim().split('\n').slice(1)) {
    const [id = '', , x] = line.split(',');
    byId.get(id)?.values.push(Number(x));
  }
  return [...byId.values()].filter((b) => b.lat > 21.8 && b.lat < 25.4 && b.lon > 119.2 && b.lon < 122.1);
}

export interface Interpolation {
  readonly points: number;
  readonly median8: number;
  readonly kriging: number;
  readonly remembering: number;
  /** The field that the map draws, and inverse distances (power 2, five nearest, 0.1 km at least) at the same points: where the map draws it. */
  readonly map: number;
  readonly mapIdw: number;
  readonly mapPoints: number;
}

export function interpolation(): Interpolation {
  const boxes = loadBoxes();
  const near = boxes.map((b, i) =>
    boxes
      .map((o, j) => ({ j, km: distanceKm(b.lat, b.lon, o.lat, o.lon) }))
      .filter((v) => v.j !== i)
      .sort((p, q) => p.km - q.km || p.j - q.j)
      .slice(0, NEIGHBOURS),
  );
  const covariances = near.map((list) =>
    covarianceMatrix(
      list.map((v) => boxes[v.j] as Box),
      LENGTH_KM,
      0,
    ),
  );
  const offset = new Float64Array(boxes.length);
  const noise = new Float64Array(boxes.length).fill(1);
  const plainNoise = new Float64Array(boxes.length).fill(1);
  const krige = (i: number, values: readonly number[], share: Float64Array): number => {
    const list = near[i] as { j: number; km: number }[];
    const n = list.length;
    const k = (covariances[i] as Float64Array).slice();
    for (let a = 0; a < n; a++) k[a * n + a] = 1 + NUGGET * (share[(list[a] as { j: number }).j] as number);
    const l = cholesky(k, n);
    const w = solveCholesky(
      l,
      n,
      Float64Array.from(list, (v) => exponentialCovariance(v.km, LENGTH_KM)),
    );
    const ones = solveCholesky(l, n, new Float64Array(n).fill(1));
    let mu = 0;
    let sum = 0;
    for (let a = 0; a < n; a++) {
      mu += (ones[a] as number) * (values[a] as number);
      sum += ones[a] as number;
    }
    mu /= sum;
    let value = mu;
    for (let a = 0; a < n; a++) value += (w[a] as number) * ((values[a] as number) - mu);
    return value;
  };
  let [points, median8, kriging, remembering] = [0, 0, 0, 0];
  const hours = (boxes[0] as Box).values.length;
  for (let h = 0; h < hours; h++) {
    const found: number[] = [];
    for (const [i, list] of near.entries()) {
      const y = (boxes[i] as Box).values[h] as number;
      const around = list.map((v) => (boxes[v.j] as Box).values[h] as number);
      const known = around.map((v, a) => v - OFFSET * (offset[(list[a] as { j: number }).j] as number));
      const middle = median(known);
      const spread = HELD * Math.max(3, 1.4826 * median(known.map((v) => Math.abs(v - middle))));
      const held = known.map((v) => Math.min(middle + spread, Math.max(middle - spread, v)));
      found[i] = krige(i, held, noise);
      if (h % 6 !== 0) continue;
      points++;
      median8 += (median(around.slice(0, 8)) - y) ** 2;
      kriging += (krige(i, around, plainNoise) - y) ** 2;
      remembering += ((found[i] ?? NaN) - y) ** 2;
    }
    // Only now, when all of the hour have been judged, may it be learnt from.
    for (const [i, b] of boxes.entries()) {
      const r = Math.min(60, Math.max(-60, (b.values[h] as number) - (found[i] as number)));
      const rate = Math.max(1 / (h + 5), RATE);
      offset[i] = (offset[i] as number) + rate * (r - (offset[i] as number));
      const z = (r - OFFSET * (offset[i] ?? 0)) / USUAL;
      noise[i] = Math.max(0.3, (noise[i] as number) + rate * (Math.min(25, z * z) - (noise[i] as number)));
    }
  }
  const rms = (v: number): number => Math.sqrt(v / points);
  return { points, median8: rms(median8), kriging: rms(kriging), remembering: rms(remembering), ...drawn(boxes) };
}

/** Box by box, the map's own field without it. */
function drawn(boxes: readonly Box[]): { map: number; mapIdw: number; mapPoints: number } {
  const KM = 111.19;
  const east = Math.cos((23.7 * Math.PI) / 180);
  const x = Float64Array.from(boxes, (b) => b.lon * KM * east);
  const y = Float64Array.from(boxes, (b) => b.lat * KM);
  const noise = new Float64Array(boxes.length - 1).fill(1);
  let [mapPoints, map, idw] = [0, 0, 0];
  for (const [i, b] of boxes.entries()) {
    const others = boxes.flatMap((_, j) => (j === i ? [] : [j]));
    const [ox, oy] = [
      Float64Array.from(others, (j) => x[j] as number),
      Float64Array.from(others, (j) => y[j] as number),
    ];
    const near = others
      .map((j) => ({ j, km: Math.hypot((x[j] as number) - (x[i] as number), (y[j] as number) - (y[i] as number)) }))
      .sort((p, q) => p.km - q.km || p.j - q.j)
      .slice(0, 5);
    const weights = near.map((v) => 1 / Math.max(0.1, v.km) ** 2);
    const sum = weights.reduce((p, q) => p + q, 0);
    for (let h = 0; h < b.values.length; h += 6) {
      const value = Float64Array.from(others, (j) => (boxes[j] as Box).values[h] as number);
      const field = interpolate({ x: ox, y: oy, value, noise }, x.subarray(i, i + 1), y.subarray(i, i + 1));
      const estimate = field.value[0] as number;
      if (Number.isNaN(estimate)) continue;
      const truth = b.values[h] as number;
      mapPoints++;
      map += (estimate - truth) ** 2;
      const inverse = near.reduce(
        (s, v, a) => s + (weights[a] as number) * ((boxes[v.j] as Box).values[h] as number),
        0,
      );
      idw += (inverse / sum - truth) ** 2;
    }
  }
  return { map: Math.sqrt(map / mapPoints), mapIdw: Math.sqrt(idw / mapPoints), mapPoints };
}
