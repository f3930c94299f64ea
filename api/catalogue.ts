/**
 * What this server offers, for catalogues and for harvesters: DCAT-AP 3 (`/catalog.jsonld`), DCAT-US (`/data.json`), the
 * fields of data.gov.tw, and one address each from which WAQI and OpenAQ can take current values.
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { propertyOf, thingNumOf } from '../model/datastream.ts';
import { property, PROPERTIES, PROPERTY_SLOTS, roundTo } from '../model/properties.ts';
import { formatTime, HOUR, SECOND } from '../model/time.ts';
import { licence, LICENCES } from '../registry/licences.ts';
import { publicPlace } from '../registry/place.ts';
import type { Thing } from '../registry/registry.ts';
import type { BulkStore } from '../store/store.ts';
import type { App, Context } from './context.ts';

const TITLE = 'Lamppost: air quality of community sensor boxes';
const TITLE_ZH = '街燈:社區感測盒空氣品質';
const DESCRIPTION =
  'Raw and corrected readings (PM2.5, PM10, temperature, humidity, gases, noise) of community sensor boxes and reference stations, with quality flags, reasons and 90 % intervals.';
const DESCRIPTION_ZH =
  '社區感測盒與標準測站的原始值與校正值(PM2.5、PM10、溫度、濕度、氣體、噪音),附品質旗標、原因與 90 % 區間。';
const KEYWORDS = ['air quality', 'PM2.5', 'sensor', 'citizen science', '空氣品質', '細懸浮微粒', '感測器'];

/** Longest age of a value that is handed to harvesters [ms]. */
const FRESH = 3 * HOUR;
const MAX_HARVESTED = 50_000;
const MINUTES = 60_000;

const CONTEXT = {
  dcat: 'http://www.w3.org/ns/dcat#',
  dct: 'http://purl.org/dc/terms/',
  foaf: 'http://xmlns.com/foaf/0.1/',
  dcatap: 'http://data.europa.eu/r5r/',
  xsd: 'http://www.w3.org/2001/XMLSchema#',
  gsp: 'http://www.opengis.net/ont/geosparql#',
  vcard: 'http://www.w3.org/2006/vcard/ns#',
  rdfs: 'http://www.w3.org/2000/01/rdf-schema#',
};
const iri = (id: string): { '@id': string } => ({ '@id': id });
const said = (zh: string, en: string): object[] => [
  { '@language': 'zh-Hant-TW', '@value': zh },
  { '@language': 'en', '@value': en },
];
const FILE_TYPE = 'http://publications.europa.eu/resource/authority/file-type';
const FREQUENCY = 'http://publications.europa.eu/resource/authority/frequency';

interface Way {
  readonly id: string;
  readonly title: readonly [zh: string, en: string];
  readonly path: string;
  readonly mediaType: string;
  readonly fileType: string;
  /** The path is the data itself, not a page or list that leads to them. */
  readonly isFile: boolean;
}

const WAYS: readonly Way[] = [
  { id: 'latest-geojson', title: ['現在的值', 'Values now'], path: '/api/v1/latest.geojson?property=pm25&level=corrected', mediaType: 'application/geo+json', fileType: 'GEOJSON', isFile: true },
  { id: 'daily-csv', title: ['每日 CSV', 'Daily CSV'], path: '/dumps/manifest.json', mediaType: 'text/csv', fileType: 'CSV', isFile: false },
  { id: 'daily-parquet', title: ['每日 Parquet', 'Daily Parquet'], path: '/dumps/manifest.json', mediaType: 'application/vnd.apache.parquet', fileType: 'PARQUET', isFile: false },
  { id: 'boxes', title: ['感測盒與測站', 'Boxes and stations'], path: '/dumps/boxes.geojson', mediaType: 'application/geo+json', fileType: 'GEOJSON', isFile: true },
  { id: 'boxes-geoparquet', title: ['感測盒與測站(GeoParquet)', 'Boxes and stations (GeoParquet)'], path: '/dumps/boxes.parquet', mediaType: 'application/vnd.apache.parquet', fileType: 'PARQUET', isFile: true },
]; // prettier-ignore

