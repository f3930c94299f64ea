import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { Aedes } from 'aedes';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { readPortalJson, readRecordedCsv } from '../../firmware-sim/recording.ts';
import { replay } from '../../firmware-sim/replay.ts';

let folder = '';
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'lamppost-replay-'));
});
afterEach(() => rmSync(folder, { recursive: true }));
const file = (name: string, content: string | Buffer): string => {
  const path = join(folder, name);
  writeFileSync(path, content);
  return path;
};

describe('a recorded readings.csv', () => {
  const READINGS = `box,time,pm25,temperature,humidity
A1,2026-01-01T01:00:00Z,12,20.5,100
B/2,2026-01-01T00:00:00Z,-3,,
A1,yesterday,1,2,3
`;
  it('becomes LASS strings in order of time; what cannot be sent is counted', async () => {
    const recording = await readRecordedCsv(
      file('readings.csv.gz', gzipSync(READINGS)),
      file('boxes.csv', 'box,lat,lon,sensor\nA1,24.1,120.6,PMS5003\nB/2,,,\n'),
    );
    expect(recording.boxes).toBe(2);
    expect(recording.left).toEqual(new Map([['time is not RFC 3339', 1]]));
    expect(recording.messages).toEqual([
      {
        time: Date.UTC(2026, 0, 1),
        topic: 'LASS/Test/AirBox/B_2',
        payload:
          '|ver_format=3|FAKE_GPS=1|app=AirBox|ver_app=replay|device_id=B/2|date=2026-01-01|time=00:00:00|s_d0=-3',
      },
      {
        time: Date.UTC(2026, 0, 1, 1),
        topic: 'LASS/Test/AirBox/A1',
        payload:
          '|ver_format=3|FAKE_GPS=1|app=AirBox|ver_app=replay|device_id=A1|date=2026-01-01|time=01:00:00|s_d0=12|s_t0=20.5|s_h0=100|gps_lat=24.1|gps_lon=120.6|gps_fix=1|gps_num=9|gps_alt=2',
      },
    ]);
  });
  it('names the file and the missing column', async () => {
    await expect(readRecordedCsv(file('r.csv', 'box,time\nA,2026-01-01T00:00:00Z\n'))).rejects.toThrow(
      /r\.csv: column "pm25" is missing/,
    );
    await expect(readRecordedCsv(join(folder, 'none.csv'))).rejects.toThrow(/none\.csv/);
  });
});

it('a portal file is sent record by record as it stands', async () => {
  const feeds = [{ device_id: 'X1', timestamp: '2020-05-23T02:00:00Z', s_d0: 3 }, { s_d0: 4 }];
  const recording = await readPortalJson(file('last-all-airbox.json', JSON.stringify({ feeds })));
  expect(recording.messages).toEqual([
    { time: Date.UTC(2020, 4, 23, 2), topic: 'LASS/AirBox/X1', payload: JSON.stringify(feeds[0]) },
  ]);
  expect(recording.left).toEqual(new Map([['no device_id', 1]]));
  await expect(readPortalJson(file('x.json', '{}'))).rejects.toThrow(/no "feeds" array/);
});

describe('over a real broker', () => {
  let server: Server;
  let url = '';
  const got: string[] = [];
  /** As our broker does with a topic that is not open: MQTT 3.1.1 can only close the connection. */
  let open = true;
  beforeEach(async () => {
    got.length = 0;
    open = true;
    const broker = await Aedes.createBroker({
      authorizePublish: (_client, packet, done) => {
        got.push(packet.payload.toString());
        done(open ? null : new Error('not open'));
      },
    });
    server = createServer(broker.handle);
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    url = `mqtt://127.0.0.1:${(server.address() as { port: number }).port}`;
  });
  afterEach(() => new Promise((resolve) => server.close(resolve)));

  const messages = Array.from({ length: 500 }, (_, i) => ({
    time: i * 1000,
    topic: 'LASS/Test/x',
    payload: String(i),
  }));
  const recording = { boxes: 1, messages, left: new Map<string, number>() };

  it('every message is acknowledged once', async () => {
    const sent = await replay({ url, recording, speed: Infinity, signal: new AbortController().signal });
    expect(sent).toBe(500);
    expect(got.map(Number).sort((a, b) => a - b)).toEqual(messages.map((_, i) => i));
  });

  it('keeps the recorded pace: what is not due is not sent', async () => {
    const stop = new AbortController();
    const sent = await replay({
      url,
      recording,
      speed: 1,
      signal: stop.signal,
      // A clock that stands still after the start: only messages due at once may go.
      clock: () => 1000,
      onProgress: () => stop.abort(),
    });
    expect(sent).toBe(1);
    expect(got).toEqual(['0']);
  });

  it('goes on when somebody sets the clock back', async () => {
    let day = Date.now();
    const clock = vi.spyOn(Date, 'now').mockImplementation(() => (day -= 3_600_000));
    try {
      const few = { ...recording, messages: messages.slice(0, 3) };
      expect(await replay({ url, recording: few, speed: 100, signal: new AbortController().signal })).toBe(3);
    } finally {
      clock.mockRestore();
    }
  });

  it('a server that does not let it publish is named, with what to do; it does not try for ever', async () => {
    open = false;
    const signal = new AbortController().signal;
    await expect(replay({ url, recording, speed: Infinity, connections: 2, signal })).rejects.toThrow(
      /closes every connection that publishes on LASS\/Test\/x: open the topic there with LAMPPOST_OPEN_TOPICS='LASS\/#'/,
    );
  });

  it('stops when told, also with messages under way that nobody acknowledges', async () => {
    open = false;
    const stop = new AbortController();
    setTimeout(() => stop.abort(), 100);
    expect(await replay({ url, recording, speed: Infinity, connections: 2, signal: stop.signal })).toBe(0);
  });
});
