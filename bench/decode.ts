/**
 * How many payloads one core decodes in a second, per format. Seeded; payloads are made before the clock starts, all of them
 * different, so that no cache of strings helps. Results are summed up so that nothing is optimised away.
 */
import { cpus } from 'node:os';
import type { Measurement, SimBox } from '../firmware-sim/box.ts';
import { PAYLOAD_WRITERS, writePayload } from '../firmware-sim/payloads/index.ts';
import { decoderFor } from '../ingest/decoders/index.ts';
import { figure, whole } from './figures.ts';

/** mulberry32 */
function random(seed: number): () => number {
  let a = seed;
  return () => {
    a = (a + 0x6d2b79f5) | 0;
    let t = Math.imul(a ^ (a >>> 15), 1 | a);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
}

const two = (n: number): string => String(Math.floor(n)).padStart(2, '0');
const rand = random(7);
const between = (lo: number, hi: number, digits = 0): string => (lo + rand() * (hi - lo)).toFixed(digits);

/** Our JSON and LASS are the hot path: written here, so that the numbers stay comparable when the simulator changes. */
const MAKERS: Record<string, () => string | Buffer> = {
  json: () =>
    `{"t":"2026-11-21T${two(rand() * 24)}:${two(rand() * 60)}:${two(rand() * 60)}Z","pm25":${between(0, 80, 1)},"pm10":${between(0, 120, 1)},"temperature":${between(10, 35, 1)},"humidity":${between(30, 99, 1)}}`,
  lass: () =>
    `|ver_format=3|FAKE_GPS=${rand() < 0.5 ? 0 : 1}|app=PM25|ver_app=0.8.3|device_id=FT9_${between(100, 999)}|tick=${between(1e5, 4e9)}|date=2026-11-${two(1 + rand() * 28)}|time=${two(rand() * 24)}:${two(rand() * 60)}:${two(rand() * 60)}|device=LinkItONE|s_0=${between(0, 9999, 2)}|s_1=100.00|s_2=1.00|s_3=0.00|s_4=4.00|s_d0=${between(0, 80, 2)}|s_t0=${between(10, 35, 2)}|s_h0=${between(30, 99, 2)}|s_d1=${between(0, 120, 2)}|gps_lat=${between(22, 25.5, 6)}|gps_lon=${between(120, 121.9, 6)}|gps_fix=1|gps_num=16|gps_alt=126`,
};

/** All other formats, as the simulator's boxes write them. */
for (const { format } of PAYLOAD_WRITERS) {
  if (format in MAKERS) continue;
  MAKERS[format] = () => {
    const number = (lo: number, hi: number): number => Number(between(lo, hi, 1));
    const time = Date.UTC(2026, 10, 1) + Math.floor(rand() * 20 * 86_400) * 1000;
    const box = { id: 'bench-box', index: Math.floor(rand() * 1e5), lat: number(22, 25), lon: number(120, 122) };
    const m: Measurement = {
      time,
      trueTime: time,
      pm1: number(1, 50),
      pm25: number(1, 80),
      pm10: number(1, 120),
      temperature: number(10, 35),
      humidity: number(30, 99),
    };
    return writePayload(format, box as unknown as SimBox, [m], false).payload;
  };
}

const N = 50_000;
const ROUNDS = 5;

export interface Row {
  readonly format: string;
  readonly bytes: number;
  readonly best: number;
  readonly mean: number;
}

export function measure(format: string): Row {
  const make = MAKERS[format];
  const decoder = decoderFor(format);
  if (!make || !decoder) throw new Error(`no maker or decoder for ${format}`);
  // The number of an ESPHome message has its name in the topic.
  const topic = `boxes/abcdefgh/${format}${format === 'esphome' ? '/sensor/pm_2_5/state' : ''}`;
  const payloads = Array.from({ length: N }, () => Buffer.from(make()));
  let sum = 0;
  const rates: number[] = [];
  for (let round = 0; round <= ROUNDS; round++) {
    const from = performance.now();
    for (const payload of payloads) {
      const d = decoder.decode(payload, topic);
      if (!d.ok) throw new Error(d.detail);
      sum += d.readings[0]?.values.length ?? 0;
    }
    const seconds = (performance.now() - from) / 1000;
    if (round > 0) rates.push(N / seconds); // the first round warms up
  }
  if (sum === 0) throw new Error('nothing decoded');
  return {
    format,
    bytes: Math.round(payloads.reduce((s, p) => s + p.length, 0) / N),
    best: Math.max(...rates),
    mean: rates.reduce((s, r) => s + r, 0) / rates.length,
  };
}

if (import.meta.main) {
  console.log(
    `decode, one core of ${cpus()[0]?.model ?? 'unknown'}, Node ${process.version}, ${N} payloads × ${ROUNDS}`,
  );
  console.log('format        bytes   payloads/s (mean)   (best)   µs each');
  for (const format of Object.keys(MAKERS)) {
    const r = measure(format);
    figure(
      `${r.format}, ${r.bytes} bytes`,
      `${whole(r.mean)} payloads/s`,
      format === 'lass' ? '150,000 payloads/s' : '',
    );
    console.log(
      `${r.format.padEnd(12)} ${String(r.bytes).padStart(6)} ${Math.round(r.mean).toLocaleString('en').padStart(19)} ${Math.round(r.best).toLocaleString('en').padStart(8)} ${(1e6 / r.mean).toFixed(2).padStart(9)}`,
    );
  }
}
