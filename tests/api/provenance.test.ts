import { afterAll, beforeAll, expect, test } from 'vitest';
import { NOW, columns, world, type World } from './server.ts';
import { reason } from '../../model/flags.ts';

let w: World;
let id: string;
beforeAll(async () => {
  w = await world({
    modelCard: async (model) => (model === 'a0a0' ? { kind: 'own', subject: id, stations: ['epa-zhongshan'], code: '2026-11-22.9' } : null), // prettier-ignore
  });
  const { thing } = w.registry.add(
    { name: 'two channels', sensors: ['PMS5003'], field: 'cf1', licence: 'CC0-1.0' },
    NOW,
  );
  id = thing.id;
  const { num } = thing;
  const model = await w.store.modelNum('a0a0');
  const [then, before] = [NOW - 60_000, NOW - 120_000];
  await w.store.append(
    columns([
      { num, time: then, raw: 31, corrected: 17.2, lo90: 12.1, hi90: 22.4, reasons: reason('fog'), level: 9, model },
      { num, property: 'pm25_b', time: then, raw: 33 },
      { num, property: 'humidity', time: then, raw: 94 },
      { num, property: 'temperature', time: then, raw: -127, flag: 4, reasons: reason('sentinel') },
      { num, time: before, raw: 400, flag: 4, reasons: reason('spatial') },
      {
        num,
        time: before - 60_000,
        raw: 30,
        corrected: 16,
        lo90: 10,
        hi90: 22,
        reasons: reason('imputed'),
        level: 3,
        model,
      },
      { num, property: 'humidity', time: before - 60_000, raw: 100, flag: 3, reasons: reason('saturated') },
    ]),
    [],
    0,
  );
});
afterAll(() => w.close());

test('one value with all that made it: raw field, verdicts in words, model, inputs, references, edition', async () => {
  expect(await w.json(`/api/v1/boxes/${id}/provenance`)).toEqual({
    id,
    property: 'pm25',
    unit: 'ug/m3',
    phenomenonTime: '2026-11-21T11:59:00Z',
    localTime: '2026-11-21T19:59:00+08:00',
    receivedAt: '2026-11-21T11:59:01Z',
    raw: 31,
    rawField: 'cf1',
    secondChannel: 33,
    sensors: ['PMS5003'],
    qc: {
      flag: 1,
      reasons: [{ reason: 'pm25.fog', zh: expect.stringContaining('霧'), en: expect.stringContaining('fog') }],
      version: '2026-11-22.9',
    },
    correctionLevel: 'L5+',
    model: { id: 'a0a0', url: '/api/v1/models/a0a0', kind: 'own' },
    inputs: {
      humidity: { source: 'box', value: 94, flag: 1 },
      temperature: { source: 'none', value: -127, flag: 4 },
      references: ['epa-zhongshan'],
    },
    corrected: 17.2,
    lo90: 12.1,
    hi90: 22.4,
    product: 'live',
    revision: 0,
    issuedAt: '2026-11-21T11:59:01Z',
    licence: 'CC0-1.0',
  });
});

test('a refused value has no model and says why; a time without a reading is 404', async () => {
  expect(await w.json(`/api/v1/boxes/${id}/provenance?time=2026-11-21T11:58:00Z`)).toMatchObject({
    raw: 400,
    corrected: null,
    model: null,
    qc: { flag: 4, reasons: [{ reason: 'pm25.spatial' }], version: null },
    inputs: { humidity: { source: 'none', value: null, flag: null }, references: [] },
  });
  expect((await w.get(`/api/v1/boxes/${id}/provenance?time=2026-11-21T11:56:00Z`)).status).toBe(404);
  expect(await w.json(`/api/v1/boxes/${id}/provenance?property=humidity`)).toMatchObject({ raw: 94, inputs: { humidity: null } }); // prettier-ignore
});

test('says when the boxes around lent their humidity', async () => {
  expect(await w.json(`/api/v1/boxes/${id}/provenance?time=2026-11-21T11:57:00Z`)).toMatchObject({
    inputs: { humidity: { source: 'around', value: 100, flag: 3 }, temperature: { source: 'none', value: null } },
  });
});

test('an edition names the code and the time of its run', async () => {
  const run = { number: 3, product: 'archive' as const, from: NOW - 3_600_000, to: NOW, box: '', thingNum: 0, issuedAt: NOW, code: '2026-11-22.10', learntFrom: 0, values: 1, moved: 1, lost: 0, gained: 0, flags: 0, meanShift: 0, maxShift: 0, sha256: '' }; // prettier-ignore
  const other = await world({
    revisions: {
      list: () => [run],
      changes: () => [],
      editions: () => ({ of: () => ({ product: 'archive', revision: 3 }) }),
    } as never,
  });
  expect(await other.json(`/api/v1/boxes/${other.ids.school}/provenance`)).toMatchObject({
    product: 'archive',
    revision: 3,
    issuedAt: '2026-11-21T12:00:00Z',
    qc: { version: '2026-11-22.10' },
  });
  await other.close();
});