const SERVICES: readonly { id: string; title: string; path: string; description: string; conformsTo: string }[] = [
  { id: 'sensorthings', title: 'OGC SensorThings API 1.1', path: '/sta/v1.1', description: '/sta/v1.1', conformsTo: 'http://www.opengis.net/spec/iot_sensing/1.1' },
  { id: 'rest', title: 'REST', path: '/api/v1', description: '/api/openapi.json', conformsTo: 'https://spec.openapis.org/oas/v3.1.0' },
]; // prettier-ignore

/** All Things, without holding up whoever else is waiting. */
async function* things(context: Context): AsyncGenerator<Thing> {
  let after = 0;
  for (;;) {
    const page = context.registry.list({ after, limit: 500 });
    yield* page;
    if (page.length < 500) return;
    after = page.at(-1)?.num ?? after;
    await new Promise((resolve) => setImmediate(resolve));
  }
}

/** Made once in `ms`, however often it is asked for. */
function once<T>(context: Context, ms: number, make: () => Promise<T>): () => Promise<T> {
  let made: Promise<T> | null = null;
  let at = 0;
  return () => {
    if (!made || context.elapsed() - at > ms) {
      at = context.elapsed();
      made = make();
      made.catch(() => (made = null));
    }
    return made;
  };
}

/** West, south, east and north of what is shown; Taiwan while there is nothing. */
type Extent = readonly [number, number, number, number];

/** What a catalogue says of all boxes together. */
interface Reach {
  readonly extent: Extent;
  /** Licences that occur. */
  readonly licences: readonly string[];
  /** UTC day of the oldest bulk file; '' = there is none yet. */
  readonly since: string;
}

async function reachOf(context: Context): Promise<Reach> {
  let box: Extent | null = null;
  const licences = new Set<string>();
  for await (const thing of things(context)) {
    if (thing.licence !== '') licences.add(thing.licence);
    const p = publicPlace(thing);
    if (!p) continue;
    box = box
      ? [Math.min(box[0], p.lon), Math.min(box[1], p.lat), Math.max(box[2], p.lon), Math.max(box[3], p.lat)]
      : [p.lon, p.lat, p.lon, p.lat];
  }
  return { extent: box ?? [119, 21.5, 122.5, 26.5], licences: [...licences].sort(), since: firstDay(context) };
}

function firstDay(context: Context): string {
  try {
    const text = readFileSync(join(context.options.dumps ?? '', 'manifest.json'), 'utf8');
    const { files } = JSON.parse(text) as { files: { day: string }[] };
    return files.reduce((first, { day }) => (first === '' || day < first ? day : first), '');
  } catch {
    return '';
  }
}

/** One licence when all boxes share it; else the list of them, since each row names its own. */
const licenceUrl = (base: string, { licences }: Reach): string =>
  (licences.length === 1 && licence(licences[0] as string)?.url) || `${base}/api/v1/licences`;
const rightsOf = ({ licences }: Reach): readonly [zh: string, en: string] => [
  `每個感測盒有自己的授權,寫在每一筆資料中(licence、attribution);目前出現的授權:${licences.join('、') || '尚無'}`,
  `Each box carries its own licence, repeated with every value (licence, attribution). Licences that occur: ${licences.join(', ') || 'none yet'}.`,
];
const publisherOf = (context: Context): string => context.options.publisher || 'Lamppost';
/** A contact as an address: `mailto:` for e-mail. */
function contactOf(context: Context, base: string): string {
  const contact = context.options.contact ?? '';
  if (contact === '') return `${base}/data`;
  return contact.includes('://') ? contact : `mailto:${contact}`;
}

