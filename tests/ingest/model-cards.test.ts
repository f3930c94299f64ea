import { createHash } from 'node:crypto';
import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { CODE_VERSION, nameModel } from '../../calibration/correction/models.ts';
import { modelCardKeeper, readModelCard } from '../../ingest/model-cards.ts';

let folder = '';
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'lamppost-cards-'));
});
afterEach(() => rmSync(folder, { recursive: true }));

it('keeps each card once, as it was, and gives it back', () => {
  const keep = modelCardKeeper(folder);
  keep([{ id: 'a1', pairs: 3 } as { id: string }]);
  keep([{ id: 'a1' }, { id: 'b2' }]);
  expect(readModelCard(folder, 'a1')).toEqual({ id: 'a1', pairs: 3, code: CODE_VERSION });
  expect(readModelCard(folder, 'b2')).toEqual({ id: 'b2', code: CODE_VERSION });
  expect(readdirSync(folder).sort()).toEqual(['a1.json', 'b2.json']);
});

it('tells of a new card once, in the order they were made, also after a restart', () => {
  const told: string[] = [];
  const keeper = () => modelCardKeeper(folder, (card: { id: string }) => told.push(card.id));
  keeper()([{ id: 'a1' }, { id: 'b2' }]);
  keeper()([{ id: 'a1' }, { id: 'b2' }, { id: 'c3' }]);
  expect(told).toEqual(['a1', 'b2', 'c3']);
});

it.each(['../registry', 'A', '', 'x/y', '..'])('"%s" is no card', (id) => {
  modelCardKeeper(folder)([{ id }]);
  expect(readModelCard(folder, id)).toBeNull();
  expect(readdirSync(folder)).toEqual([]);
});

it('anybody can work out the id of a kept card', () => {
  const card = nameModel({ kind: 'pooled', subject: 'PMS5003', madeAt: 3, from: 1, to: 2, pairs: 40, stations: ['b', 'a'], coefficients: { PHT: [5.7, 0.5, -0.08, NaN] }, scale: 2.5, live: {}, validation: null, guards: [] }); // prettier-ignore
  modelCardKeeper(folder)([card]);
  const { id, ...rest } = readModelCard(folder, card.id) as Record<string, unknown>;
  const sorted = (v: unknown): unknown =>
    v !== null && typeof v === 'object' && !Array.isArray(v)
      ? Object.fromEntries(Object.entries(v).toSorted(([a], [b]) => (a < b ? -1 : 1)).map(([k, of]) => [k, sorted(of)])) // prettier-ignore
      : v;
  expect(createHash('sha256').update(JSON.stringify(sorted(rest))).digest('hex').slice(0, 16)).toBe(id); // prettier-ignore
});
