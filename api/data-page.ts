/** `/data`: what there is and how to get it, for people who have never seen this server; readable without scripts. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { LICENCES } from '../registry/licences.ts';
import { PROPERTIES } from '../model/properties.ts';
import { publicPlace } from '../registry/place.ts';
import { observationDataset, type catalogueRoutes } from './catalogue.ts';
import type { App, Context } from './context.ts';
import { examples, type Example } from './data-examples.ts';
import { townships } from './townships.ts';

type Language = 'zh' | 'en';

const escape = (text: string): string => text.replace(/[&<>"']/g, (c) => `&#${c.charCodeAt(0)};`);

const STYLE = `:root{color-scheme:light dark;--paper:#fbf8f1;--ink:#17242f;--line:#e4ddcd;--link:#0b5a78;--code:#fffdf8}
@media(prefers-color-scheme:dark){:root{--paper:#14202b;--ink:#eef1f2;--line:#2e3e4a;--link:#8fd0ea;--code:#1a2833}}
*{box-sizing:border-box}body{margin:0;background:var(--paper);color:var(--ink);font:16px/1.6 system-ui,'PingFang TC','Noto Sans TC','Noto Sans CJK TC','Microsoft JhengHei',sans-serif}
header,main{max-width:56rem;margin:auto;padding:1rem}header{display:flex;flex-wrap:wrap;gap:1rem;border-bottom:1px solid var(--line)}
a{color:var(--link)}h2{margin-top:2.2rem}h3{margin:1.2rem 0 .3rem;font-size:1rem}pre{background:var(--code);border:1px solid var(--line);border-radius:8px;padding:.7rem;overflow-x:auto;font-size:.85rem}
table{border-collapse:collapse;width:100%}td,th{border-bottom:1px solid var(--line);text-align:left;padding:.35rem .5rem .35rem 0;vertical-align:top}
.tool{display:inline-block;border:1px solid var(--line);border-radius:1rem;padding:0 .6rem;margin-right:.5rem;font-size:.8rem}
form{display:flex;flex-wrap:wrap;gap:.8rem 1.2rem;align-items:end}label{display:grid;gap:.2rem;max-width:100%}
select,button{font:inherit;min-height:2.75rem;padding:.3rem .6rem;border:1px solid var(--line);border-radius:.4rem;background:#fff;color:inherit;max-width:100%}button{background:#0b5a78;color:#fff;border-color:#0b5a78;padding-inline:1.2rem;cursor:pointer}`;

interface Words {
  readonly title: string;
  readonly lead: string;
  readonly nav: readonly (readonly [string, string])[];
  readonly what: string;
  readonly ways: readonly (readonly [what: string, href: string, how: string])[];
  readonly form: {
    readonly title: string;
    readonly lead: string;
    readonly town: string;
    readonly month: string;
    readonly property: string;
    readonly level: string;
    readonly levels: readonly [corrected: string, raw: string];
    readonly step: string;
    readonly steps: readonly [hour: string, day: string];
    readonly get: string;
  };
  readonly examples: string;
  readonly reading: string;
  readonly rules: readonly string[];
  readonly licence: string;
  readonly licenceText: string;
  readonly cite: string;
  readonly citeText: (base: string, today: string) => string;
  readonly limits: string;
  readonly limitList: readonly string[];
  readonly promise: string;
  readonly promiseText: string;
}

const WORDS: Record<Language, Words> = {
  zh: {
    title: '開放資料',
    lead: '社區感測盒與標準測站的測值,原始值與校正值都在。不必註冊,不必金鑰。',
    nav: [['/', '地圖'], ['/townships', '鄉鎮市區'], ['/methods', '方法'], ['/api/docs', '所有呼叫'], ['/data?lang=en', 'English']],
    what: '有什麼、怎麼拿',
    ways: [
      ['現在的值', '/api/v1/latest.geojson?property=pm25&level=corrected', 'GeoJSON、CSV;地圖與 QGIS 直接可讀'],
      ['一個感測盒的歷史', '/api/docs', 'CSV、NDJSON 不限列數;小時、八小時、日、月平均'],
      ['感測盒與測站', '/api/v1/boxes', '位置、感測器、授權、狀態'],
      ['整天整批', '/dumps/manifest.json', '每日一個 Parquet、一個 csv.gz,附核對碼與修訂版次;支援分段下載'],
      ['一個盒子逐月', '/dumps/boxes/{id}/manifest.json', '每個完整月份一個 Parquet、一個 csv.gz;{id} 是盒子代號,見 /dumps/boxes.csv'],
      ['OGC SensorThings 1.1', '/sta/v1.1', '與民生公共物聯網同一標準;也可用 MQTT 訂閱'],
      ['即時', '/api/v1/stream?property=pm25', 'Server-Sent Events,可續傳;MQTT 主題 v1.1/Observations'],
      ['目錄', '/catalog.jsonld', 'DCAT-AP;也有政府資料開放平臺欄位'],
    ],
    form: { title: '一個鄉鎮市區一個月,存成試算表', lead: '選好就下載一個 CSV,Excel 與 LibreOffice 直接打得開:每列是一個測點一小時,有校正值、90 % 區間、旗標、授權與當地時間。標準測站也在內,值是它自己的(level 欄為 raw)。', town: '鄉鎮市區', month: '月份', property: '測項', level: '值', levels: ['校正值', '原始值'], step: '平均', steps: ['小時', '日'], get: '下載 CSV' },
    examples: '複製就能用的例子',
    reading: '讀懂數值',
    rules: [
      'raw 是感測盒送來的值,corrected 是以標準測站校正後的值,附 90 % 區間(lo90、hi90)與模型代號。兩者不混用。',
      '空白(null)是沒有值或被拒絕,絕不是 0;reasons 說明原因。',
      'flag 是 QARTOD 品質旗標:1 良好、2 未評估、3 可疑、4 不合格、9 缺值。',
      '時間是 UTC,平均值的時間是區間的開始;localTime 是當地時間。',
    ],
    licence: '授權',
    licenceText: '每個感測盒有自己的授權,寫在每一列(licence 欄)與感測盒的說明裡。授權空白的,再散布前請先詢問。會出現的授權:',
    cite: '如何引用',
    citeText: (base, today) => `感測盒提供者(見各列 attribution)與 Lamppost 街燈,${base}/data,${today} 下載;引用整批檔案請註明檔名(含修訂版次)。`,
    limits: '已知限制',
    limitList: [
      '便宜的光學感測器在高濕度時偏高、對粗粒子不準;校正值的區間說明剩下多少不確定。它不能取代法規測站。',
      '有些屋主不公開位置:座標是約 550 公尺方格的中心。',
      '感測盒會搬家、斷線、補送:最近 35 天的每日檔案可能有新的修訂版。',
      '沒有足夠依據的地方不給校正值,而不是給一個猜的。',
    ],
    promise: '多久不變',
    promiseText: '/api/v1 與 /sta/v1.1 的網址至少保留到宣布停用後一年;/dumps/ 列出的檔案永不更改,至少保留五年。',
  },
  en: {
    title: 'Open data',
    lead: 'Values of community sensor boxes and reference stations, raw and corrected. No account, no key.',
    nav: [['/?lang=en', 'Map'], ['/townships?lang=en', 'Townships'], ['/methods?lang=en', 'Methods'], ['/api/docs', 'Every call'], ['/data?lang=zh-TW', '中文']],
    what: 'What there is and how to get it',
    ways: [
      ['Values now', '/api/v1/latest.geojson?property=pm25&level=corrected', 'GeoJSON, CSV; maps and QGIS read it directly'],
      ['History of a box', '/api/docs', 'CSV and NDJSON without a row limit; hour, 8 h, day and month means'],
      ['Boxes and stations', '/api/v1/boxes', 'place, sensors, licence, health'],
      ['Whole days', '/dumps/manifest.json', 'a Parquet and a csv.gz a day, with checksums and revisions; ranges work'],
      ['One box by month', '/dumps/boxes/{id}/manifest.json', 'a Parquet and a csv.gz for each full month; {id} is the box, see /dumps/boxes.csv'],
      ['OGC SensorThings 1.1', '/sta/v1.1', 'the standard Civil IoT Taiwan uses; also over MQTT'],
      ['Live', '/api/v1/stream?property=pm25', 'Server-Sent Events that resume; MQTT topic v1.1/Observations'],
      ['Catalogue', '/catalog.jsonld', 'DCAT-AP, and the fields of data.gov.tw'],
    ],
    form: { title: 'A township for a month, for a spreadsheet', lead: 'One CSV that Excel and LibreOffice open: a line for each box and hour, with the corrected value, its 90 % interval, flag, licence and local time. Reference stations are in it with their own values (column level: raw).', town: 'Township', month: 'Month', property: 'What', level: 'Values', levels: ['corrected', 'raw'], step: 'Means', steps: ['of hours', 'of days'], get: 'Download CSV' },
    examples: 'Examples to copy and paste',
    reading: 'Reading the values',
    rules: [
      'raw is what the box sent; corrected is corrected against reference stations, with its 90 % interval (lo90, hi90) and the id of its model. The two are never mixed.',
      'Empty (null) is missing or refused, never 0; reasons says why.',
      'flag is QARTOD’s: 1 good, 2 not evaluated, 3 suspect, 4 fail, 9 missing.',
      'Times are UTC; a mean carries the start of its interval; localTime is the clock on the wall.',
    ],
    licence: 'Licence',
    licenceText: 'Each box carries its own licence, in every row (column licence) and in its description. Where it is empty, ask before you republish. Licences that occur:',
    cite: 'How to cite',
    citeText: (base, today) => `Owners of the boxes (attribution in each row) and Lamppost, ${base}/data, retrieved ${today}; for bulk files name the file with its revision.`,
    limits: 'Known limits',
    limitList: [
      'Cheap optical sensors read high in humid air and hardly see coarse particles; the interval of a corrected value says how much doubt is left. They do not replace regulatory stations.',
      'Some owners hide their place: the coordinates are the centre of a cell of about 550 m.',
      'Boxes move, drop out and send late: daily files of the last 35 days may get a newer revision.',
      'Where there is too little to go by, no corrected value is given, rather than a guess.',
    ],
    promise: 'How long it holds',
    promiseText: 'Addresses under /api/v1 and /sta/v1.1 live at least a year beyond the day their end is announced; files named in /dumps/ never change and stay for at least five years.',
  },
}; // prettier-ignore

function languageOf(query: string, header: string): Language {
  const asked = new URLSearchParams(query).get('lang');
  if (asked) return asked.startsWith('en') ? 'en' : 'zh';
  return /^(?!zh)en\b/i.test(header.trim()) ? 'en' : 'zh';
}

/** The newest daily Parquet, or the name one will have. */
function newestDump(context: Context): string {
  const yesterday = new Date(context.clock() - 86_400_000).toISOString().slice(0, 10);
  try {
    const manifest = JSON.parse(readFileSync(join(context.options.dumps ?? '', 'manifest.json'), 'utf8')) as {
      files: { file: string; format: string; current: boolean }[];
    };
    const file = manifest.files.findLast((f) => f.current && f.format === 'parquet');
    if (file) return file.file;
  } catch {
    // No dump yet.
  }
  return `observations-${yesterday}.parquet`;
}

