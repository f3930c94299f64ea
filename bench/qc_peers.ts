/**
 * The rules that peers publish, re-implemented for comparison only; nothing of this is in the product. Sources: calibration note §1.1, §1.2,
 * §1.7 and §9.
 */
import { invertSpd } from '../calibration/geo/kriging.ts';
import { type BenchBox, type Detector, flatKm, median } from './qc_faults.ts';

const neighbours = (boxes: readonly BenchBox[], km: number): { j: number; km: number }[][] =>
  boxes.map((b, i) =>
    boxes.flatMap((o, j) => {
      const d = flatKm(b, o);
      return i !== j && d < km ? [{ j, km: d }] : [];
    }),
  );

/** LASS ADF (Chen et al. 2018): tolerance by the box's own reading, neighbours' mean, at least two of them. */
export const adf =
  (km: number): Detector =>
  (boxes, rows) => {
    const tolerance = (x: number): number =>
      x < 24
        ? 6.6
        : x < 36
          ? 9.35
          : x < 42
            ? 13.5
            : x < 48
              ? 17
              : x < 54
                ? 23
                : x < 59
                  ? 27.5
                  : x < 65
                    ? 33.5
                    : x < 71
                      ? 40.5
                      : 91.5;
    const near = neighbours(boxes, km);
    return rows.map((row) =>
      row.map((x, i) => {
        const others = (near[i] ?? []).flatMap((n) => row[n.j]?.value ?? []);
        if (!x || others.length < 2) return null;
        const mean = others.reduce((a, b) => a + b, 0) / others.length;
        return Math.abs(x.value - mean) > tolerance(x.value);
      }),
    );
  };

/** AirGradient map: itself included, at least three within 10 km; |z| > 2 from mean 50 on, else 30 µg/m³. */
export const airGradient: Detector = (boxes, rows) => {
  const near = neighbours(boxes, 10);
  return rows.map((row) =>
    row.map((x, i) => {
      if (!x) return null;
      const all = [x.value, ...(near[i] ?? []).flatMap((n) => row[n.j]?.value ?? [])];
      if (all.length < 3) return null;
      const mean = all.reduce((a, b) => a + b, 0) / all.length;
      const sd = Math.sqrt(all.reduce((a, b) => a + (b - mean) ** 2, 0) / (all.length - 1));
      return mean >= 50 ? Math.abs(x.value - mean) / sd > 2 : Math.abs(x.value - mean) > 30;
    }),
  );
};

/** titanlib buddy check: 10 km, at least 3, threshold 3, minimum standard deviation 3, two rounds. */
export const buddy: Detector = (boxes, rows) => {
  const near = neighbours(boxes, 10);
  return rows.map((row) => {
    const flagged = row.map(() => false);
    const tested = row.map(() => false);
    for (let round = 0; round < 2; round++) {
      const before = [...flagged];
      for (const [i, x] of row.entries()) {
        if (!x || before[i]) continue;
        const others = (near[i] ?? []).flatMap((n) => (before[n.j] ? [] : (row[n.j]?.value ?? [])));
        if (others.length < 3) continue;
        tested[i] = true;
        const mean = others.reduce((a, b) => a + b, 0) / others.length;
        const variance = others.reduce((a, b) => a + (b - mean) ** 2, 0) / others.length;
        const s = Math.max(Math.sqrt(variance + variance / others.length), 3);
        if (Math.abs(x.value - mean) / s > 3) flagged[i] = true;
      }
    }
    return row.map((x, i) => (x && tested[i] ? (flagged[i] as boolean) : null));
  });
};

/** City-wide log median and MAD. */
export const logMedian: Detector = (_boxes, rows) =>
  rows.map((row) => {
    const y = row.map((x) => (x ? Math.log(x.value + 3) : Number.NaN));
    const m = median(y.filter((v) => !Number.isNaN(v)));
    const s = Math.max(1.4826 * median(y.filter((v) => !Number.isNaN(v)).map((v) => Math.abs(v - m))), 0.07);
    return y.map((v) => (Number.isNaN(v) ? null : Math.abs(v - m) / s > 5));
  });

/** LOO kriging in log space as the note's §9 defines it: K = exp(−d/10 km) + I, the worst removed again and again, optional site offset. */
export const looKriging =
  (limit: number, withOffset: boolean): Detector =>
  (boxes, rows) => {
    const n = boxes.length;
    const offset = new Float64Array(n);
    const scale = new Float64Array(n).fill(0.12);
    return rows.map((row) => {
      let inside = row.flatMap((x, i) => (x ? [i] : []));
      const flagged = new Set<number>();
      const y = row.map((x, i) => (x ? Math.log(x.value + 3) - (offset[i] as number) : 0));
      let r: number[] = [];
      for (let removed = 0; ; removed++) {
        r = residuals(boxes, inside, y);
        if (removed === 10 || inside.length <= 5) break;
        const s = Math.max(1.4826 * median(r.map(Math.abs)), 0.07);
        let worst = -1;
        let worstZ = limit;
        for (const [k, i] of inside.entries()) {
          const z = Math.abs(r[k] as number) / Math.sqrt(s * s + (0.5 * (scale[i] as number)) ** 2);
          if (z > worstZ) {
            worstZ = z;
            worst = i;
          }
        }
        if (worst < 0) break;
        flagged.add(worst);
        inside = inside.filter((i) => i !== worst);
      }
      for (const [k, i] of inside.entries()) {
        const rk = r[k] as number;
        if (withOffset) offset[i] = (offset[i] as number) + 0.02 * rk;
        scale[i] = Math.max(0.05, 0.99 * (scale[i] as number) + 0.01 * 1.25 * Math.abs(rk));
      }
      return row.map((x, i) => (x ? flagged.has(i) : null));
    });
  };

function residuals(boxes: readonly BenchBox[], inside: readonly number[], y: readonly number[]): number[] {
  const n = inside.length;
  const k = new Float64Array(n * n);
  for (const [a, i] of inside.entries())
    for (const [b, j] of inside.entries())
      k[a * n + b] = a === b ? 2 : Math.exp(-flatKm(boxes[i] as BenchBox, boxes[j] as BenchBox) / 10);
  const inverse = invertSpd(k, n);
  let weighted = 0;
  let total = 0;
  for (let a = 0; a < n; a++)
    for (let b = 0; b < n; b++) {
      total += inverse[a * n + b] as number;
      weighted += (inverse[a * n + b] as number) * (y[inside[b] as number] as number);
    }
  const mean = weighted / total;
  return inside.map((_, a) => {
    let sum = 0;
    for (const [b, j] of inside.entries()) sum += (inverse[a * n + b] as number) * ((y[j] as number) - mean);
    return sum / (inverse[a * n + a] as number);
  });
}
