import { expect, it } from 'vitest';
import { createStage } from '../../calibration/create.ts';
import { columnsOf, modelNumbers } from '../../ingest/columns.ts';
import { recompute } from '../../ingest/recompute.ts';
import { HOUR, MINUTE } from '../../model/time.ts';
import { rowAt } from '../../store/columns.ts';
import { MemoryStore } from '../../store/memory.ts';
import { bench, json, NOON } from './parts.ts';

async function stored() {
  const { registry, send } = bench();
  const store = new MemoryStore();
  const models = modelNumbers(store);
  for (let n = 0; n < 30; n++) {
    const id = n % 2 ? 'box-one-1' : 'box-two-2';
    const t = NOON + n * MINUTE;
    const payload = json({ t: new Date(t).toISOString(), pm25: 20 + (n % 5), humidity: 60, temperature: 24 });
    const batch = send({ topic: `boxes/${id}/json`, sender: id, receivedAt: t + 500, payload });
    await models.learn(batch.readings);
    await store.append(columnsOf(batch.readings, models), batch.rejects, batch.seq);
  }
  return { registry, store };
}

async function rows(store: MemoryStore) {
  const found = [];
  for await (const block of store.scan(0, Infinity)) for (let i = 0; i < block.length; i++) found.push(rowAt(block, i));
  return found;
}

it('puts back what QC and correction say, and leaves raw values and times alone', async () => {
  const { registry, store } = await stored();
  const before = await rows(store);
  expect(before.filter((r) => !Number.isNaN(r.corrected)).length).toBeGreaterThan(20);
  for await (const block of store.scan(0, Infinity)) {
    await store.rewrite({ ...block, corrected: block.corrected.map(() => NaN), flag: block.flag.map(() => 4) });
  }
  const options = { store, registry, createStage, from: NOON, to: NOON + HOUR, box: '' };
  expect(await recompute(options)).toMatchObject({ readings: 30, changed: 90 });
  const once = await rows(store);
  expect(once.map((r) => [r.datastream, r.phenomenonTime, r.resultTime, r.raw, r.corrected, r.model])).toEqual(
    before.map((r) => [r.datastream, r.phenomenonTime, r.resultTime, r.raw, r.corrected, r.model]),
  );
  await recompute(options);
  expect(await rows(store)).toEqual(once);
});

it('writes only the box that is named, inside the span', async () => {
  const { registry, store } = await stored();
  const span = { from: NOON + 10 * MINUTE, to: NOON + 20 * MINUTE };
  const done = await recompute({ store, registry, createStage, ...span, box: 'box-one-1' });
  expect(done.changed).toBe(15);
  await expect(recompute({ store, registry, createStage, ...span, box: 'nobody-1' })).rejects.toThrow(/nobody-1/);
});
