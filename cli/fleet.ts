/** Many boxes at once: a list of lamp posts as CSV in, keys and labels out. All of a file or nothing. */
import { readFileSync, statSync } from 'node:fs';
import { parse } from 'csv-parse/sync';
import QRCode from 'qrcode';
import type { NewThing, Registry, Thing, Exposure } from '../registry/registry.ts';
import { licence } from '../registry/licences.ts';
import { checkThing } from '../registry/thing.ts';

export const MAX_IMPORT = 100_000;
const MAX_BYTES = 64 * 1024 * 1024;
const MAX_PROBLEMS = 20;

/** Column → what people call it too. */
const COLUMNS: Readonly<Record<string, readonly string[]>> = {
  id: ['box_id'],
  name: ['名稱'],
  lat: ['latitude', '緯度'],
  lon: ['lng', 'longitude', '經度'],
  height: ['height_m', '高度'],
  exposure: ['環境'],
  sensors: ['sensor', '感測器'],
  batch: ['批號'],
  format: ['格式'],
  project: ['計畫'],
  licence: ['license', '授權'],
  attribution: ['姓名標示'],
  native_id: ['nativeid', 'device_id'],
  lamp_post: ['lamppost', '路燈編號'],
  side: ['朝向'],
  precision: ['place_precision'],
};
const byName = new Map(Object.entries(COLUMNS).flatMap(([key, more]) => [[key, key], ...more.map((m) => [m, key])] as [string, string][])); // prettier-ignore

export class ImportProblem extends Error {
  constructor(problems: readonly string[]) {
    super(`nothing was imported:\n${problems.join('\n')}`);
    this.name = 'ImportProblem';
  }
}

const EXPOSURES: readonly string[] = ['outdoor', 'indoor', 'mobile', 'unknown'];

function thingOf(row: Readonly<Record<string, string>>): NewThing {
  const text = (key: string): string => (row[key] ?? '').trim();
  const number = (key: string): number | null => {
    const value = text(key);
    if (value === '') return null;
    const n = Number(value.replace(',', '.'));
    if (!Number.isFinite(n)) throw new Error(`${key}: "${value.slice(0, 40)}" is no number`);
    return n;
  };
  const [lat, lon] = [number('lat'), number('lon')];
  if (lat !== null && Math.abs(lat) > 90 && lon !== null && Math.abs(lon) <= 90) throw new Error('lat: latitude and longitude look swapped'); // prettier-ignore
  const exposure = text('exposure') || 'outdoor';
  if (!EXPOSURES.includes(exposure))
    throw new Error(`exposure: "${exposure.slice(0, 40)}"; one of ${EXPOSURES.join(', ')}`);
  const precision = text('precision') || 'exact';
  if (precision !== 'exact' && precision !== 'grid') throw new Error('precision: exact or grid');
  const terms = text('licence') || 'CC-BY-4.0';
  if (!licence(terms)) throw new Error(`licence: "${terms.slice(0, 40)}" is not known; see /api/v1/licences`);
  const facts = { lampPost: text('lamp_post'), side: text('side'), batch: text('batch') };
  const thing: NewThing = {
    ...(text('id') === '' ? {} : { id: text('id') }),
    kind: 'box',
    claimed: true,
    name: text('name') || text('lamp_post'),
    nativeId: text('native_id'),
    format: text('format') || 'json',
    lat,
    lon,
    height: number('height'),
    exposure: exposure as Exposure,
    placePrecision: precision,
    sensors: text('sensors').split(/[;|]/).map((s) => s.trim()).filter((s) => s !== ''), // prettier-ignore
    project: text('project'),
    licence: terms,
    attribution: text('attribution'),
    properties: Object.fromEntries(Object.entries(facts).filter(([, value]) => value !== '')),
  };
  checkThing(thing);
  return thing;
}

