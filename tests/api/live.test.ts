import { connect } from 'node:net';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { feature } from '../../api/schemas.ts';
import { NOW, columns, world, type World } from './server.ts';

let w: World;
let gone: AbortController;
let now = NOW;
beforeEach(async () => {
  now = NOW;
  w = await world({ clock: () => now });
  gone = new AbortController();
});
afterEach(async () => {
  gone.abort();
  await w.close();
});

interface Event {
  event: string;
  id: string;
  data: string;
}

/** An EventSource as the HTML standard parses it, without reconnecting. */
async function listen(query = '', headers: Record<string, string> = {}) {
  const response = await w.get(`/api/v1/stream${query}`, { headers, signal: gone.signal });
  expect(response.status).toBe(200);
  expect(response.headers.get('content-type')).toBe('text/event-stream; charset=utf-8');
  const reader = (response.body as ReadableStream<Uint8Array>).getReader();
  const decoder = new TextDecoder();
  let text = '';
  let lastId = '';
  const next = async (): Promise<Event | null> => {
    for (;;) {
      const end = text.indexOf('\n\n');
      if (end < 0) {
        const { value, done } = await reader.read();
        if (done) return null;
        text += decoder.decode(value, { stream: true });
        continue;
      }
      const block = text.slice(0, end);
      text = text.slice(end + 2);
      let [event, data] = ['message', ''];
      for (const line of block.split('\n')) {
        const [field, value] = [line.slice(0, line.indexOf(':')), line.slice(line.indexOf(':') + 2)];
        if (field === 'id') lastId = value;
        if (field === 'event') event = value;
        if (field === 'data') data += value;
      }
      if (data !== '') return { event, data, id: lastId };
    }
  };
  /** So that a reading published next is live for this client. */
  const joined = async (): Promise<void> => {
    while (!text.includes('\n\n')) text += decoder.decode((await reader.read()).value, { stream: true });
    lastId = /id: (.+)/.exec(text)?.[1] ?? '';
  };
  return { next, joined, lastId: () => lastId, cancel: () => reader.cancel() };
}

const publish = (raw: number, num = 1, property: 'pm25' | 'humidity' = 'pm25'): void => {
  now += 60_000;
  w.api.live(columns([{ num, property, time: now, raw }]));
};

test('a new value comes as the feature of latest.geojson', async () => {
  const s = await listen();
  await s.joined();
  publish(33);
  const event = await s.next();
  expect(event?.event).toBe('observation');
  const sent = feature.parse(JSON.parse(event?.data ?? ''));
  const { features } = await w.json<{ features: unknown[] }>('/api/v1/latest.geojson');
  expect(sent).toEqual(features[0]);
  expect(sent.properties).toMatchObject({ id: w.ids.school, value: 33, property: 'pm25', level: 'raw' });
});

test('what is older than the newest is no news', async () => {
  const s = await listen();
  await s.joined();
  w.api.live(columns([{ num: 1, time: NOW - 3600_000, raw: 1 }]));
  publish(34);
  expect(JSON.parse((await s.next())?.data ?? '').properties.value).toBe(34);
});

test.each([
  ['?property=humidity', [61.5]],
  ['?property=pm25,humidity', [1, 61.5, 3]],
  ['?box={epa}', [3]],
  ['?box={school},{epa}&property=pm25', [1, 3]],
  ['?bbox=121.56,25.03,121.57,25.04', [1, 61.5]],
  ['?level=corrected&property=humidity', [null]],
])('filter %s', async (query, expected) => {
  const s = await listen(query.replace('{epa}', w.ids.epa).replace('{school}', w.ids.school));
  await s.joined();
  publish(1);
  publish(61.5, 1, 'humidity');
  publish(2, w.registry.get(w.ids.home)?.num, 'pm25');
  publish(3, w.registry.get(w.ids.epa)?.num);
  const values: unknown[] = [];
  // The balcony's value (2) is in none of the filters but those that name no box.
  const wanted = query.startsWith('?property=pm25,') ? [1, 61.5, 2, 3] : expected;
  while (values.length < wanted.length) values.push(JSON.parse((await s.next())?.data ?? '').properties.value);
  expect(values).toEqual(wanted);
});

