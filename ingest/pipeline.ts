/**
 * Journal records in, corrected readings and rejects out: decode → clock → duplicates → check → correct (design §1).
 *
 * Invariants (tests/ingest/pipeline.test.ts):
 *  1. No bytes make `process` throw (only a registry that cannot be read does). Each packet ends in readings, in a reject with a reason, or is counted as duplicate.
 *  2. No clock and no disk of its own: what comes out depends on the records, where batches end, and the registry. So the
 *     same batches after a restart from a snapshot give the same values.
 *  3. State per box is constant and small; everything else is bounded.
 */
import type { CalibrationStage } from '../calibration/stage.ts';
import type { JournalRecord } from '../journal/journal.ts';
import { FLAG, reason } from '../model/flags.ts';
import type { CorrectedReading, RawReading, RawValue } from '../model/observation.ts';
import { decodePacket, type Packet } from '../model/packet.ts';
import { property } from '../model/properties.ts';
import { DAY, SECOND, type EpochMs } from '../model/time.ts';
import type { Registry } from '../registry/registry.ts';
import { sensorIdsOf } from '../registry/sensor-ids.ts';
import type { Reject } from '../store/store.ts';
import { judgeClock } from './clock.ts';
import { NOT_A_READING, type DecodedReading, type Decoder, type SensorIds } from './decoder.ts';
import { fingerprint, recentPackets, type RecentPacketsState } from './duplicates.ts';
import { addWeather, closeWeather, referenceHours, stateOfWeather, WEATHER_KEYS, weatherHours, type StationHours } from './reference-hours.ts'; // prettier-ignore
import { thingDirectory, type Lookup, type ThingColumns } from './things.ts';

/** Payload kept with a reject [bytes]. */
const REJECT_PAYLOAD = 4096;
/** Of what a box writes oddly in every message its owner is told once in this time. */
const REMARK_EVERY = DAY;
/** Boxes whose last remark is remembered; beyond, all are forgotten and told again. */
const MAX_REMARKED = 100_000;
/** How often the stage is asked to do due work, in receive time; far below the minutes it allows. */
const ADVANCE_EVERY = 10 * SECOND;
/** Packets come in the order in which they were received, but for those that were held back. One so much older says that the clock was set. */
const SET_BACK = DAY;

export interface PipelineParts {
  readonly registry: Registry;
  readonly stage: CalibrationStage;
  readonly decoderFor: (format: string) => Decoder | null;
  /** The decoder on whose open topics this topic lies. */
  readonly decoderForTopic: (topic: string) => Decoder | null;
  readonly formats: readonly string[];
  readonly maxUnclaimed: number;
}

export interface Processed {
  /** The last record of the batch; 0 for an empty one. */
  readonly seq: number;
  readonly readings: readonly CorrectedReading[];
  readonly rejects: readonly Reject[];
  /** Packets that were a redelivery. */
  readonly duplicates: number;
  /** Registered boxes of which something came that was no reading, by number, and when. */
  readonly heard: ReadonlyMap<number, EpochMs>;
  /** Receive time of the newest packet [ms], for the lag. */
  readonly newest: EpochMs;
  /** What the stage did when it failed on a batch; '' = it did not. Values are then stored as not evaluated. */
  readonly problem: string;
}

export interface PipelineState {
  readonly clock: EpochMs;
  readonly advanced: EpochMs;
  /** Parts that lie one behind the other. */
  readonly stage: readonly Uint8Array[];
  readonly recent: RecentPacketsState;
  readonly things: ThingColumns;
  readonly hours: Map<string, StationHours>;
  /** Absent in states of older versions. */
  readonly weather?: Record<(typeof WEATHER_KEYS)[number], Map<string, StationHours>>;
}

export interface Pipeline {
  process(records: readonly JournalRecord[]): Processed;
  /** Everything the next batch depends on; the arrays are live: encode before the next `process`. */
  state(): PipelineState;
  restore(state: PipelineState): void;
}

/** Topics below `boxes/<id>/` that carry no readings. */
const NO_READINGS = new Set(['status']);
/** Formats whose firmware adds levels of its own behind `boxes/<id>/<format>`, as the broker lets it. */
const TAILED_FORMATS = new Set(['esphome', 'tasmota']);

const OPEN = { ok: false, code: 'unknown-topic' } as const;

const has = (values: readonly RawValue[], key: string): boolean => {
  for (const v of values) if (v.property === key) return true;
  return false;
};

