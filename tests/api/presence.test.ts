import { afterAll, beforeAll, expect, test } from 'vitest';
import { formatTime } from '../../model/time.ts';
import { NOW, world, type World } from './server.ts';

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
