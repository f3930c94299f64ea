import { appendFileSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import type { ModelTurn } from '../../calibration/stage.ts';
import { modelCardKeeper } from '../../ingest/model-cards.ts';
import { decide, readDecisions, readTurns, turnKeeper, writtenDecisions } from '../../ingest/model-decisions.ts';

let folder = '';
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'lamppost-decisions-'));
  modelCardKeeper(folder)([
    { id: 'a1', kind: 'pooled', subject: 'plantower', coefficients: { P: [1, 0.5] }, range: { xMax: 90, yMax: 80, rh: [20, 95], temp: [0, 40] }, without: {}, scale: 3, pairs: 900, stations: ['s1'], guards: [], from: 0, to: 9e8 } as { id: string }, // prettier-ignore
    { id: 'old', kind: 'pooled', subject: 'plantower', coefficients: {} } as { id: string },
    { id: 'own1', kind: 'own', subject: 'box-1' } as { id: string },
  ]);
});
afterEach(() => rmSync(folder, { recursive: true }));

const back = { model: 'a1', pool: '', at: 500, hold: true, why: 'smoke' };

it('writes a decision down and gives it to the stage with its model', () => {
  expect(decide(folder, back, 600)).toEqual({ number: 1, at: 500, issuedAt: 600, pool: 'plantower', model: 'a1', hold: true, why: 'smoke' }); // prettier-ignore
  expect(readDecisions(folder)).toMatchObject([{ number: 1, at: 500, pool: 'plantower', hold: true, model: { id: 'a1', coefficients: { P: [1, 0.5] } } }]); // prettier-ignore
  decide(folder, { model: '', pool: 'plantower', at: 700, hold: false, why: '' }, 700);
  expect(readDecisions(folder).at(-1)).toEqual({ number: 2, at: 700, pool: 'plantower', hold: false, model: null });
});

it.each([
  ['nothing', /no card/],
  ['old', /earlier version/],
  ['own1', /kind own/],
  ['../registry', /no card/],
])('refuses to put "%s" back', (model, words) => {
  expect(() => decide(folder, { ...back, model }, 600)).toThrow(words);
  expect(writtenDecisions(folder)).toEqual([]);
});

it('refuses to release what nobody holds', () => {
  expect(() => decide(folder, { model: '', pool: 'plantower', at: 1, hold: false, why: '' }, 1)).toThrow(/no model of/);
});

it('goes on behind a line that a power cut tore off', () => {
  decide(folder, back, 600);
  appendFileSync(join(folder, 'decisions.jsonl'), '{"number":2,"at"');
  expect(decide(folder, back, 800).number).toBe(2);
  expect(writtenDecisions(folder).map((d) => d.number)).toEqual([1, 2]);
});

it('tells each turn once, also after a restart and from a state that is older', () => {
  const told: string[] = [];
  const turn = (time: number, model: string): ModelTurn => ({ time, subject: 'plantower', turn: 'shadow', model, before: '', pairs: 0, force: null, other: null }); // prettier-ignore
  const keeper = () => turnKeeper(folder, (t) => told.push(t.model));
  const first = keeper();
  first([turn(1, 'a')]);
  first([turn(1, 'a'), turn(2, 'b')]);
  keeper()([turn(1, 'a'), turn(2, 'b'), turn(3, 'c')]);
  expect(told).toEqual(['a', 'b', 'c']);
  expect(readTurns(folder, 2).map((t) => t.model)).toEqual(['c', 'b']);
});