test('a client that comes back gets what it missed, once, in order, by header or parameter', async () => {
  const s = await listen();
  await s.joined();
  publish(1);
  publish(2);
  const first = await s.next();
  await s.cancel();
  publish(3);
  publish(4);
  const byHeader = await listen('', { 'last-event-id': first?.id ?? '' });
  const byParameter = await listen(`?lastEventId=${first?.id}`);
  for (const again of [byHeader, byParameter]) {
    const values: number[] = [];
    for (let i = 0; i < 3; i++) values.push(JSON.parse((await again.next())?.data ?? '').properties.value);
    expect(values).toEqual([2, 3, 4]);
  }
  publish(5);
  for (const again of [byHeader, byParameter]) {
    expect(JSON.parse((await again.next())?.data ?? '').properties.value).toBe(5);
  }
});

test('a client that was sent nothing yet resumes from when it came', async () => {
  const s = await listen('?property=humidity');
  await s.joined();
  const id = s.lastId();
  await s.cancel();
  publish(70, 1, 'humidity');
  const again = await listen('?property=humidity', { 'last-event-id': id });
  expect(JSON.parse((await again.next())?.data ?? '').properties.value).toBe(70);
});

test('after a restart, or when the rows are no longer kept: a gap is named, then the newest of each datastream', async () => {
  const s = await listen();
  await s.joined();
  publish(1);
  const id = (await s.next())?.id ?? '';
  const foreign = id.replace(/^[^.]+/, 'formerrun');
  publish(2);
  publish(3);
  const again = await listen('?property=pm25&box=' + w.ids.school, { 'last-event-id': foreign });
  expect((await again.next())?.event).toBe('gap');
  expect(JSON.parse((await again.next())?.data ?? '').properties.value).toBe(3);
  publish(4);
  expect(JSON.parse((await again.next())?.data ?? '').properties.value).toBe(4);
});

test('an id from when the clock was days ahead: the newest of each datastream, not silence', async () => {
  const ahead = `formerrun.${(NOW + 3 * 86_400_000).toString(36)}.1`;
  const s = await listen('?property=pm25&box=' + w.ids.school, { 'last-event-id': ahead });
  expect((await s.next())?.event).toBe('gap');
  publish(12, w.registry.get(w.ids.home)?.num);
  publish(13);
  expect(JSON.parse((await s.next())?.data ?? '').properties.value).not.toBe(13);
});

test('a short memory: rows that fell out make a gap, not a silent loss', async () => {
  const other = await world({ streamBuffer: 3, clock: () => now });
  const outer = w;
  w = other;
  const s = await listen();
  await s.joined();
  publish(1);
  const id = (await s.next())?.id ?? '';
  for (let i = 2; i <= 9; i++) publish(i);
  const again = await listen('', { 'last-event-id': id });
  expect((await again.next())?.event).toBe('gap');
  gone.abort();
  gone = new AbortController();
  await other.close();
  w = outer;
});

test('places are bounded, and free again when a client leaves', async () => {
  const other = await world({ maxStreams: 1 });
  const first = new AbortController();
  const held = await other.get('/api/v1/stream', { signal: first.signal });
  expect(held.status).toBe(200);
  const second = await other.get('/api/v1/stream');
  expect([second.status, second.headers.get('retry-after')]).toEqual([503, '30']);
  expect(await second.json()).toMatchObject({ type: '/problems/unavailable' });
  first.abort();
  await expect
    .poll(async () => {
      const third = await other.get('/api/v1/stream', { signal: AbortSignal.timeout(1000) });
      await third.body?.cancel();
      return third.status;
    })
    .toBe(200);
  await other.close();
});

test('a client that does not read is let go; the others go on', async () => {
  const lazy = connect(w.api.port, '127.0.0.1');
  lazy.on('error', () => {});
  await new Promise<void>((resolve) => lazy.once('connect', resolve));
  lazy.write('GET /api/v1/stream HTTP/1.1\r\nHost: x\r\n\r\n');
  await new Promise<void>((resolve) => lazy.once('data', () => resolve()));
  lazy.pause();
  const dropped = async (): Promise<number> =>
    Number(/lamppost_stream_dropped_clients (\d+)/.exec(await (await w.get('/metrics')).text())?.[1]);
  const s = await listen('?property=humidity');
  await s.joined();
  // About 400 bytes an event: socket buffers of a few MB and ours of 4 MB fill up.
  for (let round = 0; round < 400 && (await dropped()) === 0; round++) {
    now += 1000;
    w.api.live(columns(Array.from({ length: 200 }, (_, i) => ({ num: 1, time: now + i, raw: i })))); // prettier-ignore
  }
  expect(await dropped()).toBe(1);
  publish(55, 1, 'humidity');
  expect(JSON.parse((await s.next())?.data ?? '').properties.value).toBe(55);
  lazy.destroy();
});
