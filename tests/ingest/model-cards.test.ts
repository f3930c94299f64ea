import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
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
  expect(readModelCard(folder, 'a1')).toEqual({ id: 'a1', pairs: 3 });
  expect(readModelCard(folder, 'b2')).toEqual({ id: 'b2' });
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
