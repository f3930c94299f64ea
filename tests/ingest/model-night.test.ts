/** Nights of the live way: packets through the pipeline, events and store; what the API says of models, and which model values name. Data time only. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { createStage } from '../../calibration/create.ts';
import { columnsOf, modelNumbers } from '../../ingest/columns.ts';
import { eventKeeper } from '../../ingest/events.ts';
import { modelCardKeeper, readModelCard } from '../../ingest/model-cards.ts';
import { readTurns, turnKeeper } from '../../ingest/model-decisions.ts';
import { createPipeline } from '../../ingest/pipeline.ts';
import { DAY, HOUR, parseTime } from '../../model/time.ts';
import { world, type World } from '../api/server.ts';
import { random } from '../calibration/small_city.ts';
import { json, parts, record } from './parts.ts';

const START = Date.UTC(2026, 9, 1);
const DAYS = 22;
/** Boxes 0–2 stand beside stations, 3 by itself. */
const BOXES = 4;
const box = (i: number): string => `box-night-${i}`;
const station = (i: number): string => `station-night-${i}`;
const place = (i: number) => ({ lat: 24 + 0.02 * i, lon: 120.6 });

interface Models {
  readonly inForce: readonly { model: string; since: string; shadow: string; shadowSince: string | null }[];
  readonly turns: readonly { turn: string; model: string; before: string; time: string }[];
}

const folder = mkdtempSync(join(tmpdir(), 'lamppost-night-'));
const stage = createStage();
let w: World;
/** By hour: what the API said, and the model behind the value of the box without station. */
const said: { time: number; models: Models; model: string }[] = [];

beforeAll(async () => {
  w = await world({
    modelsInForce: () => stage.inForce(),
    modelTurns: (limit) => readTurns(folder, limit),
    modelCard: async (id) => readModelCard(folder, id),
  });
  const things = Array.from({ length: BOXES }, (_, i) => ({ id: box(i), ...place(i), sensors: ['PMS5003'], exposure: 'outdoor' as const })); // prettier-ignore
  w.registry.addMany([...things, ...[0, 1, 2].map((i) => ({ id: station(i), kind: 'station' as const, ...place(i) }))], START); // prettier-ignore
  const pipeline = createPipeline(parts(w.registry, { stage }));
  const models = modelNumbers(w.store);
  const events = eventKeeper(w.registry);
  const keepCards = modelCardKeeper(folder, (card: (typeof stage.cards)[number]) => events.model(card));
  const keepTurns = turnKeeper(folder, (turn) => events.turn(turn));
  const next = random(7);
  let seq = 0;
  let level = 20;
  for (let h = 0; h < DAYS * 24; h++) {
    const time = START + h * HOUR;
    level = Math.max(4, level + (next() - 0.5) * 6 + 0.04 * (20 - level));
    const humidity = 60 + 20 * Math.sin((2 * Math.PI * h) / 24);
    // Another season's aerosol: boxes show a quarter more of it, and later fits have something to win.
    const shown = h < 16 * 24 ? 1.8 : 2.25;
    const t = new Date(time).toISOString();
    const send = (id: string, values: object) => record(++seq, { receivedAt: time + 60_000, topic: `boxes/${id}/json`, sender: id, client: id, payload: json({ t, ...values }) }); // prettier-ignore
    const airs = Array.from({ length: BOXES }, () => level * (1 + 0.05 * (next() - 0.5)));
    const packets = [
      ...airs.map((air, i) => send(box(i), { pm25: Math.round(10 * shown * air * (1 + 0.1 * i)) / 10, humidity, temperature: 20 })), // prettier-ignore
      ...[0, 1, 2].map((i) => send(station(i), { pm25: Math.round(10 * ((airs[i] as number) + next() - 0.5)) / 10 })),
    ];
    const done = pipeline.process(packets);
    await models.learn(done.readings);
    const rows = columnsOf(done.readings, models);
    await w.store.append(rows, done.rejects, done.seq);
    events.rows(rows);
    keepCards(stage.cards);
    keepTurns(stage.turns);
    const answer = done.readings.find((r) => r.thing === box(3))?.values.find((v) => v.property === 'pm25');
    said.push({ time: time + 60_000, models: await w.json<Models>('/api/v1/models'), model: (answer as { model?: string }).model ?? '' }); // prettier-ignore
  }
});
afterAll(async () => {
  await w.close();
  rmSync(folder, { recursive: true });
});

it('a fit of the night runs a day in the shadow; the values name it from its promotion on, and not before', async () => {
  const promoted = said.at(-1)?.models.turns.filter((t) => t.turn === 'promoted') ?? [];
  expect(promoted.length).toBeGreaterThan(0);
  for (const { model, before, time } of promoted) {
    const at = parseTime(time) as number;
    const trial = said.filter((s) => s.models.inForce[0]?.shadow === model);
    expect(trial.length).toBeGreaterThan(20);
    for (const s of trial) {
      expect(s.models.inForce[0]?.model).toBe(before);
      expect(s.model).not.toBe(model);
    }
    for (const s of said) if (s.time < at) expect(s.model, new Date(s.time).toISOString()).not.toBe(model);
    const after = said.find((s) => s.time >= at && s.time < at + 2 * HOUR);
    expect(after?.models.inForce[0]).toMatchObject({ model });
    expect(after?.model).toBe(model);
    expect(at - (parseTime(trial[0]?.models.inForce[0]?.shadowSince ?? '') as number)).toBeGreaterThanOrEqual(DAY);
    const told = w.registry
      .events({ kind: 'model-promoted', limit: 100 })
      .filter((e) => e.detail.includes(`model ${model} takes over`));
    expect(told.map((e) => e.time)).toEqual([at]);
    expect(await w.json(`/api/v1/models/${model}`)).toMatchObject({ id: model });
  }
});

it('what a fit that was declined would have said is never published', () => {
  const declined = new Set(
    said
      .at(-1)
      ?.models.turns.filter((t) => t.turn === 'declined')
      .map((t) => t.model),
  );
  for (const s of said) expect(declined.has(s.model)).toBe(false);
});
