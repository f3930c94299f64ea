/**
 * One LASS message, whatever carried it (pipes, or JSON with the same keys): collects its fields in any order, then says
 * which box, when, where and what.
 */
import type { DecodedReading } from '../decoder.ts';
import { CODES, COPY_CODES, MAPS_S_G0, MAPS_VALUES, type Code } from './lass-codes.ts';
import { placeOf } from './lass-place.ts';
import { decimal, nativeIdOf, note, publicName, put, shown, type Value } from './text.ts';
import { believable, dateAndTime, moment, TAIPEI } from './times.ts';

/** Header keys; their case varies (`Fake_GPS`), and format 2 has hyphens (`gps-lat`). */
const HEADERS = [
  'ver_format',
  'fake_gps',
  'fmt_opt',
  'app',
  'ver_app',
  'device_id',
  'tick',
  'date',
  'time',
  'timestamp',
  'device',
  'gps_lat',
  'gps_lon',
  'gps_fix',
  'gps_num',
  'gps_alt',
  'gps',
  'gps_loc',
  'values',
  'sitename',
  'siteid',
  'siteengname',
] as const;
type Header = (typeof HEADERS)[number];

const headerOf = new Map<string, Header>();
for (const h of HEADERS) {
  headerOf.set(h, h);
  headerOf.set(h.toUpperCase(), h);
  headerOf.set(h.replace('_', '-'), h);
}
headerOf.set('FAKE_GPS', 'fake_gps');
headerOf.set('Fake_GPS', 'fake_gps');
headerOf.set('SiteName', 'sitename');
headerOf.set('SiteID', 'siteid');
headerOf.set('SiteId', 'siteid');
headerOf.set('SiteEngName', 'siteengname');

/** `-3.-5`, `0.-5`: LASS_CompactPM25 prints `%d.%d` of a negative number (formats §1.6). */
const SPLIT_NEGATIVE = /^\s*-?(\d{1,4})\.-(\d{1,4})\s*$/;
/** `u'\u53f0\u5317'`: a Python 2 repr in WEBDUINO_COPY. */
const PYTHON_REPR = /^u?'(.*)'$/;

export interface LassMessage {
  readonly header: Partial<Record<Header, string>>;
  readonly values: Value[];
  readonly ranks: number[];
  /** Hour values of `*_COPY` messages, taken only when the app says it is one. */
  copies: { code: Code; text: string }[] | undefined;
  g0: number | undefined;
  sawCf: boolean;
  notes: string[];
}

export const newMessage = (): LassMessage => ({
  header: {},
  values: [],
  ranks: [],
  copies: undefined,
  g0: undefined,
  sawCf: false,
  notes: [],
});

function putRanked(m: LassMessage, code: Code, value: number): void {
  const { values, ranks } = m;
  for (let i = 0; i < values.length; i++) {
    if ((values[i] as Value).property !== code.property) continue;
    if (code.rank < (ranks[i] as number)) {
      values[i] = { property: code.property, value };
      ranks[i] = code.rank;
    }
    return;
  }
  values.push({ property: code.property, value });
  ranks.push(code.rank);
}

/**
 * Takes one `key=value`, the value standing in `text[from, to)`.
 * `key` must be without outer spaces. Unknown keys are no error: boxes add their own.
 */
export function takeField(m: LassMessage, key: string, text: string, from: number, to: number): void {
  const code = CODES.get(key);
  if (code !== undefined) {
    const value = decimal(text, from, to);
    if (Number.isNaN(value)) takeOddNumber(m, key, code, text.slice(from, to));
    else if (key === 's_g0') m.g0 = value;
    else putRanked(m, code, code.factor === 1 ? value : Number((value * code.factor).toPrecision(15)));
    if (key.charCodeAt(0) === 67) m.sawCf = true;
    return;
  }
  let header = headerOf.get(key);
  if (header === undefined) {
    const copy = COPY_CODES.get(key);
    if (copy !== undefined) {
      (m.copies ??= []).push({ code: copy, text: text.slice(from, to) });
      return;
    }
    // Sensor keys keep their case (s_Tb, s_DO); a header key in yet another case is still a header key.
    if (key.length > 11 || key.startsWith('s_')) return;
    header = headerOf.get(key.toLowerCase());
    if (header === undefined) return;
  }
  // The first stands: a second `date=` behind the message must not change what the first said.
  m.header[header] ??= text.slice(from, to).trim();
}

function takeOddNumber(m: LassMessage, key: string, code: Code, text: string): void {
  const split = SPLIT_NEGATIVE.exec(text);
  if (split) {
    putRanked(m, code, -Number(`${split[1]}.${split[2]}`) * code.factor);
    return;
  }
  // `s_d1=25!s_d2=17`: an exclamation mark typed for the pipe (HomeSense).
  const mark = text.indexOf('!');
  if (mark > 0) {
    takeField(m, key, text, 0, mark);
    const eq = text.indexOf('=', mark);
    if (eq > 0) takeField(m, text.slice(mark + 1, eq).trim(), text, eq + 1, text.length);
    return;
  }
  const word = text.trim();
  if (word !== '') note(m.notes, `${key} is ${shown(word)}, not a number; not taken`);
}

