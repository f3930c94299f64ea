/**
 * What operators have decided about models (`lamppost models`), one line each in `decisions.jsonl` beside the cards, for ever: the live stage, the
 * products and every recomputation read the same file and apply a line when their data have come to its time. So a value always says the same.
 * And what happened between models, as the stage tells it, one line each in `turns.jsonl`.
 */
import {
  appendFileSync,
  closeSync,
  existsSync,
  fsyncSync,
  mkdirSync,
  openSync,
  readFileSync,
  writeSync,
} from 'node:fs';
import { join } from 'node:path';
import type { ModelDecision, ModelTurn, PutBackModel } from '../calibration/stage.ts';
import type { EpochMs } from '../model/time.ts';
import { readModelCard } from './model-cards.ts';

/** As written: the model by its id, its card lies beside. */
export interface WrittenDecision {
  readonly number: number;
  /** From when on it holds, in the time of the data. */
  readonly at: EpochMs;
  readonly issuedAt: EpochMs;
  readonly pool: string;
  /** '' = released. */
  readonly model: string;
  readonly hold: boolean;
  /** In the operator's words. */
  readonly why: string;
}

const DECISIONS = 'decisions.jsonl';
const TURNS = 'turns.jsonl';
/** Turns looked back on, to tell none twice after a restart. */
const LOOK_BACK = 5000;

function lines<T>(file: string): T[] {
  if (!existsSync(file)) return [];
  return readFileSync(file, 'utf8')
    .split('\n')
    .flatMap((line) => {
      try {
        return line === '' ? [] : [JSON.parse(line) as T];
      } catch {
        return []; // torn off by a power cut: it was never confirmed
      }
    });
}

/** Oldest first. */
export const writtenDecisions = (folder: string): WrittenDecision[] => lines<WrittenDecision>(join(folder, DECISIONS));

/** The decisions with the models they put back, as the stage takes them. Without its card a model cannot come back, and its line is passed over. */
export function readDecisions(folder: string): ModelDecision[] {
  return writtenDecisions(folder).flatMap(({ number, at, pool, model, hold }) => {
    const card = model === '' ? null : putBackModel(folder, model);
    return model !== '' && !card ? [] : [{ number, at, pool, hold, model: card?.model ?? null }];
  });
}

/** @throws Error that says why this model cannot be put back */
function checked(folder: string, id: string): { pool: string; model: PutBackModel } {
  const found = putBackModel(folder, id);
  if (found) return found;
  const card = readModelCard(folder, id);
  if (!card)
    throw new Error(
      `no card of a model ${id} is kept; \`lamppost models\` lists those in force, /api/v1/events?kind=refit all that were fitted`,
    );
  throw new Error(
    card['kind'] === 'pooled'
      ? `the card of ${id} was written by an earlier version and lacks what is needed to put the model back`
      : `${id} is of kind ${String(card['kind'])}; only pooled models of a type of sensor can be put back`,
  );
}

function putBackModel(folder: string, id: string): { pool: string; model: PutBackModel } | null {
  const card = readModelCard(folder, id) as (PutBackModel & { kind: string; subject: string }) | null;
  if (card?.kind !== 'pooled' || !card.range || !card.without) return null;
  const { coefficients, range, without, zones, between, scale, pairs, stations, guards, from, to } = card;
  const inZones = zones ? { zones, ...(between === undefined ? {} : { between }) } : {};
  const model = { id, coefficients, range, without, ...inZones, scale, pairs, stations, guards, from, to };
  return { pool: card.subject, model };
}

/**
 * Writes a decision down and says it in full. @param model id to put back; '' = hold `pool` no longer
 * @throws Error when there is nothing to decide about
 */
export function decide(
  folder: string,
  { model, pool, at, hold, why }: { model: string; pool: string; at: EpochMs; hold: boolean; why: string },
  now: EpochMs,
): WrittenDecision {
  const subject = model === '' ? pool : checked(folder, model).pool;
  const all = writtenDecisions(folder);
  if (model === '' && !all.some((d) => d.pool === subject && d.hold))
    throw new Error(`no model of "${subject}" is held; \`lamppost models\` lists them`);
  const decision: WrittenDecision = {
    number: (all.at(-1)?.number ?? 0) + 1,
    at,
    issuedAt: now,
    pool: subject,
    model,
    hold,
    why,
  };
  mkdirSync(folder, { recursive: true });
  const file = join(folder, DECISIONS);
  const text = existsSync(file) ? readFileSync(file, 'utf8') : '';
  const fd = openSync(file, 'a');
  try {
    writeSync(fd, `${text === '' || text.endsWith('\n') ? '' : '\n'}${JSON.stringify(decision)}\n`);
    fsyncSync(fd);
  } finally {
    closeSync(fd);
  }
  return decision;
}

const keyOf = ({ time, subject, turn, model }: ModelTurn): string => `${time} ${subject} ${turn} ${model}`;

/** `onNew` hears of each turn once, also over restarts. */
export function turnKeeper(folder: string, onNew: (turn: ModelTurn) => void): (turns: readonly ModelTurn[]) => void {
  const file = join(folder, TURNS);
  const known = new Set(lines<ModelTurn>(file).slice(-LOOK_BACK).map(keyOf));
  let last: ModelTurn | undefined;
  return (turns) => {
    const newest = turns.at(-1);
    if (!newest || newest === last) return;
    last = newest;
    const fresh = turns.filter((t) => !known.has(keyOf(t)));
    if (fresh.length === 0) return;
    for (const t of fresh) known.add(keyOf(t));
    mkdirSync(folder, { recursive: true });
    appendFileSync(file, fresh.map((t) => `${JSON.stringify(t)}\n`).join(''));
    for (const t of fresh) onNew(t);
  };
}

/** Newest first. */
export const readTurns = (folder: string, limit: number): ModelTurn[] =>
  lines<ModelTurn>(join(folder, TURNS)).slice(-limit).reverse();