/** DCAT-AP 3.0. */
function catalogue(context: Context, base: string, reach: Reach): object {
  const publisher = {
    '@id': `${base}/#publisher`,
    '@type': 'foaf:Agent',
    'foaf:name': publisherOf(context),
    'foaf:homepage': iri(base),
  };
  const contact = contactOf(context, base);
  const contactPoint = {
    '@id': `${base}/data#contact`,
    '@type': 'vcard:Organization',
    'vcard:fn': publisherOf(context),
    ...(contact.startsWith('mailto:') ? { 'vcard:hasEmail': iri(contact) } : { 'vcard:hasURL': iri(contact) }),
  };
  const rights = { '@type': 'dct:RightsStatement', 'rdfs:label': said(...rightsOf(reach)) };
  const terms = { '@id': licenceUrl(base, reach), '@type': 'dct:LicenseDocument' };
  const languages = ['ZHO', 'ENG'].map((l) => iri(`http://publications.europa.eu/resource/authority/language/${l}`));
  const dataset = `${base}/data#observations`;
  return {
    '@context': CONTEXT,
    '@id': `${base}/catalog.jsonld`,
    '@type': 'dcat:Catalog',
    'dct:title': said(TITLE_ZH, TITLE),
    'dct:description': said(DESCRIPTION_ZH, DESCRIPTION),
    'dct:publisher': publisher,
    'dct:language': languages,
    'dct:license': terms,
    'foaf:homepage': iri(`${base}/data`),
    'dct:modified': { '@type': 'xsd:dateTime', '@value': formatTime(context.clock()) },
    'dcat:dataset': [
      {
        '@id': dataset,
        '@type': 'dcat:Dataset',
        'dct:identifier': dataset,
        'dct:title': said(TITLE_ZH, TITLE),
        'dct:description': said(DESCRIPTION_ZH, DESCRIPTION),
        'dct:publisher': iri(publisher['@id']),
        'dcat:contactPoint': contactPoint,
        'dct:language': languages,
        'dcat:theme': [iri('http://publications.europa.eu/resource/authority/data-theme/ENVI')],
        'dcat:keyword': KEYWORDS,
        'dct:accrualPeriodicity': iri(`${FREQUENCY}/CONT`),
        'dct:spatial': {
          '@type': 'dct:Location',
          'dcat:bbox': { '@type': 'gsp:wktLiteral', '@value': wktBox(reach.extent) },
        },
        ...(reach.since === ''
          ? {}
          : {
              'dct:temporal': {
                '@type': 'dct:PeriodOfTime',
                'dcat:startDate': { '@type': 'xsd:date', '@value': reach.since },
              },
            }),
        'dcat:temporalResolution': { '@type': 'xsd:duration', '@value': 'PT1M' },
        'dct:accessRights': iri('http://publications.europa.eu/resource/authority/access-right/PUBLIC'),
        'dcat:landingPage': iri(`${base}/data`),
        'dct:conformsTo': iri('http://www.opengis.net/spec/iot_sensing/1.1'),
        'dcat:distribution': WAYS.map((way) => ({
          '@id': `${base}/data#${way.id}`,
          '@type': 'dcat:Distribution',
          'dct:title': said(...way.title),
          'dcat:accessURL': iri(base + way.path),
          ...(way.isFile ? { 'dcat:downloadURL': iri(base + way.path) } : {}),
          'dcat:mediaType': iri(`http://www.iana.org/assignments/media-types/${way.mediaType}`),
          'dct:format': iri(`${FILE_TYPE}/${way.fileType}`),
          'dct:license': iri(terms['@id']),
          'dct:rights': rights,
          'dct:language': languages,
          'dcatap:availability': iri('http://publications.europa.eu/resource/authority/planned-availability/STABLE'),
        })),
      },
    ],
    'dcat:service': SERVICES.map((s) => ({
      '@id': `${base}/data#${s.id}`,
      '@type': 'dcat:DataService',
      'dct:title': s.title,
      'dcat:endpointURL': iri(base + s.path),
      'dcat:endpointDescription': iri(base + s.description),
      'dct:conformsTo': iri(s.conformsTo),
      'dcat:servesDataset': iri(dataset),
      'dcat:contactPoint': iri(contactPoint['@id']),
      'dct:publisher': iri(publisher['@id']),
      'dct:license': iri(terms['@id']),
      'dct:rights': rights,
      'dct:accessRights': iri('http://publications.europa.eu/resource/authority/access-right/PUBLIC'),
      'foaf:page': iri(`${base}/api/docs`),
    })),
  };
}

const wktBox = ([w, s, e, n]: Extent): string => `POLYGON((${w} ${s},${e} ${s},${e} ${n},${w} ${n},${w} ${s}))`;

