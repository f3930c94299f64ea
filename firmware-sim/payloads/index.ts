import type { Measurement, SimBox } from '../box.ts';
import { airbox } from './airbox.ts';
import { airgradient } from './airgradient.ts';
import { airrohr } from './airrohr.ts';
import { anysense } from './anysense.ts';
import { canairio } from './canairio.ts';
import { esphome } from './esphome.ts';
import { json } from './json.ts';
import { lass } from './lass.ts';
import { maps } from './maps.ts';
import { opensensemap } from './opensensemap.ts';
import { purpleair } from './purpleair.ts';
import { sensorthings } from './sensorthings.ts';
import { sigfox } from './sigfox.ts';
import { smartcitizen } from './smartcitizen.ts';
import { tasmota } from './tasmota.ts';
import type { PayloadWriter } from './writer.ts';

/** Every kind of box the simulator can be: a new one is one file and a line here. */
export const PAYLOAD_WRITERS: readonly PayloadWriter[] = [
  json,
  lass,
  maps,
  anysense,
  airbox,
  airrohr,
  opensensemap,
  airgradient,
  purpleair,
  esphome,
  tasmota,
  smartcitizen,
  canairio,
  sigfox,
  sensorthings,
];

const byFormat = new Map(PAYLOAD_WRITERS.map((w) => [w.format, w]));
export const payloadFormats = (): string[] => [...byFormat.keys()];

/** @throws RangeError for a format that no writer speaks */
export function writePayload(
  format: string,
  box: SimBox,
  measurements: readonly Measurement[],
  batch: boolean,
): { payload: string | Buffer; openTopic: string } {
  const writer = byFormat.get(format);
  if (!writer) throw new RangeError(`unknown format "${format}"; known: ${payloadFormats().join(', ')}`);
  return { payload: writer.write(box, measurements, batch), openTopic: writer.openTopic(box) };
}

/** The several messages of one measurement; null for boxes that send one message. @throws RangeError as above */
export function writeMessages(
  format: string,
  box: SimBox,
  measurement: Measurement,
  ownPrefix: string,
): { topic: string; payload: string | Buffer }[] | null {
  const writer = byFormat.get(format);
  if (!writer) throw new RangeError(`unknown format "${format}"; known: ${payloadFormats().join(', ')}`);
  return writer.messages?.(box, measurement, ownPrefix) ?? null;
}
