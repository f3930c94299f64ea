/**
 * How many readings of four values a second the pipeline takes from journal records to columns, without journal and store:
 * decode, clock, duplicates, QC, correction. Usage: node bench/pipeline.ts [boxes=100000] [readings=500000]
 */
import { cpus } from 'node:os';
import { createStage } from '../calibration/create.ts';
import { columnsOf, modelNumbers } from '../ingest/columns.ts';
import { decoderFor, decoderForTopic, decoders } from '../ingest/decoders/index.ts';
import { createPipeline } from '../ingest/pipeline.ts';
import { encodePacket } from '../model/packet.ts';
import { openRegistry } from '../registry/sqlite.ts';
import { MemoryStore } from '../store/memory.ts';

const boxes = Number(process.argv[2] ?? 100_000);
const readings = Number(process.argv[3] ?? 500_000);
const BATCH = 5000;
const start = Date.UTC(2026, 10, 21);

/** mulberry32: the same readings in each run. */
let a = 1;
const random = (): number => {
  a = (a + 0x6d2b79f5) | 0;
  let t = Math.imul(a ^ (a >>> 15), 1 | a);
  t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
  return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
};

const registry = openRegistry(':memory:');
const ids = registry
  .addMany(
    (function* () {
      for (let i = 0; i < boxes; i++) yield { lat: 22 + 3 * random(), lon: 120 + 2 * random(), sensors: ['PMS5003'] };
    })(),
    start,
  )
  .map((b) => b.id);
const pipeline = createPipeline({
  registry,
  stage: createStage(),
  decoderFor,
  decoderForTopic,
  formats: decoders.map((d) => d.format),
  maxUnclaimed: 0,
});
const models = modelNumbers(new MemoryStore());
const memory = (): number => Math.round(process.memoryUsage().rss / 2 ** 20);
const before = memory();
let rows = 0;
let busyMs = 0;
/** Processor time of all threads, garbage collection included: what counts on a machine that others use too. */
let cpuMs = 0;
for (let done = 0; done < readings; done += BATCH) {
  const records = Array.from({ length: BATCH }, (_, i) => {
    const n = done + i;
    const id = ids[n % boxes] as string;
    const at = start + Math.floor(n / boxes) * 60_000 + ((n % boxes) / boxes) * 60_000;
    const reading = {
      t: new Date(at).toISOString(),
      pm25: Math.round(300 * random()) / 10,
      pm10: Math.round(500 * random()) / 10,
      temperature: Math.round(240 + 20 * random()) / 10,
      humidity: Math.round(600 + 100 * random()) / 10,
    };
    const payload = Buffer.from(JSON.stringify(reading));
    const packet = {
      receivedAt: at + 100,
      via: 'mqtt' as const,
      topic: `boxes/${id}/json`,
      sender: id,
      client: id,
      packetId: 1 + (n % 60_000),
      payload,
    };
    return { seq: n + 1, bytes: encodePacket(packet) };
  });
  const began = performance.now();
  const cpu = process.cpuUsage();
  const batch = pipeline.process(records);
  if (batch.problem) throw new Error(batch.problem);
  await models.learn(batch.readings);
  rows += columnsOf(batch.readings, models).length;
  busyMs += performance.now() - began;
  const used = process.cpuUsage(cpu);
  cpuMs += (used.user + used.system) / 1000;
}
const snapshotBegan = performance.now();
const snapshot = pipeline.state().stage.length;
console.log(
  JSON.stringify({
    cpu: cpus()[0]?.model,
    cores: cpus().length,
    node: process.version,
    boxes,
    readings,
    rows,
    readingsPerCpuSecond: Math.round((readings / cpuMs) * 1000),
    readingsPerSecond: Math.round((readings / busyMs) * 1000),
    memoryMiB: { before, after: memory() },
    stageSnapshot: { MiB: Math.round(snapshot / 2 ** 20), ms: Math.round(performance.now() - snapshotBegan) },
  }),
);