/** schema.org Dataset, for search engines. */
export function observationDataset(context: Context, base: string, today: string, reach: Reach): object {
  const [w, s, e, n] = reach.extent;
  const contact = contactOf(context, base);
  return {
    '@context': 'https://schema.org',
    '@type': 'Dataset',
    '@id': `${base}/data#observations`,
    name: TITLE,
    alternateName: TITLE_ZH,
    description: `${DESCRIPTION} ${DESCRIPTION_ZH}`,
    url: `${base}/data`,
    keywords: KEYWORDS,
    isAccessibleForFree: true,
    license: licenceUrl(base, reach),
    creator: { '@type': 'Organization', name: publisherOf(context), url: base },
    publisher: {
      '@type': 'Organization',
      name: publisherOf(context),
      url: base,
      contactPoint: {
        '@type': 'ContactPoint',
        contactType: 'customer support',
        ...(contact.startsWith('mailto:') ? { email: contact.slice(7) } : { url: contact }),
      },
    },
    inLanguage: ['zh-Hant-TW', 'en'],
    conditionsOfAccess: rightsOf(reach)[1],
    dateModified: today,
    ...(reach.since === '' ? {} : { temporalCoverage: `${reach.since}/..` }),
    spatialCoverage: { '@type': 'Place', geo: { '@type': 'GeoShape', box: `${s} ${w} ${n} ${e}` } },
    variableMeasured: PROPERTIES.map((p) => ({
      '@type': 'PropertyValue',
      name: p.key,
      description: p.name.en,
      unitText: p.unit,
    })),
    includedInDataCatalog: { '@type': 'DataCatalog', url: `${base}/catalog.jsonld` },
    distribution: WAYS.map((way) => ({
      '@type': 'DataDownload',
      name: way.title[1],
      license: licenceUrl(base, reach),
      encodingFormat: way.mediaType,
      contentUrl: base + way.path,
    })),
  };
}

/** DCAT-US 1.1 (project open data), which many portals harvest. */
function dataJson(context: Context, base: string, reach: Reach): object {
  const contact = contactOf(context, base);
  return {
    '@context': 'https://project-open-data.cio.gov/v1.1/schema/catalog.jsonld',
    '@type': 'dcat:Catalog',
    conformsTo: 'https://project-open-data.cio.gov/v1.1/schema',
    describedBy: 'https://project-open-data.cio.gov/v1.1/schema/catalog.json',
    dataset: [
      {
        '@type': 'dcat:Dataset',
        identifier: `${base}/data#observations`,
        title: TITLE,
        description: DESCRIPTION,
        keyword: KEYWORDS,
        modified: 'R/PT1M',
        accrualPeriodicity: 'R/PT1M',
        accessLevel: 'public',
        publisher: { '@type': 'org:Organization', name: publisherOf(context) },
        contactPoint: {
          '@type': 'vcard:Contact',
          fn: publisherOf(context),
          ...(contact.startsWith('mailto:') ? { hasEmail: contact } : { hasURL: contact }),
        },
        landingPage: `${base}/data`,
        license: licenceUrl(base, reach),
        rights: rightsOf(reach)[1],
        spatial: reach.extent.join(','),
        ...(reach.since === '' ? {} : { temporal: `R/${reach.since}/P1D` }),
        distribution: WAYS.map((way) => ({
          '@type': 'dcat:Distribution',
          title: way.title[1],
          mediaType: way.mediaType,
          [way.isFile ? 'downloadURL' : 'accessURL']: base + way.path,
        })),
      },
    ],
  };
}

