/** The pipeline as a worker thread: opens its own journal reader and registry, talks to the store over its port. */
import { mkdirSync } from 'node:fs';
import type { MessagePort } from 'node:worker_threads';
import type { CalibrationStage, StageCard } from '../calibration/stage.ts';
import type { JournalReader } from '../journal/journal.ts';
import type { Registry } from '../registry/registry.ts';
import { COLUMN_NAMES } from '../store/columns.ts';
import type { ObservationColumns, ObservationStore, Reject } from '../store/store.ts';
import type { Decoder } from './decoder.ts';
import { eventKeeper } from './events.ts';
import { startLoop } from './loop.ts';
import type { FromPipeline, PipelineThreadData, ToPipeline } from './messages.ts';
import { modelCardKeeper } from './model-cards.ts';
import { readDecisions, turnKeeper } from './model-decisions.ts';
import { createPipeline } from './pipeline.ts';
import { openStateFolder } from './state.ts';

/** The implementations, as `main.ts` picks them in this thread. */
export interface PipelineThreadParts {
  readonly openRegistry: (path: string, options: { maxUnclaimed: number }) => Registry;
  readonly openJournalReader: (
    folder: string,
    options: { onDamage: (d: { firstSeq: number; lastSeq: number }) => void },
  ) => JournalReader;
  readonly connectStore: (port: MessagePort) => ObservationStore;
  readonly createStage: () => CalibrationStage;
  readonly decoders: readonly Decoder[];
  readonly decoderFor: (format: string) => Decoder | null;
  readonly decoderForTopic: (topic: string) => Decoder | null;
}

function codes(rejects: readonly Reject[]): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const { code } of rejects) counts[code] = (counts[code] ?? 0) + 1;
  return counts;
}

/** Runs until told to stop; rejects when the pipeline cannot go on, and the thread is started anew. */
export async function runPipelineThread(
  port: MessagePort,
  data: PipelineThreadData,
  parts: PipelineThreadParts,
): Promise<void> {
  const send = (message: FromPipeline, transfer: ArrayBuffer[] = []): void => port.postMessage(message, transfer);
  mkdirSync(data.folder, { recursive: true });
  const registry = parts.openRegistry(data.registryPath, { maxUnclaimed: data.maxUnclaimed });
  const store = parts.connectStore(data.storePort);
  const folder = openStateFolder(data.folder);
  const reader = parts.openJournalReader(data.journalFolder, {
    onDamage: ({ firstSeq, lastSeq }) =>
      send({
        type: 'notice',
        words: `journal records ${firstSeq} to ${lastSeq} are damaged on disk and were left out`,
      }),
  });
  const events = eventKeeper(registry);
  const keepCards = modelCardKeeper<StageCard>(data.cardFolder, (card) => events.model(card));
  const keepTurns = turnKeeper(data.cardFolder, (turn) => events.turn(turn));
  /** What was last said of the reference stations, and of models. */
  let told = '[]';
  let toldModels = '[]';
  /** Cards and events are told beside the way of the readings, which go on without them. */
  const tell = (rows: ObservationColumns): void => {
    try {
      events.rows(rows);
      if (!stage) return;
      keepCards(stage.cards);
      keepTurns(stage.turns);
      const inForce = stage.inForce();
      const models = JSON.stringify(inForce);
      if (models !== toldModels) {
        toldModels = models;
        send({ type: 'models', inForce });
      }
      const verdicts = stage.stationVerdicts();
      const words = JSON.stringify(verdicts);
      if (words === told) return;
      told = words;
      send({ type: 'stations', verdicts });
    } catch (error) {
      send({ type: 'notice', words: `an event or a model's card could not be kept: ${String(error)}` });
    }
  };
  let stage: CalibrationStage | null = null;
  const loop = startLoop({
    reader,
    store,
    createPipeline: () => {
      stage = parts.createStage();
      stage.setDecisions(readDecisions(data.cardFolder));
      return createPipeline({
        registry,
        stage,
        decoderFor: parts.decoderFor,
        decoderForTopic: parts.decoderForTopic,
        formats: parts.decoders.map((d) => d.format),
        maxUnclaimed: data.maxUnclaimed,
      });
    },
    folder,
    ...(data.batchRecords === undefined ? {} : { batchRecords: data.batchRecords }),
    onCommit({ seq, packets, rows, rejects, redelivered, heard, stored, duplicates, conflicts, newest, backlog }) {
      tell(rows);
      send(
        {
          type: 'commit',
          seq,
          packets,
          rows,
          stored,
          duplicates: duplicates + redelivered,
          conflicts,
          rejects: codes(rejects),
          heard,
          newest,
          backlog,
        },
        COLUMN_NAMES.map((name) => rows[name].buffer as ArrayBuffer),
      );
    },
    onProblem: (problem) => send({ type: 'problem', problem }),
    onNotice: (words) => send({ type: 'notice', words }),
    onTrim: (upTo) => send({ type: 'trim', upTo }),
  });

  port.on('message', (message: ToPipeline) => {
    if (message.type === 'stop') void loop.stop().catch(() => undefined);
    else if (message.type === 'decisions') stage?.setDecisions(readDecisions(data.cardFolder));
    else send({ type: 'reply', id: message.id, result: stage?.health(message.thingNum) ?? null });
  });
  send({ type: 'started', seq: loop.seq() });
  try {
    await loop.done;
  } finally {
    folder.close();
    await reader.close();
    registry.close();
    port.close();
  }
}
