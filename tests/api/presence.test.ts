import { afterAll, beforeAll, expect, test } from 'vitest';
import { formatTime } from '../../model/time.ts';
import { columns, NOW, world, type World } from './server.ts';

let w: World;
beforeAll(async () => {
  w = await world();
});
afterAll(() => w.close());

const box = () => w.json<{ lastSeen: string | null; lastContact: string | null; connection: string | null }>(`/api/v1/boxes/${w.ids.home}`); // prettier-ignore

test('a heartbeat moves the last contact and not the last reading; online and offline as the box says', async () => {
  const before = await box();
  expect(before).toMatchObject({ lastContact: before.lastSeen, connection: null });
  const num = w.registry.get(w.ids.home)?.num ?? 0;
  w.api.heard(new Map([[num, NOW - 5000]]));
  expect(await box()).toMatchObject({ lastSeen: before.lastSeen, lastContact: formatTime(NOW - 5000) });
  w.api.heard(new Map([[num, NOW - 60_000]]));
  expect(await box()).toMatchObject({ lastContact: formatTime(NOW - 5000) });
  w.api.status(w.ids.home, 'online');
  expect(await box()).toMatchObject({ lastContact: formatTime(NOW), connection: 'online' });
  w.api.status(w.ids.home, 'offline');
  expect(await box()).toMatchObject({ lastContact: formatTime(NOW), connection: 'offline' });
  w.api.status(w.ids.home, '');
  expect(await box()).toMatchObject({ connection: null });
  w.api.status('nobody-here', 'online');
});

test('who follows the box by its id hears of it at once, others do not', async () => {
  const stop = new AbortController();
  const listen = async (query: string, done: (text: string) => boolean): Promise<string> => {
    const response = await w.get(`/api/v1/stream?${query}`, { signal: stop.signal });
    let text = '';
    for await (const chunk of response.body?.pipeThrough(new TextDecoderStream()) ?? []) {
      text += chunk;
      if (done(text)) return text;
    }
    return text;
  };
  const follower = listen(`box=${w.ids.home}`, (text) => text.includes('event: presence'));
  const other = listen(`box=${w.ids.school}`, (text) => text.includes('school-is-online'));
  const metrics = async (): Promise<string> => (await w.get('/metrics')).text();
  while (!(await metrics()).includes('lamppost_stream_clients 2')) await new Promise(setImmediate);
  w.api.status(w.ids.home, 'online');
  const line = (await follower).split('\n').find((l) => l.startsWith('data: ')) ?? '';
  expect(JSON.parse(line.slice(6))).toEqual({ id: w.ids.home, lastContact: formatTime(NOW), connection: 'online' });
  stop.abort();
  await expect(other).rejects.toThrow();
});

test('a clock that was a year ahead: contact, last reading and value go on from when it is right', async () => {
  const year = 365 * 86_400_000;
  const num = w.registry.get(w.ids.home)?.num ?? 0;
  const row = (time: number, received: number, raw: number, property: 'pm25' | 'humidity' = 'pm25') => {
    const rows = columns([{ num, property, time, raw }]);
    rows.resultTime[0] = received;
    w.api.live(rows);
  };
  // One without a time of its own, and one whose clock was right.
  row(NOW + year, NOW + year, 7);
  row(NOW + 1000, NOW + year, 50, 'humidity');
  w.api.heard(new Map([[num, NOW + year]]));
  row(NOW + 2000, NOW + 2000, 8);
  row(NOW + 3000, NOW + 3000, 51, 'humidity');
  w.api.heard(new Map([[num, NOW + 4000]]));
  expect(await box()).toMatchObject({ lastSeen: formatTime(NOW + 3000), lastContact: formatTime(NOW + 4000) });
  const { features } = await w.json<{ features: { properties: { id: string; value: number } }[] }>('/api/v1/latest.geojson?level=raw'); // prettier-ignore
  expect(features.find((f) => f.properties.id === w.ids.home)?.properties.value).toBe(8);
});
