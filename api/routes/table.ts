/** `GET /table`: the newest values near a place as plain HTML, for readers without JavaScript and for screen readers. */
import { z } from 'zod';
import { REASONS } from '../../model/flags.ts';
import { distanceM } from '../../model/geo.ts';
import { isPropertyKey, property, roundTo, type PropertyKey } from '../../model/properties.ts';
import { HOUR, type EpochMs } from '../../model/time.ts';
import type { App, Context } from '../context.ts';
import type { Bbox } from '../parameters.ts';
import { slotView } from '../rows.ts';

/** Places to begin with: the seats of Taiwan's counties and cities. */
const PLACES: readonly (readonly [zh: string, en: string, lat: number, lon: number])[] = [
  ['臺北市', 'Taipei City', 25.038, 121.564],
  ['新北市', 'New Taipei City', 25.012, 121.465],
  ['基隆市', 'Keelung City', 25.132, 121.744],
  ['桃園市', 'Taoyuan City', 24.993, 121.301],
  ['新竹市', 'Hsinchu City', 24.807, 120.969],
  ['新竹縣', 'Hsinchu County', 24.827, 121.013],
  ['苗栗縣', 'Miaoli County', 24.565, 120.821],
  ['臺中市', 'Taichung City', 24.162, 120.647],
  ['彰化縣', 'Changhua County', 24.076, 120.544],
  ['南投縣', 'Nantou County', 23.903, 120.691],
  ['雲林縣', 'Yunlin County', 23.699, 120.526],
  ['嘉義市', 'Chiayi City', 23.481, 120.453],
  ['嘉義縣', 'Chiayi County', 23.459, 120.293],
  ['臺南市', 'Tainan City', 22.992, 120.185],
  ['高雄市', 'Kaohsiung City', 22.621, 120.312],
  ['屏東縣', 'Pingtung County', 22.683, 120.488],
  ['宜蘭縣', 'Yilan County', 24.731, 121.763],
  ['花蓮縣', 'Hualien County', 23.991, 121.62],
  ['臺東縣', 'Taitung County', 22.756, 121.151],
  ['澎湖縣', 'Penghu County', 23.57, 119.566],
  ['金門縣', 'Kinmen County', 24.437, 118.318],
  ['連江縣', 'Lienchiang County', 26.158, 119.952],
];
/** Half-width of the square that is looked through [°]. */
const AROUND = 0.25;
const MAX_ROWS = 60;
/** Older values are left out: this page has no way to fade them. */
const MAX_AGE = 6 * HOUR;

const WORDS = {
  zh: {
    lang: 'zh-Hant-TW',
    title: '附近測點的最新數值',
    place: '地點',
    nearest: '離{place}最近的測點,由近到遠',
    name: '測點',
    kind: '種類',
    box: '感測盒',
    station: '標準測站',
    distance: '距離',
    value: '數值',
    interval: '90 % 區間',
    state: '檢查',
    time: '時間',
    good: '通過',
    unknown: '尚未評估',
    none: '這附近六小時內沒有讀數。沒有就是沒有:不用遠處的數值來猜。',
    note: '感測盒為校正後的值,標準測站為其測值。這是最新讀數,不是正式的指標值。',
    map: '回到地圖',
    other: 'English',
  },
  en: {
    lang: 'en',
    title: 'Newest values near you',
    place: 'Place',
    nearest: 'Boxes and stations nearest to {place}, nearest first',
    name: 'Name',
    kind: 'Kind',
    box: 'box',
    station: 'reference station',
    distance: 'Distance',
    value: 'Value',
    interval: '90 % interval',
    state: 'Checks',
    time: 'Time',
    good: 'passed',
    unknown: 'not evaluated',
    none: 'No reading near here within six hours. Missing is missing: nothing is guessed from far away.',
    note: 'Boxes: corrected values; reference stations: their own. These are the latest readings, not official index values.',
    map: 'To the map',
    other: '中文',
  },
} as const;