/** The fields in which data.gov.tw describes a dataset. */
function govTw(context: Context, base: string): object {
  return {
    資料集名稱: TITLE_ZH,
    資料集識別碼: `${base}/data#observations`,
    資料集描述: DESCRIPTION_ZH,
    主要欄位說明:
      'box(感測盒代號)、property(測項)、unit(單位)、phenomenonTime(量測時間)、resultTime(接收時間)、raw(原始值)、corrected(校正值)、lo90(區間下限)、hi90(區間上限)、flag(品質旗標)、reasons(原因)、correctionLevel(校正方式)、model(模型)、licence(授權)、attribution(姓名標示)、product(版本:live 即時、revised 修訂、archive 典藏)、revision(修訂編號)',
    提供機關: context.options.publisher ?? 'Lamppost 街燈',
    聯絡人: contactOf(context, base).replace(/^mailto:/, ''),
    更新頻率: '不定期更新(即時);整批檔案每日',
    授權方式: LICENCES.filter((l) => l.offered).map((l) => l.id),
    授權說明網址: `${base}/api/v1/licences`,
    計費方式: '免費',
    編碼格式: 'UTF-8',
    詮釋資料更新時間: formatTime(context.clock()),
    服務分類: '生活安全及品質',
    關鍵字: KEYWORDS,
    資料資源: WAYS.map((way) => ({
      資料資源描述: way.title[0],
      檔案格式: way.fileType,
      編碼格式: 'UTF-8',
      [way.isFile ? '資料下載網址' : '資料介接網址']: base + way.path,
    })),
  };
}

interface Current {
  readonly thing: number;
  readonly id: string;
  readonly name: string;
  readonly lat: number;
  readonly lon: number;
  readonly kind: string;
  readonly licence: string;
  readonly attribution: string;
  readonly values: {
    readonly property: string;
    readonly unit: string;
    readonly value: number;
    readonly time: string;
  }[];
}

const HARVESTED = ['pm1', 'pm25', 'pm10', 'no2', 'o3', 'co', 'so2', 'temperature', 'humidity'] as const;

/** Raw outdoor values that quality control does not doubt, not older than three hours, with a licence that allows passing on. */
async function current(context: Context): Promise<Current[]> {
  const since = context.clock() - FRESH;
  const out: Current[] = [];
  for await (const t of things(context)) {
    if (out.length >= MAX_HARVESTED) break;
    const place = publicPlace(t);
    if (!place || t.exposure === 'indoor' || t.licence === '') continue;
    const values = HARVESTED.flatMap((key) => {
      const p = property(key);
      const column = context.latest.column(p.num);
      const slot = context.latest.slot(p.num, t.num);
      if (!column || slot < 0) return [];
      const [time, value, flag] = [
        column.time[slot] as number,
        column.raw[slot] as number,
        column.flag[slot] as number,
      ];
      return time < since || flag > 2 || Number.isNaN(value)
        ? []
        : [{ property: key, unit: p.unitLabel, value, time: formatTime(time) }];
    });
    if (values.length === 0) continue;
    const { num, id, name, kind, licence, attribution } = t;
    out.push({ thing: num, id, name: name || id, lat: place.lat, lon: place.lon, kind, licence, attribution, values });
  }
  return out;
}

/** One flat list: station, place, pollutant, unit, time, value. */
const waqi = (list: readonly Current[]): object => ({
  source: { name: 'Lamppost', level: 'raw' },
  data: list.flatMap((c) =>
    c.values.map((v) => ({
      id: c.id,
      name: c.name,
      latitude: c.lat,
      longitude: c.lon,
      pollutant: v.property,
      unit: v.unit,
      time: v.time,
      value: v.value,
      licence: c.licence,
      attribution: c.attribution || c.name,
    })),
  ),
});

interface HourMean extends Omit<Current, 'values'> {
  readonly values: (Current['values'][number] & { readonly count: number })[];
}

interface HarvestedHour {
  readonly from: number;
  readonly to: number;
  readonly list: readonly HourMean[];
}

