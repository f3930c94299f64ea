import { afterAll, beforeAll, expect, it } from 'vitest';
import type { BoxHealth } from '../../calibration/stage.ts';
import { qualityWords } from '../../api/routes/quality.ts';
import { world, type World } from './server.ts';

const judged: BoxHealth = {
  score: 61.4,
  flaggedShare: 0.25,
  completeness: 0.5,
  correlation: 0.9,
  attenuation: 0.3,
  siteClass: 'indoor',
  scaleFactor: null,
  driftSuspected: true,
  drifting: true,
  driftLog: -0.4,
  follows: 1,
};

let w: World;
let school = 0;
beforeAll(async () => {
  w = await world({
    quality: async (num) => (num === school ? judged : null),
    stationVerdicts: () => [{ station: w.ids.epa, excludedFor: ['plantower'], stuck: false, clockMs: -5 * 3_600_000 }],
  });
  school = w.registry.get(w.ids.school)?.num ?? -1;
});
afterAll(() => w.close());

it('says how well a box does, in numbers and in words of both languages', async () => {
  const { follows: _, ...shown } = judged;
  expect(await w.json(`/api/v1/boxes/${w.ids.school}/quality`)).toEqual({
    id: w.ids.school,
    ...shown,
    words: {
      zh: '健康度 61（滿分 100）；近一週 25 % 的讀數被標記；近一週只收到 50 % 的讀數；與鄰近測點的差距逐漸變大（近一週各時段也證實）；看來裝在室內。',
      en: "Health 61 of 100; 25 % of last week's readings were flagged; only 50 % of last week's readings arrived; it drifts away from its neighbours, and all hours of the last week confirm it; it seems to hang indoors.",
    },
  });
});

it('a box that no night has judged, and one that is none, are told apart by their words', async () => {
  const unjudged = await w.get(`/api/v1/boxes/${w.ids.home}/quality`);
  expect(unjudged.status).toBe(404);
  expect(((await unjudged.json()) as { detail: string }).detail).toContain('No night has judged');
  const none = await w.get('/api/v1/boxes/nobody-there/quality');
  expect(((await none.json()) as { detail: string }).detail).toContain('has this id');
});

it('says of a reference station whether it is believed', async () => {
  expect(await w.json(`/api/v1/stations/${w.ids.epa}/quality`)).toEqual({
    id: w.ids.epa,
    used: false,
    excludedFor: ['plantower'],
    stuck: false,
    clockOffsetSeconds: -18_000,
    words: {
      zh: '與其他測站不符，校正 plantower 時不採用；時鐘差 5 小時，已修正。',
      en: 'it does not fit the other stations and is left out for plantower; its clock is off by 5 h and was put right.',
    },
  });
  expect((await w.get(`/api/v1/stations/${w.ids.school}/quality`)).status).toBe(404);
});

it('tells of all judged boxes of an area at once; stations and boxes that no night has judged are left out', async () => {
  const { follows: _, ...shown } = judged;
  const { items } = await w.json<{ items: { id: string }[] }>('/api/v1/quality?bbox=118,21,123,26');
  expect(items.map((i) => i.id)).toEqual([w.ids.school]);
  expect(items[0]).toMatchObject({ ...shown, words: { en: expect.stringContaining('Health 61 of 100') as string } });
  expect(await w.json('/api/v1/quality?bbox=0,0,1,1')).toEqual({ items: [], next: null });
  for (const query of ['', '?bbox=here', '?bbox=1,2,3'])
    expect((await w.get(`/api/v1/quality${query}`)).status, query).toBe(400);
});

it('says when only the nights suspect a drift', () => {
  const { zh, en } = qualityWords({ ...judged, drifting: false });
  expect(zh).toContain('尚未證實');
  expect(en).toContain('do not confirm so far');
});
