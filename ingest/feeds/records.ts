/**
 * Lists that are published whole every few minutes hold mostly what was there before: only records that are new go on, in
 * packets of a few hundred, so that the journal does not grow by the whole country at every poll.
 */
import { createHash } from 'node:crypto';
import type { Accept } from './feed.ts';
import type { Packet } from '../../model/packet.ts';
import type { EpochMs } from '../../model/time.ts';

const RECORDS_A_PACKET = 250;

export interface RecordSource {
  readonly feed: string;
  readonly topic: string;
  readonly receivedAt: EpochMs;
}

export const feedPacket = (source: RecordSource, payload: Uint8Array, sender = ''): Packet => ({
  receivedAt: source.receivedAt,
  via: 'feed',
  topic: source.topic,
  sender,
  client: `feed:${source.feed}`,
  packetId: 0,
  payload,
});

/** Remembers, per key, what was last delivered. */
export interface Novelty {
  /** Whether this record of that key has not been delivered yet. */
  isNew(key: string, content: string): boolean;
  delivered(key: string, content: string): void;
  readonly size: number;
}

/** @param max keys remembered; beyond it the oldest are forgotten (and then delivered once more, which does no harm) */
export function novelty(max = 200_000): Novelty {
  const last = new Map<string, string>();
  const short = (content: string): string => createHash('sha1').update(content).digest('base64').slice(0, 12);
  return {
    isNew: (key, content) => last.get(key) !== short(content),
    delivered(key, content) {
      last.delete(key);
      last.set(key, short(content));
      if (last.size > max) last.delete(last.keys().next().value as string);
    },
    get size() {
      return last.size;
    },
  };
}

/** Delivers the records that are new, as JSON arrays. @returns the number of packets */
export async function deliverNew(
  records: readonly unknown[],
  keyOf: (record: unknown) => string | null,
  seen: Novelty,
  source: RecordSource,
  accept: Accept,
): Promise<number> {
  const fresh: { key: string; content: string }[] = [];
  for (const record of records) {
    const key = keyOf(record);
    if (key === null) continue;
    const content = JSON.stringify(record);
    if (seen.isNew(key, content)) fresh.push({ key, content });
  }
  let packets = 0;
  for (let i = 0; i < fresh.length; i += RECORDS_A_PACKET) {
    const group = fresh.slice(i, i + RECORDS_A_PACKET);
    await accept(feedPacket(source, Buffer.from(`[${group.map((g) => g.content).join(',')}]`)));
    for (const g of group) seen.delivered(g.key, g.content);
    packets++;
  }
  return packets;
}
