import { afterAll, beforeAll, expect, it } from 'vitest';
import { world, type World } from './server.ts';

let w: World;
beforeAll(async () => {
  w = await world();
});
afterAll(() => w.close());
// oxlint-disable-next-line typescript/no-explicit-any -- read as a harvester would, by name
const get = async (path: string, type: string): Promise<any> => {
  const response = await w.get(path);
  expect([response.status, response.headers.get('content-type')]).toEqual([200, `${type}; charset=utf-8`]);
  return response.json();
};

it('DCAT-AP: a catalogue with a dataset, its distributions and services, at addresses that answer', async () => {
  const c = await get('/catalog.jsonld', 'application/ld+json');
  expect(c['@type']).toBe('dcat:Catalog');
  for (const name of ['dct:title', 'dct:description', 'dct:publisher']) expect(c[name], name).toBeTruthy();
  const [dataset] = c['dcat:dataset'];
  for (const name of [
    'dct:title',
    'dct:description',
    'dcat:theme',
    'dct:spatial',
    'dct:accrualPeriodicity',
    'dcat:distribution',
  ])
    expect(dataset[name], name).toBeTruthy();
  for (const d of dataset['dcat:distribution']) {
    expect(d['dct:license']).toBeTruthy();
    const url = d['dcat:accessURL']['@id'] as string;
    expect(url.startsWith(w.url)).toBe(true);
    // This world has no dumps.
    if (!url.includes('/dumps/')) expect((await fetch(url)).status, url).toBe(200);
  }
  expect(c['dcat:service'].map((s: Record<string, { '@id': string }>) => s['dcat:endpointURL']?.['@id'])).toContain(
    `${w.url}/sta/v1.1`,
  );
  expect((await get('/data.json', 'application/json')).dataset[0].distribution.length).toBeGreaterThan(2);
  expect(await get('/catalog/data-gov-tw.json', 'application/json')).toMatchObject({
    計費方式: '免費',
    編碼格式: 'UTF-8',
  });
});

it('harvesters get fresh raw values that may be passed on, and no others', async () => {
  const { data } = await get('/harvest/waqi.json', 'application/json');
  const ids = data.map((d: { id: string }) => d.id);
  expect(ids).toContain(w.ids.school);
  expect(ids).toContain(w.ids.epa);
  // No licence; flagged and three hours old.
  expect(ids).not.toContain(w.ids.feed);
  expect(ids).not.toContain(w.ids.home);
  expect(data[0]).toMatchObject({
    latitude: 25.0337,
    longitude: 121.5645,
    pollutant: 'pm25',
    unit: 'µg/m³',
    licence: 'CC-BY-4.0',
  });
  const { locations, measurements } = await get('/harvest/openaq.json', 'application/json');
  const sensors = locations.flatMap((l: { systems: { sensors: { sensor_id: string }[] }[] }) =>
    l.systems.flatMap((s) => s.sensors.map((x) => x.sensor_id)),
  );
  expect(sensors).toEqual(measurements.map((m: { sensor_id: string }) => m.sensor_id));
});

it('/data speaks the language of the reader and carries its own description for machines', async () => {
  const page = async (path: string, language = ''): Promise<string> =>
    (await w.get(path, { headers: { 'accept-language': language } })).text();
  expect(await page('/data')).toContain('<html lang="zh-Hant-TW">');
  expect(await page('/data', 'zh-TW,en;q=0.5')).toContain('開放資料');
  expect(await page('/data', 'en-GB,zh;q=0.5')).toContain('<html lang="en">');
  expect(await page('/data?lang=zh-TW', 'en')).toContain('開放資料');
  const html = await page('/data?lang=en');
  const script = /<script type="application\/ld\+json">(.*?)<\/script>/s.exec(html)?.[1] ?? '';
  expect(JSON.parse(script)).toMatchObject({ '@type': 'Dataset', isAccessibleForFree: true });
  for (const tool of ['curl', 'Python', 'R', 'QGIS', 'Excel']) expect(html).toContain(`data-tool="${tool}"`);
});

it('the type of every problem is an address that explains it', async () => {
  const { problems } = (await (await w.get('/problems')).json()) as { problems: { type: string; status: number }[] };
  expect(problems.length).toBeGreaterThan(15);
  for (const p of problems)
    expect(await (await w.get(p.type)).json()).toMatchObject({ type: p.type, status: p.status });
  const failed = (await (await w.get('/api/v1/boxes?limit=x')).json()) as { type: string };
  expect((await w.get(failed.type)).status).toBe(200);
  expect((await w.get('/problems/nothing')).status).toBe(404);
});

it('who publishes, whom to ask, since when, under which terms', async () => {
  const own = await world({ publisher: '臺中市政府環境保護局', contact: 'air@example.org' });
  try {
    const c = await (await own.get('/catalog.jsonld')).json();
    const [dataset] = (c as Record<string, Record<string, unknown>[]>)['dcat:dataset'] ?? [];
    expect(c).toMatchObject({ 'dct:publisher': { 'foaf:name': '臺中市政府環境保護局' } });
    expect(dataset?.['dcat:contactPoint']).toMatchObject({ 'vcard:hasEmail': { '@id': 'mailto:air@example.org' } });
    for (const d of (dataset?.['dcat:distribution'] ?? []) as Record<string, unknown>[])
      expect(JSON.stringify(d['dct:rights'])).toContain('CC-BY-4.0, CC0-1.0, OGDL-Taiwan-1.0');
    const page = await (await own.get('/data?lang=en')).text();
    const about = JSON.parse(/<script type="application\/ld\+json">(.*?)<\/script>/s.exec(page)?.[1] ?? '') as object;
    expect(about).toMatchObject({
      publisher: { name: '臺中市政府環境保護局', contactPoint: { email: 'air@example.org' } },
    });
    expect(await (await own.get('/data.json')).json()).toMatchObject({ dataset: [{ contactPoint: { hasEmail: 'mailto:air@example.org' } }] }); // prettier-ignore
    expect(await (await own.get('/catalog/data-gov-tw.json')).json()).toMatchObject({ 聯絡人: 'air@example.org' });
  } finally {
    await own.close();
  }
});
