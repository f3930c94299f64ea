/**
 * What the address of the map says. Everything a person would want to share is in it; anything that makes no sense is
 * ignored by name, never an error page.
 */
import { isPropertyKey, type PropertyKey } from '../../model/properties.ts';
import { formatTime, parseTime } from '../../model/time.ts';

export const LAYERS = ['boxes', 'field', 'hotspots', 'towns', 'stations', 'health'] as const;
export type Layer = (typeof LAYERS)[number];
export const LEVELS = ['corrected', 'raw', 'difference'] as const;
export type Level = (typeof LEVELS)[number];
export const LANGS = ['zh-TW', 'en'] as const;
export type Lang = (typeof LANGS)[number];
export const HIDEABLE = ['indoor', 'unclaimed', 'flagged', 'silent'] as const;
export type Hideable = (typeof HIDEABLE)[number];

export interface ViewState {
  readonly lat: number;
  readonly lon: number;
  readonly zoom: number;
  readonly layer: Layer;
  readonly property: PropertyKey;
  readonly level: Level;
  readonly scale: string;
  readonly safe: boolean;
  /** '' = none open. */
  readonly box: string;
  readonly compare: readonly string[];
  readonly hide: readonly Hideable[];
  /** null = now, live. */
  readonly time: number | null;
  /** What a shared link says was shown: `value;model` or `value;model;product.revision`, '' = nothing. */
  readonly was: string;
  /** null = what the browser prefers. */
  readonly lang: Lang | null;
}

/** The whole of the main island with Penghu. */
export const START: ViewState = {
  lat: 23.75,
  lon: 120.75,
  zoom: 6.9,
  layer: 'boxes',
  property: 'pm25',
  level: 'corrected',
  scale: 'tw_aqi',
  safe: false,
  box: '',
  compare: [],
  hide: ['indoor'],
  time: null,
  was: '',
  lang: null,
};

export const BOX_ID = /^[a-z0-9-]{8,40}$/;
export const MAX_COMPARE = 6;
/** An address longer than this is not read at all. */
const MAX_QUERY = 4000;

const WAS = /^(-?\d{1,6}(?:\.\d{1,3})?);([\w.:+/-]{0,80})(?:;(live|revised|archive)\.(\d{1,9}))?$/;
export interface Claim {
  readonly value: number;
  readonly model: string;
  /** '' = the link does not say. */
  readonly product: string;
  readonly revision: number;
}
/** The figure, model and edition a link claims. */
export function parseWas(text: string): Claim | null {
  const m = WAS.exec(text);
  return m ? { value: Number(m[1]), model: m[2] as string, product: m[3] ?? '', revision: Number(m[4] ?? 0) } : null;
}
export const formatWas = (c: Claim): string =>
  `${c.value};${c.model}${c.product === '' ? '' : `;${c.product}.${c.revision}`}`;

export interface ParsedView {
  readonly view: ViewState;
  /** `key=value` as they stood, cut short: what was not understood. */
  readonly ignored: readonly string[];
}

const oneOf = <T extends string>(all: readonly T[], value: string): T | undefined => all.find((x) => x === value);

export function parseView(search: string, scales: readonly string[], start: ViewState = START): ParsedView {
  const ignored: string[] = [];
  if (search.length > MAX_QUERY) return { view: start, ignored: [`${search.slice(0, 40)}…`] };
  const view: { -readonly [K in keyof ViewState]: ViewState[K] } = { ...start };
  const refuse = (key: string, value: string): void => {
    const text = `${key}=${value}`;
    ignored.push(text.length > 48 ? `${text.slice(0, 47)}…` : text);
  };
  for (const [key, value] of new URLSearchParams(search)) {
    const reject = (): void => refuse(key, value);
    switch (key) {
      case 'at': {
        const [lat, lon, zoom] = value.split(',').map((x) => (/^-?\d{1,3}(\.\d{1,8})?$/.test(x) ? Number(x) : NaN)) as [
          number,
          number,
          number,
        ];
        const ok =
          value.split(',').length === 3 && Math.abs(lat) <= 85 && Math.abs(lon) <= 180 && zoom >= 0 && zoom <= 22;
        if (ok) Object.assign(view, { lat, lon, zoom });
        else reject();
        break;
      }
      case 'layer': {
        const layer = oneOf(LAYERS, value);
        if (layer) view.layer = layer;
        else reject();
        break;
      }
      case 'p':
        if (isPropertyKey(value)) view.property = value;
        else reject();
        break;
      case 'level': {
        const level = oneOf(LEVELS, value);
        if (level) view.level = level;
        else reject();
        break;
      }
      case 'scale':
        if (scales.includes(value)) view.scale = value;
        else reject();
        break;
      case 'cvd':
        if (value === '1' || value === '0') view.safe = value === '1';
        else reject();
        break;
      case 'box':
        if (BOX_ID.test(value)) view.box = value;
        else reject();
        break;
      case 'compare': {
        const ids = [...new Set(value.split(','))];
        view.compare = ids.filter((id) => BOX_ID.test(id)).slice(0, MAX_COMPARE);
        if (view.compare.length < ids.length) reject();
        break;
      }
      case 'hide': {
        const words = value === '' ? [] : value.split(',');
        view.hide = HIDEABLE.filter((h) => words.includes(h));
        if (words.some((w) => !oneOf(HIDEABLE, w))) reject();
        break;
      }
      case 't': {
        const time = parseTime(value);
        if (time === null) reject();
        else view.time = time;
        break;
      }
      case 'was':
        if (parseWas(value)) view.was = value;
        else reject();
        break;
      case 'lang': {
        const lang = oneOf(LANGS, value);
        if (lang) view.lang = lang;
        else reject();
        break;
      }
      default:
        // Campaign tags and the like of other programs are none of our business.
        if (!/^(utm_|fbclid|gclid)/.test(key)) reject();
    }
  }
  return { view, ignored };
}

const same = (a: readonly string[], b: readonly string[]): boolean =>
  a.length === b.length && a.every((x, i) => x === b[i]);

/** The shortest address that parses back to the view (positions to 5 decimals, zoom to 2). */
export function formatView(view: ViewState, start: ViewState = START): string {
  const q: string[] = [];
  const put = (key: string, value: string): void =>
    void q.push(`${key}=${encodeURIComponent(value).replaceAll('%2C', ',').replaceAll('%3A', ':')}`);
  if (view.lat !== start.lat || view.lon !== start.lon || view.zoom !== start.zoom)
    put('at', `${+view.lat.toFixed(5)},${+view.lon.toFixed(5)},${+view.zoom.toFixed(2)}`);
  if (view.layer !== start.layer) put('layer', view.layer);
  if (view.property !== start.property) put('p', view.property);
  if (view.level !== start.level) put('level', view.level);
  if (view.scale !== start.scale) put('scale', view.scale);
  if (view.safe) put('cvd', '1');
  if (!same(view.hide, start.hide)) put('hide', view.hide.join(','));
  if (view.time !== null) put('t', formatTime(view.time));
  if (view.was !== '') put('was', view.was);
  if (view.box !== '') put('box', view.box);
  if (view.compare.length > 0) put('compare', view.compare.join(','));
  if (view.lang !== null) put('lang', view.lang);
  return q.length === 0 ? '' : `?${q.join('&')}`;
}