/** null where the store cannot be asked for means of many boxes. Raw means of the last full hour of outdoor boxes with a licence, of values that quality control does not doubt. */
async function lastHour(context: Context): Promise<HarvestedHour | null> {
  const { store } = context;
  if (!('sql' in store)) return null;
  const to = Math.floor(context.clock() / HOUR) * HOUR;
  const from = to - HOUR;
  const { columns, rows } = await (store as BulkStore).sql({
    text: `SELECT datastream, avg(raw), count(*) FROM observation
           WHERE flag IN (1, 2) AND NOT isnan(raw) AND datastream % ${PROPERTY_SLOTS} IN (${HARVESTED.map((key) => property(key).num).join(', ')})
           GROUP BY datastream ORDER BY datastream`,
    from,
    to,
    timeoutMs: 20 * SECOND,
    maxRows: MAX_HARVESTED * HARVESTED.length,
    only: { properties: HARVESTED.map((key) => property(key).num), columns: ['raw'] },
  });
  const [streams = [], means = [], counts = []] = columns;
  const byThing = new Map<number, HourMean['values']>();
  for (let i = 0; i < rows; i++) {
    const stream = Number(streams[i]);
    const p = property(propertyOf(stream));
    const thing = thingNumOf(stream);
    const value = roundTo(Number(means[i]), p.resolution / 10);
    const mean = { property: p.key, unit: p.unitLabel, value, time: formatTime(to), count: Number(counts[i]) };
    const known = byThing.get(thing);
    if (known) known.push(mean);
    else byThing.set(thing, [mean]);
  }
  const list: HourMean[] = [];
  for await (const t of things(context)) {
    const values = byThing.get(t.num);
    const place = publicPlace(t);
    if (!values || !place || t.exposure === 'indoor' || t.licence === '') continue;
    const { num, id, name, kind, licence, attribution } = t;
    list.push({ thing: num, id, name: name || id, lat: place.lat, lon: place.lon, kind, licence, attribution, values });
    if (list.length >= MAX_HARVESTED) break;
  }
  return { from, to, list };
}

/** Locations and hour means as an adapter of OpenAQ wants them: raw physical units, station level, stable provider name, `timestamp` the end of the hour. */
const openAq = (hour: HarvestedHour | null, newest: readonly Current[]): object => {
  const list: readonly (Omit<Current, 'values'> & {
    readonly values: readonly (Current['values'][number] & { readonly count?: number })[];
  })[] = hour?.list ?? newest;
  return {
    meta: {
      provider: 'lamppost',
      sourceName: 'lamppost',
      matchingMethod: 'ingest-id',
      level: 'raw',
      averagingSeconds: hour ? HOUR / SECOND : null,
      ...(hour ? { datetimeFrom: formatTime(hour.from), datetimeTo: formatTime(hour.to) } : {}),
    },
    locations: list.map((c) => ({
      location_id: c.id,
      label: c.name,
      lat: c.lat,
      lon: c.lon,
      ismobile: false,
      ismonitor: c.kind === 'station',
      licence: c.licence,
      attribution: c.attribution || c.name,
      systems: [
        {
          system_id: c.id,
          sensors: c.values.map((v) => ({
            sensor_id: `${c.id}-${v.property}`,
            parameter: v.property,
            units: v.unit,
            ...(hour ? { averaging_interval_secs: HOUR / SECOND } : {}),
          })),
        },
      ],
    })),
    measurements: list.flatMap((c) =>
      c.values.map((v) => ({
        sensor_id: `${c.id}-${v.property}`,
        timestamp: v.time,
        measure: v.value,
        count: v.count,
        flags: {},
      })),
    ),
  };
};

/** Returns what the catalogues say of all boxes together, as it was at most an hour ago. */
export function catalogueRoutes(app: App, context: Context): () => Promise<Reach> {
  const reach = once(context, 60 * MINUTES, () => reachOf(context));
  const list = once(context, MINUTES, () => current(context));
  const hour = once(context, 5 * MINUTES, () => lastHour(context));
  const answer = (path: string, type: string, make: (base: string) => object | Promise<object>): void => {
    app.get(path, { schema: { hide: true } }, async (request, reply) =>
      reply
        .header('content-type', `${type}; charset=utf-8`)
        .header('cache-control', 'public, max-age=60')
        .send(JSON.stringify(await make(context.baseUrl(request)))),
    );
  };
  answer('/catalog.jsonld', 'application/ld+json', async (base) => catalogue(context, base, await reach()));
  answer('/data.json', 'application/json', async (base) => dataJson(context, base, await reach()));
  answer('/catalog/data-gov-tw.json', 'application/json', (base) => govTw(context, base));
  answer('/harvest/waqi.json', 'application/json', async () => waqi(await list()));
  answer('/harvest/openaq.json', 'application/json', async () => openAq(await hour(), await list()));
  return reach;
}