/** A township with a box; 信義區 of Taipei while there is none. */
function exampleTown(context: Context): string {
  const box = context.registry.list({ limit: 50 }).find((t) => publicPlace(t) !== null);
  const place = box ? publicPlace(box) : null;
  return (place && townships().find((t) => t.holds(place.lon, place.lat))?.code) || '63000020';
}

export function pageExamples(context: Context, base: string, since: string): Example[] {
  const box = context.registry.list({ limit: 50 }).find((t) => publicPlace(t) !== null);
  const place = box ? publicPlace(box) : null;
  const round = (x: number): string => x.toFixed(2);
  const bbox = place
    ? [place.lon - 0.03, place.lat - 0.02, place.lon + 0.03, place.lat + 0.02].map(round).join(',')
    : '121.53,25.01,121.59,25.05';
  const town = exampleTown(context);
  return examples({
    base,
    now: context.clock(),
    since,
    box: box?.id ?? 'BOX',
    bbox,
    town,
    dumped: newestDump(context),
  });
}

/** Plain HTML: works without a script, on every browser an office has. */
function townshipForm(w: Words, language: Language, now: number, since: string, town: string): string {
  const { form } = w;
  const option = (value: string, text: string, selected = false): string =>
    `<option value="${escape(value)}"${selected ? ' selected' : ''}>${escape(text)}`;
  const zh = language === 'zh';
  const groups = Map.groupBy(townships(), (t) => (zh ? t.county : t.countyEn));
  const towns = [...groups]
    .map(
      ([county, list]) =>
        `<optgroup label="${escape(county)}">${list.map((t) => option(t.code, zh ? `${t.county} ${t.name}` : `${t.nameEn}, ${t.countyEn}`, t.code === town)).join('')}</optgroup>`,
    )
    .join('');
  const months = Array.from({ length: 24 }, (_, i) => {
    const d = new Date(now);
    return new Date(Date.UTC(d.getUTCFullYear(), d.getUTCMonth() - i, 1)).toISOString().slice(0, 7);
  }).filter((m, i) => i === 0 || since === '' || m >= since.slice(0, 7));
  // Last month, unless nothing had been measured by then.
  const chosen = Math.min(1, months.length - 1);
  const field = (label: string, name: string, options: string): string =>
    `<label>${escape(label)} <select name="${name}">${options}</select></label>`;
  return `<section id="township"><h2>${escape(form.title)}</h2><p>${escape(form.lead)}
<form action="/api/v1/observations" method="get"><input type="hidden" name="bom" value="true">
${field(form.town, 'township', towns)}
${field(form.month, 'month', months.map((m, i) => option(m, m, i === chosen)).join(''))}
${field(form.property, 'property', PROPERTIES.map((p) => option(p.key, `${zh ? p.name.zh : p.name.en} (${p.key})`, p.key === 'pm25')).join(''))}
${field(form.level, 'level', option('corrected', form.levels[0]) + option('raw', form.levels[1]))}
${field(form.step, 'interval', option('PT1H', form.steps[0]) + option('P1D', form.steps[1]))}
<button>${escape(form.get)}</button></form></section>`;
}

