import type { Measurement, SimBox } from '../box.ts';
import { json } from './json.ts';
import type { PayloadWriter } from './writer.ts';

/** Every kind of box the simulator can be: a new one is one file and a line here. */
export const PAYLOAD_WRITERS: readonly PayloadWriter[] = [json];

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
