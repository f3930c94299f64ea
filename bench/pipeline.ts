/**
 * How many readings of four values a second the pipeline takes from journal records to columns, without journal and store:
 * decode, clock, duplicates, QC, correction. The first minute (every box is new) and those after it are told apart.
 * Usage: node --expose-gc bench/pipeline.ts [boxes=100000] [minutes=4] [batch=2500]; PROFILE=file writes a CPU profile of the minutes from PROFILE_FROM (1 = after the first) on.
 */
import { writeFileSync } from 'node:fs';
import { Session } from 'node:inspector/promises';
import { cpus } from 'node:os';
import { createStage } from '../calibration/create.ts';
import { columnsOf, modelNumbers } from '../ingest/columns.ts';
import { decoderFor, decoderForTopic, decoders } from '../ingest/decoders/index.ts';
import { createPipeline } from '../ingest/pipeline.ts';
import { encodePacket } from '../model/packet.ts';
import { openRegistry } from '../registry/sqlite.ts';
import { MemoryStore } from '../store/memory.ts';
import { figure, whole } from './figures.ts';

const boxes = Number(process.argv[2] ?? 100_000);
const minutes = Number(process.argv[3] ?? 4);
/** What comes in 150 ms at full load; a backlog makes larger ones. */
const batch = Number(process.argv[4] ?? 2500);
const start = Date.UTC(2026, 10, 21);

/** mulberry32: the same readings in each run. */
let a = 1;
const random = (): number => {
  a = (a + 0x6d2b79f5) | 0;
  let t = Math.imul(a ^ (a >>> 15), 1 | a);
  t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
  return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
};

const memory = (): number => Math.round(process.memoryUsage().rss / 2 ** 20);
const empty = memory();
const registry = openRegistry(':memory:');
const ids = registry
  .addMany(
    (function* () {
      for (let i = 0; i < boxes; i++) yield { lat: 22 + 3 * random(), lon: 120 + 2 * random(), sensors: ['PMS5003'] };
    })(),
    start,
  )
  .map((b) => b.id);
const stage = createStage();
const pipeline = createPipeline({
  registry,
  stage,
  decoderFor,
  decoderForTopic,
  formats: decoders.map((d) => d.format),
  maxUnclaimed: 0,
});
const models = modelNumbers(new MemoryStore());
const before = memory();
const profiler = new Session();
let rows = 0;
/** Processor time of each minute [µs a reading], all threads, garbage collection included: what counts on a machine that others use too. */
const cost: number[] = [];
for (let minute = 0; minute < minutes; minute++) {
  if (minute === Number(process.env['PROFILE_FROM'] ?? 1) && process.env['PROFILE']) {
    profiler.connect();
    await profiler.post('Profiler.enable');
    await profiler.post('Profiler.start');
  }
  let cpuUs = 0;
  for (let done = 0; done < boxes; done += batch) {
    const records = Array.from({ length: Math.min(batch, boxes - done) }, (_, i) => {
      const n = done + i;
      const id = ids[n] as string;
      const at = start + minute * 60_000 + Math.floor((n / boxes) * 60_000);
      const reading = {
        t: new Date(at).toISOString(),
        pm25: Math.round(300 * random()) / 10,
        pm10: Math.round(500 * random()) / 10,
        temperature: Math.round(240 + 20 * random()) / 10,
        humidity: Math.round(600 + 100 * random()) / 10,
      };
      const packet = {
        receivedAt: at + 100,
        via: 'mqtt' as const,
        topic: `boxes/${id}/json`,
        sender: id,
        client: id,
        packetId: 1 + (n % 60_000),
        payload: Buffer.from(JSON.stringify(reading)),
      };
      return { seq: minute * boxes + n + 1, bytes: encodePacket(packet) };
    });
    const cpu = process.cpuUsage();
    const out = pipeline.process(records);
    if (out.problem) throw new Error(out.problem);
    await models.learn(out.readings);
    rows += columnsOf(out.readings, models).length;
    const used = process.cpuUsage(cpu);
    cpuUs += used.user + used.system;
  }
  cost.push(Math.round((10 * cpuUs) / boxes) / 10);
}
if (process.env['PROFILE']) {
  const { profile } = await profiler.post('Profiler.stop');
  writeFileSync(process.env['PROFILE'], JSON.stringify(profile));
}
const after = memory();
(globalThis as { gc?: () => void }).gc?.();
const { heapUsed, arrayBuffers } = process.memoryUsage();
/** Live after a collection when started with --expose-gc; what a pipeline of no boxes takes is in it. */
const bytesABox = { heap: Math.round(heapUsed / boxes), buffers: Math.round(arrayBuffers / boxes) };
const steady = cost.slice(1).toSorted((x, y) => x - y)[(cost.length - 1) >> 1] ?? cost[0] ?? NaN;
const snapshotBegan = process.cpuUsage();
const snapshot = stage.snapshot().length;
const snapshotCpu = process.cpuUsage(snapshotBegan);
console.log(
  JSON.stringify({
    cpu: cpus()[0]?.model,
    cores: cpus().length,
    node: process.version,
    boxes,
    batch,
    rows,
    cpuMicrosecondsPerReading: { firstMinute: cost[0], later: cost.slice(1) },
    readingsPerCpuSecond: Math.round(1e6 / steady),
    bytesABox,
    memoryMiB: { empty, registered: before, after },
    stageSnapshot: {
      MiB: Math.round(snapshot / 2 ** 20),
      cpuMs: Math.round((snapshotCpu.user + snapshotCpu.system) / 1000),
    },
  }),
);
figure(
  'processor time a reading of four values: every box new; then',
  `${cost[0]} µs; ${steady} µs`,
  '60 µs = 16,700/s',
);
figure(`memory: empty, ${whole(boxes)} boxes registered, at the end`, `${empty}, ${before}, ${after} MiB`);
figure(
  'saved state',
  `${Math.round((10 * snapshot) / 2 ** 20) / 10} MiB, ${Math.round((snapshotCpu.user + snapshotCpu.system) / 1000)} ms`,
);
