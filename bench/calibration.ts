/**
 * `node bench/calibration.ts`: what the correction costs. One reading through QC and correction, and the nightly fits of 3,000 boxes
 * beside 100 stations over 30 days of hours.
 */
import { createStage } from '../calibration/create.ts';
import { createQc } from '../calibration/qc/qc.ts';
import { scanClock } from '../calibration/correction/clock.ts';
import { newHistory, record } from '../calibration/correction/history.ts';
import { fitOwn } from '../calibration/correction/own.ts';
import type { Pairs } from '../calibration/correction/solution.ts';
import { fitPooled } from '../calibration/correction/pooled.ts';
import { SETTINGS } from '../calibration/correction/settings.ts';
import type { RawReading } from '../model/observation.ts';
import { DAY, HOUR, MINUTE } from '../model/time.ts';
import { figure } from './figures.ts';

/** mulberry32: the same numbers on every run. */
function random(seed: number): () => number {
  let a = seed;
  return () => {
    a = (a + 0x6d2b79f5) | 0;
    let t = Math.imul(a ^ (a >>> 15), 1 | a);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
}

/** Processor time of a reading [µs], and the usual time of a slice of all boxes [ms]. */
export function readingCost(boxes: number, minutes: number): { perReading: number; slice: number } {
  const next = random(1);
  const stage = createStage();
  for (let i = 0; i < boxes; i++) {
    stage.setBox({
      id: `box-${i}`,
      num: i + 1,
      lat: 22 + 3 * next(),
      lon: 120.2 + 1.5 * next(),
      sensor: 'PMS5003',
      field: '',
      trusted: true,
      exposure: 'outdoor',
    });
  }
  stage.setColocations(null);
  const start = Date.UTC(2026, 0, 1);
  let spent = 0;
  const slices: number[] = [];
  for (let m = 0; m < minutes; m++) {
    const time = start + m * MINUTE;
    const slice: RawReading[] = Array.from({ length: boxes }, (_, i) => ({
      stage: 'raw',
      thing: `box-${i}`,
      thingNum: i + 1,
      phenomenonTime: time,
      resultTime: time,
      clock: 'box',
      seq: 0,
      values: [
        { property: 'pm25', raw: 20 + 10 * next() },
        { property: 'pm10', raw: 32 + 10 * next() },
        { property: 'temperature', raw: 25 + next() },
        { property: 'humidity', raw: 70 + next() },
      ],
    }));
    const before = process.cpuUsage();
    const begin = performance.now();
    stage.advance(time);
    stage.correct(stage.check(slice));
    if (m >= 3) slices.push(performance.now() - begin);
    // The first minutes also build the look-ups of who is near whom.
    const used = process.cpuUsage(before);
    if (m >= 3) spent += used.user + used.system;
  }
  slices.sort((a, b) => a - b);
  return { perReading: spent / (boxes * (minutes - 3)), slice: slices[slices.length >> 1] as number };
}

/** Seconds of the night's fits. */
export function nightlyCost(
  boxes: number,
  stations: number,
  days: number,
): { total: number; pooled: number; own: number; clocks: number } {
  const next = random(2);
  const hours = days * 24;
  const series: Pairs[] = Array.from({ length: boxes }, (_, b) => {
    const gain = 0.8 + 0.4 * next();
    const [time, y, x, rh, temp]: [number[], number[], number[], number[], number[]] = [[], [], [], [], []];
    for (let h = 0; h < hours; h++) {
      const air = 15 + 10 * Math.sin(h / 30) + 4 * next();
      time.push(h * HOUR);
      y.push(air + 2 * next());
      x.push(1.8 * gain * air);
      rh.push(50 + 30 * next());
      temp.push(20 + 10 * next());
    }
    return { station: `s${b % stations}`, time, y, x, rh, temp, weight: 1 };
  });
  const begin = performance.now();
  const pooled = fitPooled('plantower', series, hours * HOUR, SETTINGS.correlatedPairs, SETTINGS);
  // Both kinds are fitted each night.
  fitPooled('plantower', series, hours * HOUR, SETTINGS.correlatedPairs, { ...SETTINGS, growth: true });
  const pooledAt = performance.now();
  if (!pooled) throw new Error('no pooled model came out of clean data');
  for (const s of series) fitOwn(s, pooled, SETTINGS.correlatedPairs, SETTINGS);
  const ownAt = performance.now();
  for (const s of series.slice(0, stations)) {
    const histories = [0, 1, 2].map(() => {
      const h = newHistory(HOUR / 4);
      s.time.forEach((t, i) => record(h, t, s.x[i] as number, NaN, NaN, NaN, NaN));
      return h;
    });
    scanClock(s.time, s.y, histories, HOUR, 0, (hours - 30 * 24) * HOUR);
  }
  const end = performance.now();
  return {
    total: (end - begin) / 1000,
    pooled: (pooledAt - begin) / 1000,
    own: (ownAt - pooledAt) / 1000,
    clocks: (end - ownAt) / 1000,
  };
}

/**
 * The nights of a whole country (N1–N3): seconds in which all boxes are judged, bytes of what is known of their nights, and the largest
 * neighbourhood that is ever put into one matrix. Every box has been heard for some slices before.
 */
export function nightCost(boxes: number): {
  seconds: number;
  bytesABox: number;
  largestTile: number;
  worstAdvanceMs: number;
} {
  const next = random(3);
  const qc = createQc();
  const cities = Math.ceil(boxes / 600);
  const centres = Array.from({ length: cities }, () => ({ lat: 22 + 3.2 * next(), lon: 120.1 + 1.7 * next() }));
  for (let i = 0; i < boxes; i++) {
    const centre = centres[i % cities] as { lat: number; lon: number };
    qc.setBox({
      id: `box-${i}`,
      num: i + 1,
      lat: centre.lat + 0.15 * (next() - 0.5),
      lon: centre.lon + 0.15 * (next() - 0.5),
      sensor: 'PMS5003',
      field: '',
      trusted: true,
      exposure: 'outdoor',
    });
  }
  const start = Date.UTC(2026, 0, 1);
  const slices = 8;
  for (let s = 0; s < slices; s++) {
    const time = start + s * 5 * MINUTE;
    const slice = Array.from({ length: boxes }, (_, i): RawReading => ({
      stage: 'raw',
      thing: `box-${i}`,
      thingNum: i + 1,
      phenomenonTime: time,
      resultTime: time,
      clock: 'box',
      seq: 0,
      values: [{ property: 'pm25', raw: 20 + 10 * next() }],
    }));
    qc.advance(time);
    qc.check(slice);
  }
  let [seconds, worst] = [0, 0];
  for (let h = 1; h <= 24; h++) {
    const begin = performance.now();
    qc.advance(start + h * HOUR);
    const took = performance.now() - begin;
    seconds += took / 1000;
    worst = Math.max(worst, took);
  }
  return { seconds, bytesABox: qc.stateBytes() / boxes, largestTile: qc.largestTile(), worstAdvanceMs: worst };
}

if (import.meta.main) {
  const each = readingCost(3000, 20);
  console.log(
    `QC and correction, 3000 boxes, 4 values: ${each.perReading.toFixed(1)} µs of processor time a reading, garbage collection included;` +
      ` a slice of all ${each.slice.toFixed(0)} ms`,
  );
  figure('QC and correction, a reading of four values', `${each.perReading.toFixed(1)} µs of processor time`);
  const night = nightlyCost(3000, 100, 30);
  figure('nightly fit, 100 stations, 30 days of hours', `${night.total.toFixed(2)} s`);
  console.log(
    `nightly fit, 3000 boxes at 100 stations, 30 days of hours: ${night.total.toFixed(2)} s` +
      ` (pooled of both kinds with every station left out ${night.pooled.toFixed(2)} s, own ${night.own.toFixed(2)} s, clocks ${night.clocks.toFixed(2)} s)`,
  );
  for (const boxes of [3000, 30_000, 100_000]) {
    const all = nightCost(boxes);
    console.log(
      `N1–N3 of ${boxes} boxes: ${(1000 * all.seconds).toFixed(0)} ms for all judgements of a day, at most ${all.worstAdvanceMs.toFixed(1)} ms at once;` +
        ` ${all.bytesABox.toFixed(0)} bytes a box with tiles and streams, no neighbourhood above ${all.largestTile} boxes`,
    );
  }
  console.log(
    `${process.version} ${process.arch}, one thread; pairs of a box in memory ${((DAY / HOUR) * 180 * 5 * 8) / 1024} KiB at most`,
  );
}
