import type { Measurement, SimBox } from '../box.ts';

/** Writes what a kind of box sends, from its documents (never from our decoders, so that each checks the other). */
export interface PayloadWriter {
  readonly format: string;
  /** Topic on which an unregistered box of this kind publishes; '' = it has no such habit. */
  openTopic(box: SimBox): string;
  /** One message; `batch` = several measurements in one, where the format has such a thing. */
  write(box: SimBox, measurements: readonly Measurement[], batch: boolean): string | Buffer;
  /**
   * For boxes that send one measurement as several messages (ESPHome): all of them, with their topics.
   * `ownPrefix` is `boxes/<id>` of a registered box, '' of others.
   */
  messages?(box: SimBox, measurement: Measurement, ownPrefix: string): { topic: string; payload: string | Buffer }[];
}