function valuesOf(reading: DecodedReading): RawValue[] {
  const values: RawValue[] = [];
  for (const { property: key, value } of reading.values) {
    if (!Number.isFinite(value) || has(values, key)) continue;
    values.push({ property: key, raw: value });
  }
  return values;
}

function valuesHash(values: readonly RawValue[]): number {
  let h = 0x811c9dc5;
  for (const v of values) {
    h = Math.imul(h ^ property(v.property).num, 0x01000193);
    h = Math.imul(h ^ (Math.round(v.raw * 1000) | 0), 0x01000193);
  }
  return h | 0;
}

const latin = new TextDecoder('latin1');
/** All that belongs to one box alone: the whole packet, or of a list of many boxes the name that this one has in it. */
function ownText(packet: Packet, reading: DecodedReading, all: readonly DecodedReading[]): string {
  if (all.some((r) => r.nativeId !== reading.nativeId)) return reading.hints?.name ?? '';
  return `${packet.client}\n${packet.topic}\n${latin.decode(packet.payload)}`;
}

/** A station's values carry the range tests and are never corrected: it is what others are corrected by. */
function referenceReading(reading: RawReading): CorrectedReading {
  return {
    ...reading,
    stage: 'corrected',
    values: reading.values.map((v) => {
      const { gross, plausible } = property(v.property);
      const failed = v.raw < gross[0] || v.raw > gross[1];
      const odd = v.raw < plausible[0] || v.raw > plausible[1];
      return {
        ...v,
        flag: failed ? FLAG.fail : odd ? FLAG.suspect : FLAG.good,
        reasons: failed ? reason('gross_range') : odd ? reason('plausible_range') : 0,
        corrected: null,
        lo90: null,
        hi90: null,
        level: '' as const,
        model: '',
      };
    }),
  };
}

/** When the stage itself fails the raw values are kept, judged by nobody. */
const unevaluated = (reading: RawReading): CorrectedReading => ({
  ...reading,
  stage: 'corrected',
  values: reading.values.map((v) => ({
    ...v,
    flag: FLAG.notEvaluated,
    reasons: reason('no_model'),
    corrected: null,
    lo90: null,
    hi90: null,
    level: '' as const,
    model: '',
  })),
});

