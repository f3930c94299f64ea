/** The page without JavaScript, from the real API. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { LatestTable, startApi, type Api } from '../../api/server.ts';
import { datastreamId } from '../../model/datastream.ts';
import { FLAG, reason } from '../../model/flags.ts';
import { openRegistry } from '../../registry/sqlite.ts';
import { MemoryStore } from '../../store/memory.ts';
import { allocateColumns } from '../../store/store.ts';

const NOW = Date.UTC(2026, 10, 21, 8);

describe('the table of values near a place', () => {
  const registry = openRegistry(':memory:');
  let api: Api;

  beforeAll(async () => {
    registry.addMany(
      [
        { name: '<script>alert(1)</script>', lat: 25.04, lon: 121.57 },
        { name: '測站', kind: 'station' as const, lat: 25.05, lon: 121.57 },
        { name: 'far away', lat: 22.6, lon: 120.3 },
      ],
      NOW,
    );
    const store = new MemoryStore();
    const latest = new LatestTable();
    const rows = allocateColumns(3);
    for (let i = 0; i < 3; i++) {
      rows.datastream[i] = datastreamId(i + 1, 'pm25');
      rows.phenomenonTime[i] = NOW - 60_000;
      rows.resultTime[i] = NOW - 60_000;
      rows.raw[i] = 40 + i;
      rows.flag[i] = FLAG.good;
    }
    rows.corrected[0] = 21.3;
    rows.lo90[0] = 15;
    rows.hi90[0] = 28.1;
    rows.flag[0] = FLAG.suspect;
    rows.reasons[0] = reason('spatial');
    latest.apply(rows);
    api = await startApi({ registry, store, latest, accept: async () => undefined, port: 0, clock: () => NOW });
  });
  afterAll(async () => {
    await api.close();
    registry.close();
  });
  const page = async (query: string): Promise<string> => (await fetch(`${api.url}/table${query}`)).text();

  it('lists boxes corrected and stations by their own value, nearest first, with their doubts in words', async () => {
    const html = await page('?lat=25.038&lon=121.564&lang=en');
    expect(html).toContain('>21.3<');
    expect(html).toContain('15–28.1');
    expect(html).toContain('>41<');
    expect(html).toContain('does not fit the boxes around it');
    expect(html.indexOf('21.3')).toBeLessThan(html.indexOf('>41<'));
    expect(html).not.toContain('far away');
  });

  it('shows markup in names as text and runs no script', async () => {
    const html = await page('');
    expect(html).toContain('&#60;script&#62;');
    expect(html).not.toContain('<script');
  });

  it('speaks Chinese by default, and answers nonsense with a sensible page', async () => {
    expect(await page('')).toContain('與周圍測點明顯不符');
    for (const query of ['?lat=abc&lon=999&property=%22%3E&lang=xx', '?lat=NaN', '?zzz=1'])
      expect(await page(query), query).toContain('臺北市');
    expect(await page('?lat=23&lon=119&lang=en')).toContain('No reading near here');
  });
});