/** `date` and `time` are UTC, except with Edimax AirBoxes over MQTT and PiM25, which send Taiwan's local time. */
function timeOf(m: LassMessage): number | null {
  const { header } = m;
  const stamp = header.timestamp;
  if (stamp !== undefined && stamp !== '') {
    const t = believable(moment(stamp));
    if (t !== null) return t;
  }
  const { date, time } = header;
  if (date === undefined || time === undefined) {
    if (stamp === undefined) note(m.notes, 'no date and time; the time of receipt is used');
    else note(m.notes, `timestamp ${shown(stamp)} cannot be read; the time of receipt is used`);
    return null;
  }
  const app = header.app ?? '';
  const t = dateAndTime(date, time, app === 'AirBox' || app === 'PiM25' ? TAIPEI : 0);
  const good = believable(t);
  if (good === null) {
    note(m.notes, `the clock says ${shown(date, 20)} ${shown(time, 20)}, which cannot be; the time of receipt is used`);
  }
  return good;
}

function plainName(text: string): string {
  const m = PYTHON_REPR.exec(text);
  if (!m) return text;
  return (m[1] as string).replace(/\\u([0-9a-fA-F]{4})/g, (_, hex: string) => String.fromCharCode(parseInt(hex, 16)));
}

/**
 * The reading of a message; a string says why there is none.
 * @param topicId the id that the topic carries, for boxes that leave it out of the message
 */
export function readingOf(m: LassMessage, topicId: string): DecodedReading | string {
  const { header, values, notes } = m;
  const app = header.app ?? '';
  if (header.ver_format === '0') return 'ver_format=0 means a layout of the sender’s own, which nobody else can read';
  if (m.g0 !== undefined) {
    const code = app.startsWith('MAPS') ? MAPS_S_G0 : (CODES.get('s_g0') as Code);
    putRanked(m, code, Number((m.g0 * code.factor).toPrecision(15)));
  }
  if (m.copies && app.endsWith('_COPY')) takeCopies(m, m.copies);
  if (header.values !== undefined && app === 'MAPS') {
    const list = header.values.split(',', 32);
    for (const [at, key] of MAPS_VALUES) {
      const value = decimal(list[at] ?? '');
      if (!Number.isNaN(value)) put(values, key, value);
    }
  }
  if (values.length === 0) {
    return header.values === undefined
      ? 'no sensor value that is known (s_d0, s_t0, s_h0 …)'
      : `values= of app ${shown(app)} does not say which value is which; use ver_format=3`;
  }
  const siteName = header.sitename === undefined ? '' : plainName(header.sitename);
  const nativeId =
    nativeIdOf(header.device_id ?? '') ||
    nativeIdOf(header.siteid ?? '') ||
    nativeIdOf(siteName) ||
    nativeIdOf(topicId);
  const time = timeOf(m);
  const place = placeOf(
    {
      app,
      device: header.device ?? '',
      fakeGps: header.fake_gps ?? '',
      fmtOpt: header.fmt_opt ?? '',
      lat: header.gps_lat ?? '',
      lon: header.gps_lon ?? '',
      fix: header.gps_fix ?? '',
      gga: header.gps ?? '',
      loc: header.gps_loc ?? '',
    },
    notes,
  );
  const name = siteName === '' ? undefined : publicName(siteName, nativeId);
  const field = m.sawCf ? fieldOf(m) : undefined;
  const reading: DecodedReading = { nativeId, time, values, place };
  if (name === undefined && field === undefined && notes.length === 0) return reading;
  return {
    ...reading,
    ...(name !== undefined || field !== undefined ? { hints: { ...(name && { name }), ...(field && { field }) } } : {}),
    ...(notes.length > 0 ? { notes } : {}),
  };
}

/** With CF=1 values beside it, `s_d0` is the atmospheric one; with CF=1 values alone, those were taken. */
const fieldOf = (m: LassMessage): 'cf1' | 'atm' =>
  m.values.some((v, i) => v.property === 'pm25' && m.ranks[i] === 2) ? 'cf1' : 'atm';

function takeCopies(m: LassMessage, copies: readonly { code: Code; text: string }[]): void {
  for (const { code, text } of copies) {
    const value = decimal(text);
    if (Number.isNaN(value)) {
      const word = text.trim();
      if (word !== '') note(m.notes, `${code.property} is ${shown(word)}, not a number; not taken`);
    } else if (value !== -1) putRanked(m, code, value);
  }
}