export function createPipeline(parts: PipelineParts): Pipeline {
  const { registry, stage } = parts;
  const things = thingDirectory(registry, stage, parts.maxUnclaimed);
  const recent = recentPackets();
  const hours = referenceHours();
  const weather = weatherHours();
  /** Receive time of the last remark by thing number. Not in the snapshot: after a restart a remark may come twice. */
  const remarked = new Map<number, EpochMs>();
  let clock: EpochMs = 0;
  let advanced: EpochMs = 0;

  interface Batch {
    readonly readings: RawReading[];
    readonly stations: RawReading[];
    readonly rejects: Reject[];
    readonly heard: Map<number, EpochMs>;
    duplicates: number;
  }

  const reject = (batch: Batch, packet: Packet, thing: string, code: string, detail: string): void => {
    batch.rejects.push({
      receivedAt: packet.receivedAt,
      via: packet.via,
      topic: packet.topic,
      thing,
      code,
      detail,
      // A copy: the packet is a view of the journal's page.
      payload: Uint8Array.from(packet.payload.subarray(0, REJECT_PAYLOAD)),
    });
  };

  /** Whether the owner of this box has not been told anything for a day. */
  const isRemarkable = (packet: Packet, { num }: { num: number }): boolean => {
    const last = remarked.get(num);
    if (last !== undefined && Math.abs(packet.receivedAt - last) < REMARK_EVERY) return false;
    if (remarked.size >= MAX_REMARKED) remarked.clear();
    remarked.set(num, packet.receivedAt);
    return true;
  };
  /** A reading that was kept but for what the notes say: the owner finds it among the rejects. */
  const remark = (batch: Batch, packet: Packet, thing: { id: string; num: number }, notes: readonly string[]): void => {
    if (!isRemarkable(packet, thing)) return;
    const words = notes.slice(0, 5).join('; ');
    reject(batch, packet, thing.id, 'partly-kept', `the rest of the reading is stored; ${words} (said once a day)`);
  };

  /** What the sensor ids of another server stand for: few boxes have such, so they are looked up when one of them speaks. */
  const sensorIdsFor = (decoder: Decoder, box: string): SensorIds | undefined =>
    decoder.format === 'opensensemap' && box !== '' ? sensorIdsOf(registry.get(box)?.properties ?? {}) : undefined;

  const take = (
    batch: Batch,
    packet: Packet,
    seq: number,
    decoder: Decoder,
    box: string,
    lookup: (reading: DecodedReading) => Lookup,
  ): void => {
    const decoded = decoder.decode(packet.payload, packet.topic, sensorIdsFor(decoder, box));
    if (!decoded.ok) {
      // Alive all the same, and its owner is to see that.
      const known = box === '' ? null : things.byId(box);
      if (known?.ok) batch.heard.set(known.thing.num, packet.receivedAt);
      if (decoded.code === NOT_A_READING) return;
      reject(batch, packet, box, decoded.code, decoded.detail);
      return;
    }
    if (decoded.readings.length === 0) {
      reject(batch, packet, box, 'no-values', 'the payload holds no reading');
      return;
    }
    let redelivered: boolean | undefined;
    const timeless = new Set<number>();
    for (const reading of decoded.readings) {
      const found = lookup(reading);
      if (!found.ok) {
        if (!found.thing) reject(batch, packet, box, found.code, found.detail);
        else if (isRemarkable(packet, found.thing))
          reject(batch, packet, found.thing.id, found.code, `${found.detail} (said once a day)`);
        continue;
      }
      const thing = found.thing;
      const values = valuesOf(reading);
      if (values.length === 0) {
        const why = reading.notes?.length ? `: ${reading.notes.slice(0, 5).join('; ')}` : '';
        reject(batch, packet, thing.id, 'no-values', `no value that can be kept${why}`);
        continue;
      }
      const time = judgeClock(reading.time, packet.receivedAt);
      if (time.clock === 'received') {
        // QoS 0 and HTTP have no packet id and no redelivery by protocol: equal payloads there are equal measurements.
        redelivered ??= packet.packetId !== 0 && recent.seen(fingerprint(packet), packet.receivedAt);
        if (redelivered) {
          batch.duplicates++;
          continue;
        }
        if (timeless.has(thing.num)) {
          reject(
            batch,
            packet,
            thing.id,
            'no-time',
            'several readings in one message without a believable time of their own: only the first was kept. Give each its time as RFC 3339, and check the clock of the box',
          );
          continue;
        }
        timeless.add(thing.num);
      }
      if (things.repeats(thing.num, time.phenomenonTime, valuesHash(values))) {
        batch.duplicates++;
        continue;
      }
      if (reading.notes?.length) remark(batch, packet, thing, reading.notes);
      things.noteDecoded(thing, reading, time.phenomenonTime);
      if (packet.sender === '')
        things.claimHeard(thing, () => ownText(packet, reading, decoded.readings), packet.receivedAt);
      (thing.kind === 'station' ? batch.stations : batch.readings).push({
        stage: 'raw',
        thing: thing.id,
        thingNum: thing.num,
        phenomenonTime: time.phenomenonTime,
        resultTime: packet.receivedAt,
        clock: time.clock,
        seq,
        values,
      });
    }
  };

  const unknownFormat = (format: string): string =>
    `"${format.slice(0, 60)}" is no payload format of this server; it knows ${parts.formats.join(', ')}`;

  const route = (batch: Batch, packet: Packet, seq: number): void => {
    const { topic } = packet;
    if (!topic.startsWith('boxes/') && topic !== 'boxes') {
      const decoder = parts.decoderForTopic(packet.topic);
      if (!decoder) {
        reject(
          batch,
          packet,
          packet.sender,
          OPEN.code,
          `no box format is spoken on the topic "${packet.topic.slice(0, 200)}"`,
        );
        return;
      }
      // A registered box that proved to be itself keeps its firmware's topic: whatever it calls itself there, it is that box.
      const own = packet.sender === '' ? null : things.byId(packet.sender);
      if (own && !own.ok) {
        reject(batch, packet, '', own.code, own.detail);
        return;
      }
      take(batch, packet, seq, decoder, packet.sender, (reading) =>
        own
          ? own
          : reading.nativeId === ''
            ? { ok: false, code: 'no-device-id', detail: 'the payload does not say which box it comes from' }
            : things.byNativeId(decoder.format, reading, packet.receivedAt),
      );
      return;
    }
    // Nearly all topics have three levels: an array of them for every packet is a tenth of what routing costs.
    const middle = topic.indexOf('/', 6);
    const simple = middle > 0 && !topic.includes('/', middle + 1);
    const levels = simple ? null : topic.split('/');
    const id = levels ? (levels[1] ?? '') : topic.slice(6, middle);
    const format = levels ? (levels[2] ?? '') : topic.slice(middle + 1);
    const depth = levels ? levels.length : 3;
    const batchWord = levels?.[3];
    if (depth === 3 && NO_READINGS.has(format)) return;
    const tailed = TAILED_FORMATS.has(format) && depth <= 7;
    if (depth < 3 || (!tailed && (depth > 4 || (depth === 4 && batchWord !== 'batch')))) {
      reject(
        batch,
        packet,
        id,
        OPEN.code,
        `readings go to boxes/<id>/<format> or boxes/<id>/<format>/batch, not to "${packet.topic.slice(0, 200)}"`,
      );
      return;
    }
    const found = things.byId(id);
    if (!found.ok) {
      reject(batch, packet, '', found.code, found.detail);
      return;
    }
    const decoder = parts.decoderFor(format);
    if (!decoder) {
      reject(batch, packet, id, 'unknown-format', unknownFormat(format));
      return;
    }
    take(batch, packet, seq, decoder, id, () => found);
  };

  const judge = (batch: Batch): { readings: CorrectedReading[]; problem: string } => {
    const { readings, stations } = batch;
    let problem = '';
    let corrected: CorrectedReading[];
    try {
      for (const reading of stations) {
        const pm25 = reading.values.find((v) => v.property === 'pm25');
        const [low, high] = property('pm25').gross;
        if (pm25 && pm25.raw >= low && pm25.raw <= high) hours.add(reading.thing, reading.phenomenonTime, pm25.raw);
        addWeather(weather, reading.thing, reading.phenomenonTime, reading.values);
      }
      const closed = hours.close(clock);
      if (closed.length > 0) stage.reference(closed);
      const around = closeWeather(weather, clock);
      if (around.length > 0) stage.weather(around);
      if (Math.abs(clock - advanced) >= ADVANCE_EVERY) {
        advanced = clock;
        stage.advance(clock);
      }
      // In time order whatever order they came in; equal times by box, then as received.
      readings.sort((a, b) => a.phenomenonTime - b.phenomenonTime || a.thingNum - b.thingNum || a.seq - b.seq);
      corrected = readings.length > 0 ? stage.correct(stage.check(readings)) : [];
    } catch (error) {
      problem = `the calibration stage failed, values are stored as not evaluated: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}`;
      corrected = readings.map(unevaluated);
    }
    return { readings: [...corrected, ...stations.map(referenceReading)], problem };
  };

  return {
    process(records) {
      const batch: Batch = { readings: [], stations: [], rejects: [], heard: new Map(), duplicates: 0 };
      things.refresh(clock);
      for (const record of records) {
        let packet: Packet;
        try {
          packet = decodePacket(record.bytes);
        } catch (error) {
          batch.rejects.push({
            receivedAt: clock,
            via: '',
            topic: '',
            thing: '',
            code: 'bad-record',
            detail: `journal record ${record.seq}: ${error instanceof Error ? error.message : String(error)}`,
            payload: Uint8Array.from(record.bytes.subarray(0, REJECT_PAYLOAD)),
          });
          continue;
        }
        if (packet.receivedAt > clock || packet.receivedAt < clock - SET_BACK) clock = packet.receivedAt;
        try {
          route(batch, packet, record.seq);
        } catch (error) {
          // The registry's disk is the environment, not the packet's fault: the worker starts again from its snapshot.
          if ((error as { code?: unknown }).code === 'ERR_SQLITE_ERROR') throw error;
          const words = error instanceof Error ? error.message : String(error);
          reject(
            batch,
            packet,
            packet.sender,
            'ingest-error',
            `could not be worked on; the operator has to look at it: ${words}`,
          );
        }
      }
      const { readings, problem } = judge(batch);
      return {
        seq: records.at(-1)?.seq ?? 0,
        readings,
        rejects: batch.rejects,
        duplicates: batch.duplicates,
        heard: batch.heard,
        newest: clock,
        problem,
      };
    },
    state: () => ({
      clock,
      advanced,
      stage: stage.snapshotParts(),
      recent: recent.state(),
      things: things.state(),
      hours: hours.state(),
      weather: stateOfWeather(weather),
    }),
    restore(state) {
      stage.restore(state.stage.length === 1 ? (state.stage[0] as Uint8Array) : Buffer.concat(state.stage));
      clock = state.clock;
      advanced = state.advanced;
      recent.restore(state.recent);
      things.restore(state.things);
      hours.restore(state.hours);
      for (const key of WEATHER_KEYS) if (state.weather) weather[key].restore(state.weather[key]);
    },
  };
}