export function dataPage(app: App, context: Context, reach: ReturnType<typeof catalogueRoutes>): void {
  app.get('/data', { schema: { hide: true } }, async (request, reply) => {
    const base = context.baseUrl(request);
    const language = languageOf(request.url.split('?')[1] ?? '', request.headers['accept-language'] ?? '');
    const w = WORDS[language];
    const today = new Date(context.clock()).toISOString().slice(0, 10);
    const anyBox = context.registry.list({ limit: 50 }).find((t) => publicPlace(t) !== null)?.id ?? '{id}';
    const list = (items: readonly string[]): string => `<ul>${items.map((i) => `<li>${escape(i)}`).join('')}</ul>`;
    const { since } = await reach();
    const body = `<header>${w.nav.map(([href, text]) => `<a href="${href}">${escape(text)}</a>`).join('')}</header>
<main><h1>${escape(w.title)}</h1><p>${escape(w.lead)}
<h2>${escape(w.what)}</h2><table>${w.ways.map(([what, href, how]) => `<tr><td><a href="${escape(href.replace('{id}', anyBox))}">${escape(what)}</a><td>${escape(how)}`).join('')}</table>
${townshipForm(w, language, context.clock(), since, exampleTown(context))}
<h2>${escape(w.examples)}</h2>${pageExamples(context, base, since)
      .map(
        (e) =>
          `<h3><span class="tool">${e.tool}</span>${escape(e.title[language])}</h3><pre data-tool="${e.tool}" tabindex="0">${escape(e.code)}</pre>`,
      )
      .join('')}
<h2>${escape(w.reading)}</h2>${list(w.rules)}
<h2>${escape(w.licence)}</h2><p>${escape(w.licenceText)}<ul>${LICENCES.map((l) => `<li><a href="${escape(l.url)}">${escape(l.name)}</a> (${escape(l.id)})`).join('')}</ul>
<h2>${escape(w.cite)}</h2><p>${escape(w.citeText(base, today))}
<h2>${escape(w.limits)}</h2>${list(w.limitList)}
<h2>${escape(w.promise)}</h2><p>${escape(w.promiseText)}</main>`;
    // "<" inside would end the script element.
    const dataset = JSON.stringify(observationDataset(context, base, today, await reach())).replaceAll(
      '<',
      String.raw`\u003c`,
    );
    return reply
      .type('text/html; charset=utf-8')
      .header('vary', 'accept-language')
      .send(
        `<!doctype html><html lang="${language === 'zh' ? 'zh-Hant-TW' : 'en'}"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1"><title>${escape(w.title)} · Lamppost</title><link rel="icon" href="/icon.svg" type="image/svg+xml"><link rel="alternate" type="application/ld+json" href="/catalog.jsonld"><style>${STYLE}</style><script type="application/ld+json">${dataset}</script></head><body>${body}</body></html>`,
      );
  });
}
