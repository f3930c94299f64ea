import { expect, test } from 'vitest';
import { datastreamId } from '../../model/datastream.ts';
import { allocateColumns } from '../../store/store.ts';
import { NOW, world } from './server.ts';

const BOXES = 52_000;
interface Answer {
  readonly features: { readonly id: number; readonly properties: { readonly value: number } }[];
}

test('a large network: all of it is streamed, a district comes from the index and is kept, a change is seen', async () => {
  const w = await world({ rateLimit: false });
  try {
    const first = w.registry.lastNum() + 1;
    const place = (i: number): { lat: number; lon: number } => ({ lat: 22 + (i % 260) / 100, lon: 120 + Math.floor(i / 260) / 100 }); // prettier-ignore
    w.registry.addMany(
      (function* () {
        for (let i = 0; i < BOXES; i++) yield place(i);
      })(),
      NOW,
    );
    const rows = allocateColumns(BOXES);
    for (let i = 0; i < BOXES; i++) {
      rows.datastream[i] = datastreamId(first + i, 'temperature');
      rows.phenomenonTime[i] = rows.resultTime[i] = NOW;
      rows.raw[i] = i / 10;
      rows.flag[i] = 1;
    }
    w.api.live(rows);
    const path = '/api/v1/latest.geojson?property=temperature';
    const all = await w.json<Answer>(path);
    expect(all.features.map((f) => f.id)).toEqual(Array.from({ length: BOXES }, (_, i) => first + i));

    const district = `${path}&bbox=120.5,23,120.72,23.3`;
    const inside = all.features.filter((f) => {
      const { lat, lon } = place(f.id - first);
      return lon >= 120.5 && lon <= 120.72 && lat >= 23 && lat <= 23.3;
    });
    expect(inside.length).toBeGreaterThan(600);
    const answer = await w.get(district);
    const etag = answer.headers.get('etag') ?? '';
    expect(((await answer.json()) as Answer).features).toEqual(inside);
    const again = await w.get(district, { headers: { 'if-none-match': etag } });
    expect(again.status).toBe(304);

    const one = allocateColumns(1);
    const num = inside[5]?.id ?? 0;
    one.datastream[0] = datastreamId(num, 'temperature');
    one.phenomenonTime[0] = one.resultTime[0] = NOW + 1000;
    one.raw[0] = -7;
    one.flag[0] = 1;
    w.api.live(one);
    // Kept bytes may be a second old.
    await expect
      .poll(async () => (await w.json<Answer>(district)).features.find((f) => f.id === num)?.properties.value)
      .toBe(-7);
    expect((await w.get(district, { headers: { 'if-none-match': etag } })).status).toBe(200);
  } finally {
    await w.close();
  }
});
