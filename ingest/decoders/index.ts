/** All formats Lamppost understands. A new one is its file and a line in `decoders`. */
import type { Decoder } from '../decoder.ts';
import { airbox } from './airbox.ts';
import { airgradient } from './airgradient.ts';
import { airrohr } from './airrohr.ts';
import { anysense } from './anysense.ts';
import { jsonBatches, lineBatches } from './batch.ts';
import { canairio } from './canairio.ts';
import { esphome } from './esphome.ts';
import { json } from './json.ts';
import { lass } from './lass.ts';
import { lassPortal } from './lass-portal.ts';
import { maps } from './maps.ts';
import { moenv } from './moenv.ts';
import { openaq } from './openaq.ts';
import { opensensemap } from './opensensemap.ts';
import { purpleair } from './purpleair.ts';
import { sensorCommunity } from './sensor-community.ts';
import { sensorthings } from './sensorthings.ts';
import { sigfox } from './sigfox.ts';
import { smartcitizen } from './smartcitizen.ts';
import { tasmota } from './tasmota.ts';

export const decoders: readonly Decoder[] = [
  json,
  lineBatches(lass),
  lineBatches(maps),
  lineBatches(anysense),
  lineBatches(airbox),
  jsonBatches(airrohr),
  opensensemap,
  jsonBatches(airgradient),
  jsonBatches(purpleair),
  esphome,
  jsonBatches(tasmota),
  sigfox,
  smartcitizen,
  canairio,
  sensorthings,
  // What feeds bring.
  lassPortal,
  sensorCommunity,
  openaq,
  moenv,
];

const byFormat = new Map(decoders.map((d) => [d.format, d]));

/** The decoder of the word in `boxes/<id>/<format>`; null = no such format. */
export const decoderFor = (format: string): Decoder | null => byFormat.get(format) ?? null;

interface Route {
  readonly levels: readonly string[];
  readonly decoder: Decoder;
}

/** Longest literal beginning first, so that `LASS/AirBox/#` wins over `LASS/#`. */
const routes: readonly Route[] = decoders
  .flatMap((decoder) => decoder.openTopics.map((filter) => ({ levels: filter.split('/'), decoder })))
  .sort((a, b) => literal(b.levels) - literal(a.levels) || b.levels.length - a.levels.length);

function literal(levels: readonly string[]): number {
  const wild = levels.findIndex((l) => l === '+' || l === '#');
  return wild < 0 ? levels.length : wild;
}

/** MQTT 3.1.1 §4.7: `+` is one level, `#` the rest, also none (`LASS/#` matches `LASS`). */
function matches(filter: readonly string[], topic: readonly string[]): boolean {
  for (let i = 0; i < filter.length; i++) {
    const level = filter[i];
    if (level === '#') return true;
    if (i >= topic.length || (level !== '+' && level !== topic[i])) return false;
  }
  return filter.length === topic.length;
}

/** Topics repeat; the table of the last ones spares the matching. Emptied when full, so senders cannot grow it. */
const known = new Map<string, Decoder | null>();
const MAX_KNOWN = 10_000;

/** The decoder for a topic: of the format it names (`boxes/<id>/<format>…`), or of the first open filter that matches. */
export function decoderForTopic(topic: string): Decoder | null {
  if (topic.startsWith('boxes/')) return decoderFor(topic.split('/', 3)[2] ?? '');
  const seen = known.get(topic);
  if (seen !== undefined) return seen;
  const levels = topic.split('/', 16);
  // A filter that begins with a wildcard does not match topics that begin with $ (MQTT-4.7.2-1).
  const decoder = topic.startsWith('$') ? null : (routes.find((r) => matches(r.levels, levels))?.decoder ?? null);
  if (known.size >= MAX_KNOWN) known.clear();
  known.set(topic, decoder);
  return decoder;
}