const escape = (text: string): string => text.replaceAll(/[&<>"']/g, (c) => `&#${c.charCodeAt(0)};`);

const query = z.object({
  lat: z.coerce.number().min(-85).max(85).catch(NaN),
  lon: z.coerce.number().min(-180).max(180).catch(NaN),
  property: z.string().catch('pm25'),
  lang: z.string().catch('zh-TW'),
});

interface Line {
  readonly metres: number;
  readonly html: string;
}

function lines(context: Context, key: PropertyKey, lat: number, lon: number, english: boolean, now: EpochMs): string[] {
  const w = english ? WORDS.en : WORDS.zh;
  const p = property(key);
  const column = context.latest.column(p.num);
  const area: Bbox = [lon - AROUND, lat - AROUND, lon + AROUND, lat + AROUND];
  const found: Line[] = [];
  const number = (x: number): string => (Number.isFinite(x) ? String(roundTo(x, p.resolution)) : '–');
  for (let slot = 0; column && slot < column.size; slot++) {
    if (now - (column.time[slot] as number) > MAX_AGE) continue;
    const num = column.thing[slot] as number;
    if (!context.things.inBbox(num, area)) continue;
    const thing = context.things.get(num);
    if (!thing?.place || thing.retired) continue;
    const metres = distanceM(lat, lon, thing.place.lat, thing.place.lon);
    if (found.length >= MAX_ROWS * 4 && metres > 10_000) continue;
    const row = slotView(context, column, slot);
    const station = thing.kind === 'station';
    const said = REASONS.filter((r) => row.reasons & (1 << r.bit)).map((r) => (english ? r.en : r.zh));
    const name = context.registry.get(thing.id)?.name.trim() || thing.id;
    found.push({
      metres,
      html:
        `<tr><th scope="row"><a href="/boxes/${thing.id}"><bdi>${escape(name)}</bdi></a></th><td>${station ? w.station : w.box}</td>` +
        `<td>${(metres / 1000).toFixed(1)} km</td><td>${number(station ? row.raw : row.corrected)}</td>` +
        `<td>${station || !Number.isFinite(row.corrected) ? '–' : `${number(row.lo90)}–${number(row.hi90)}`}</td>` +
        `<td>${escape(said.join(english ? '; ' : '、') || (row.flag === 1 ? w.good : w.unknown))}</td>` +
        `<td>${context.localTime(row.time).slice(0, 16).replace('T', ' ')}</td></tr>`,
    });
  }
  return found
    .sort((a, b) => a.metres - b.metres)
    .slice(0, MAX_ROWS)
    .map((l) => l.html);
}

export function tableRoutes(app: App, context: Context): void {
  app.get('/table', { schema: { hide: true, querystring: query } }, (request, reply) => {
    const q = request.query;
    const english = q.lang === 'en';
    const w = english ? WORDS.en : WORDS.zh;
    const key = isPropertyKey(q.property) ? q.property : 'pm25';
    const p = property(key);
    const given = !Number.isNaN(q.lat) && !Number.isNaN(q.lon);
    const [zh, en, lat0, lon0] = PLACES[0] as (typeof PLACES)[number];
    const [lat, lon] = given ? [q.lat, q.lon] : [lat0, lon0];
    const known = PLACES.find((place) => place[2] === lat && place[3] === lon);
    const place = known ? (english ? known[1] : known[0]) : given ? `${lat}, ${lon}` : english ? en : zh;
    context.things.refresh();
    const rows = lines(context, key, lat, lon, english, context.clock());
    const lang = english ? 'en' : 'zh-TW';
    const links = PLACES.map(
      ([a, b, y, x]) =>
        `<li><a href="/table?lat=${y}&amp;lon=${x}&amp;property=${key}&amp;lang=${lang}">${english ? b : a}</a>`,
    ).join('');
    const unit = p.unitLabel === '' ? '' : ` [${escape(p.unitLabel)}]`;
    const body =
      rows.length === 0
        ? `<p>${w.none}</p>`
        : `<table><caption>${w.nearest.replace('{place}', escape(place))}</caption><thead><tr><th scope="col">${w.name}<th scope="col">${w.kind}<th scope="col">${w.distance}` +
          `<th scope="col">${w.value}${unit}<th scope="col">${w.interval}<th scope="col">${w.state}<th scope="col">${w.time}</tr></thead><tbody>${rows.join('')}</tbody></table>`;
    return reply
      .type('text/html; charset=utf-8')
      .send(
        `<!doctype html><html lang="${w.lang}"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1"><title>${w.title}: ${escape(place)} · Lamppost</title>` +
          '<style>body{font:16px/1.6 system-ui,"Noto Sans TC",sans-serif;max-width:60rem;margin:1.5rem auto;padding:0 1rem;color:#17242f;background:#fffdf8}' +
          'table{border-collapse:collapse;width:100%}caption{text-align:start;font-weight:600;padding:.5rem 0}th,td{text-align:start;padding:.35rem .6rem;border-bottom:1px solid #ddd4c1}' +
          'ul{display:flex;flex-wrap:wrap;gap:.2rem 1rem;list-style:none;padding:0}a{color:#0b5a78}</style></head><body>' +
          `<main><h1>${w.title}: ${english ? p.name.en : p.name.zh}</h1><p><a href="/">${w.map}</a> · <a hreflang="${english ? 'zh-Hant' : 'en'}" href="/table?lat=${lat}&amp;lon=${lon}&amp;property=${key}&amp;lang=${english ? 'zh-TW' : 'en'}">${w.other}</a></p>` +
          `<nav aria-label="${w.place}"><ul>${links}</ul></nav>${body}<p>${w.note}</p></main></body></html>`,
      );
  });
}
