/** A query that would take for ever is ended, and nothing else is. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, it } from 'vitest';
import { startSta } from '../../api/sta/host.ts';
import type { StaResponse } from '../../api/sta/service.ts';

const dir = mkdtempSync(join(tmpdir(), 'lamppost-sta-host-'));
const problems: string[] = [];
const host = startSta({
  entry: new URL('../../main.ts', import.meta.url),
  data: {
    role: 'sta',
    databasePath: join(dir, 'sta.db'),
    registryPath: '',
    scratch: true,
    patienceMs: 1500,
  },
  onProblem: (problem) => problems.push(problem),
});
afterAll(async () => {
  await host.close();
  rmSync(dir, { recursive: true, force: true });
});

const ask = (method: string, path: string, query = '', body?: unknown): Promise<StaResponse> =>
  host.handle('http://test/sta/v1.1', {
    method,
    path,
    query,
    contentType: 'application/json',
    body: body === undefined ? '' : JSON.stringify(body),
    mayWrite: true,
  });

it('a query without end is answered 400, this thread stays free, and the next query works', async () => {
  await host.ready;
  const thing = { name: 't', description: '' };
  const datastreams = Array.from({ length: 300 }, (_, i) => ({
    name: `d${i}`,
    description: '',
    observationType: 'x',
    unitOfMeasurement: {},
    Thing: thing,
    ObservedProperty: { name: 'o', definition: 'x', description: '' },
  }));
  const made = await ask('POST', '/Sensors', '', {
    name: 's',
    description: '',
    encodingType: 'text/plain',
    metadata: 'm',
    Datastreams: datastreams,
  });
  expect(made.status, made.body).toBe(201);
  const round = 'Datastreams/Sensor/';
  const hostile = ask(
    'GET',
    '/Sensors',
    `$filter=${encodeURIComponent(`${round.repeat(6)}Datastreams/name eq 'none'`)}`,
  );
  let ticks = 0;
  const timer = setInterval(() => ticks++, 20);
  const response = await hostile;
  clearInterval(timer);
  expect(response.status).toBe(400);
  expect(JSON.parse(response.body).detail).toContain('took longer than 1.5 s');
  // 75 are due, fewer on a busy machine; a held-up thread would have had one.
  expect(ticks).toBeGreaterThan(5);
  const after = await ask('GET', '/Datastreams/$count');
  expect(after).toMatchObject({ status: 200, body: '300' });
  expect(problems).toEqual([]);
});
