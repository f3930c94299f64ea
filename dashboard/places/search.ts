/** Search over counties, townships, villages and boxes, in Chinese and English, forgiving about 台/臺, case and suffixes. Pure. */
import type { PlaceRow } from './atlas.ts';

export interface Hit {
  readonly kind: 'county' | 'town' | 'village' | 'box' | 'position';
  readonly name: string;
  readonly within: string;
  readonly lat: number;
  readonly lon: number;
  readonly zoom: number;
  /** Id of a box, '' otherwise. */
  readonly box: string;
}

const ZOOM = { county: 9.6, town: 12.3, village: 14, box: 15, position: 14 } as const;

/** What two spellings of one name have in common. */
export const fold = (text: string): string =>
  text
    .normalize('NFKC')
    .toLowerCase()
    .replaceAll('台', '臺')
    .replaceAll(/[\s,、,。.'’·・_-]+/g, '');

const POSITION = /^\s*(-?\d{1,2}(?:\.\d+)?)\s*[,,\s]\s*(-?\d{1,3}(?:\.\d+)?)\s*$/;

/** Smaller is better; Infinity = no match. */
function score(q: string, name: string, whole: string): number {
  if (name === '' || q === '') return Infinity;
  if (name === q) return 0;
  if (name.startsWith(q)) return 1 + (name.length - q.length) / 100;
  if (whole.startsWith(q)) return 2;
  if (name.includes(q)) return 3;
  if (whole.includes(q)) return 4;
  return Infinity;
}

const RANK = { county: 0, town: 0.2, village: 0.6 } as const;

export function search(
  query: string,
  lang: 'zh-TW' | 'en',
  places: readonly PlaceRow[],
  boxes: {
    readonly ids: readonly string[];
    readonly names: readonly string[];
    readonly lat: Float64Array;
    readonly lon: Float64Array;
  },
  limit = 8,
): Hit[] {
  const position = POSITION.exec(query.slice(0, 60));
  if (position) {
    const [lat, lon] = [Number(position[1]), Number(position[2])] as [number, number];
    if (Math.abs(lat) <= 85 && Math.abs(lon) <= 180)
      return [{ kind: 'position', name: `${lat}, ${lon}`, within: '', lat, lon, zoom: ZOOM.position, box: '' }];
  }
  const q = fold(query.slice(0, 60));
  if (q === '') return [];
  const found: { hit: Hit; score: number }[] = [];
  for (const place of places) {
    const [kind, , zh, en, inZh, inEn, lon, lat] = place;
    const k = keysOf(place);
    const s =
      Math.min(
        score(q, k.zh, k.wholeZh),
        score(q, k.en, k.wholeEn),
        score(q, k.en, k.reverseEn),
        k.shortZh.startsWith(q) ? 2.2 : Infinity,
      ) + RANK[kind];
    if (s === Infinity) continue;
    const [name, within] = lang === 'en' && en !== '' ? [en, inEn] : [zh, inZh];
    found.push({ hit: { kind, name, within, lat, lon, zoom: ZOOM[kind], box: '' }, score: s });
  }
  if (q.length >= 2)
    for (let i = 0; i < boxes.ids.length && found.length < 400; i++) {
      const id = boxes.ids[i] as string;
      const name = boxes.names[i] ?? '';
      const s = Math.min(score(q, fold(name), fold(name)), score(q, fold(id), fold(id))) + 0.8;
      if (s === Infinity) continue;
      found.push({
        hit: {
          kind: 'box',
          name: name || id,
          within: '',
          lat: boxes.lat[i] as number,
          lon: boxes.lon[i] as number,
          zoom: ZOOM.box,
          box: id,
        },
        score: s,
      });
    }
  return found
    .sort((a, b) => a.score - b.score)
    .slice(0, limit)
    .map((f) => f.hit);
}

interface Keys {
  readonly zh: string;
  readonly wholeZh: string;
  /** 臺北信義 for 臺北市信義區: the suffixes of the larger place are often left out. */
  readonly shortZh: string;
  readonly en: string;
  readonly wholeEn: string;
  readonly reverseEn: string;
}

/** Folding 8,000 names takes longer than a key press may; it is done once. */
const keys = new WeakMap<PlaceRow, Keys>();
function keysOf(place: PlaceRow): Keys {
  let k = keys.get(place);
  if (!k) {
    const [zh, en, inZh, inEn] = [fold(place[2]), fold(place[3]), fold(place[4]), fold(place[5])];
    k = {
      zh,
      wholeZh: inZh + zh,
      shortZh: inZh === '' ? '-' : inZh.replaceAll(/[縣市區鄉鎮]/g, '') + zh,
      en,
      wholeEn: inEn + en,
      reverseEn: en + inEn,
    };
    keys.set(place, k);
  }
  return k;
}