/** @throws ImportProblem naming lines and columns, before anything is written */
export function fleetOf(csv: string): NewThing[] {
  let rows: string[][];
  try {
    rows = parse(csv, { bom: true, skip_empty_lines: true, relax_column_count: true, max_record_size: 20_000 });
  } catch (error) {
    throw new ImportProblem([`the file cannot be read as CSV: ${(error as Error).message}`]);
  }
  const [head, ...body] = rows;
  if (!head || body.length === 0) throw new ImportProblem(['the file holds no boxes: one line of column names, then one line a box']); // prettier-ignore
  if (body.length > MAX_IMPORT) throw new ImportProblem([`${body.length} boxes; at most ${MAX_IMPORT} in one file`]);
  const names = head.map((h) => byName.get(h.trim().toLowerCase()) ?? '');
  const unknown = head.filter((_, i) => names[i] === '');
  if (unknown.length > 0) {
    throw new ImportProblem([`unknown columns: ${unknown.join(', ')}; known: ${Object.keys(COLUMNS).join(', ')}`]);
  }
  if (!names.includes('name') && !names.includes('lamp_post')) throw new ImportProblem(['a column name or lamp_post is needed']); // prettier-ignore
  const problems: string[] = [];
  const ids = new Map<string, number>();
  const out: NewThing[] = [];
  for (const [i, cells] of body.entries()) {
    const line = i + 2;
    try {
      if (cells.length !== names.length) throw new Error(`${cells.length} cells where the head has ${names.length}`);
      const thing = thingOf(Object.fromEntries(names.map((name, k) => [name, cells[k] ?? ''])));
      if (thing.name === '') throw new Error('name: is empty');
      const twin = thing.id === undefined ? undefined : ids.get(thing.id);
      if (twin !== undefined) throw new Error(`id: ${thing.id} stands in line ${twin} already`);
      if (thing.id !== undefined) ids.set(thing.id, line);
      out.push(thing);
    } catch (error) {
      problems.push(`line ${line}: ${(error as Error).message}`);
      if (problems.length >= MAX_PROBLEMS) {
        problems.push('…');
        break;
      }
    }
  }
  if (problems.length > 0) throw new ImportProblem(problems);
  return out;
}

const cell = (text: string): string => {
  // A name that begins like a formula would be one in a spreadsheet.
  const plain = /^[=+\-@\t]/.test(text) ? `'${text}` : text;
  return /[",\r\n]/.test(plain) ? `"${plain.replaceAll('"', '""')}"` : plain;
};

/** Registers a fleet; the answer is CSV with the keys, which are shown this once. @throws ImportProblem */
export function importFleet(registry: Registry, file: string, now: number): string {
  const { size } = statSync(file);
  if (size > MAX_BYTES) throw new ImportProblem([`${file} has ${size} bytes; at most ${MAX_BYTES}`]);
  const fleet = fleetOf(readFileSync(file, 'utf8'));
  const taken = fleet.flatMap((t, i) => (t.id !== undefined && registry.get(t.id) ? [`line ${i + 2}: id: ${t.id} is in use`] : [])); // prettier-ignore
  if (taken.length > 0) throw new ImportProblem(taken.slice(0, MAX_PROBLEMS));
  const made = registry.addMany(fleet, now);
  const lines = made.map(({ id, key }, i) =>
    [
      fleet[i]?.name ?? '',
      fleet[i]?.properties?.['lampPost'] ?? '',
      id,
      key,
      `boxes/${id}/${fleet[i]?.format ?? 'json'}`,
    ]
      .map(cell)
      .join(','),
  );
  return `name,lamp_post,id,key,topic\n${lines.join('\n')}\n`;
}

const html = (text: string): string =>
  text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;').replaceAll('"', '&quot;');

/** A page of labels to print, two a row on A4: QR code of the box's page, name, id. No keys. */
export async function labelPage(things: readonly Thing[], publicUrl: string): Promise<string> {
  const base = publicUrl.replace(/\/+$/, '');
  const labels: string[] = [];
  for (const t of things) {
    const svg = await QRCode.toString(`${base}/boxes/${t.id}`, { type: 'svg', errorCorrectionLevel: 'M', margin: 2 });
    const post = t.placePrecision === 'exact' ? (t.properties['lampPost'] ?? '') : '';
    labels.push(
      `<li>${svg}<div><b>Lamppost 街燈</b><strong>${html(t.name || t.id)}</strong>${post === '' || post === t.name ? '' : `<span>${html(post)}</span>`}` +
        `<code>${t.id}</code><span>${html(base.replace(/^https?:\/\//, ''))}</span></div></li>`,
    );
  }
  return `<!doctype html><html lang="zh-Hant"><meta charset="utf-8"><title>Lamppost labels</title><style>
@page{size:A4;margin:10mm}body{margin:0;font-family:sans-serif}ul{list-style:none;margin:0;padding:0;display:flex;flex-wrap:wrap;gap:4mm}
li{display:flex;gap:3mm;align-items:center;width:86mm;border:.3mm solid #777;border-radius:2mm;padding:3mm;box-sizing:border-box;break-inside:avoid}
svg{width:28mm;height:28mm;flex:none}div{display:grid;gap:1mm;font-size:3.2mm;min-width:0}strong{font-size:4.2mm;overflow-wrap:anywhere}code{font-size:3mm}
</style><ul>
${labels.join('\n')}
</ul></html>
`;
}
