/**
 * Taiwan's national stations (MOENV `aqx_p_432`, in any shape it had) as reference stations: each record goes to the topic of
 * its own station, as if the station had sent it. The api key stands in the address and is told to nobody.
 */
import { recordsOf, stationReading } from '../decoders/moenv.ts';
import { fetchDocument, noValidators } from './document.ts';
import { FeedError, polledFeed, type Feed, type FeedParts } from './feed.ts';
import { feedPacket, novelty } from './records.ts';
import type { Stations } from './stations.ts';

const MAX_BYTES = 8 * 1024 * 1024;

export interface MoenvFeedOptions {
  readonly name: string;
  readonly url: string;
  readonly intervalMs: number;
}

export function moenvFeed(options: MoenvFeedOptions, stations: Stations, parts: FeedParts): Feed {
  let known = noValidators();
  const seen = novelty(10_000);
  return polledFeed(
    {
      name: options.name,
      kind: 'moenv',
      intervalMs: options.intervalMs,
      async poll(signal) {
        const document = await fetchDocument(options.url, known, { maxBytes: MAX_BYTES, signal }, parts);
        if (!document) return { packets: 0 };
        let body: unknown;
        try {
          body = JSON.parse(document.bytes.toString('utf8')) as unknown;
        } catch (error) {
          throw new FeedError('the answer is no JSON; is the api key valid?', null, error);
        }
        const records = recordsOf(body);
        if (!records) throw new FeedError('the answer is JSON, but no list of stations');
        let packets = 0;
        let understood = 0;
        for (const record of records) {
          if (typeof record !== 'object' || record === null) continue;
          const reading = stationReading(record as Record<string, unknown>);
          // Maintenance, a daily mean, no value: no reference; the next hour is asked again.
          if ('code' in reading) {
            if (reading.code === 'maintenance' || reading.code === 'no-values') understood++;
            continue;
          }
          understood++;
          const content = JSON.stringify(record);
          if (!seen.isNew(reading.nativeId, content)) continue;
          const id = stations.idOf(reading);
          const source = { feed: options.name, topic: `boxes/${id}/moenv`, receivedAt: parts.clock() };
          await parts.accept(feedPacket(source, Buffer.from(content), id));
          seen.delivered(reading.nativeId, content);
          packets++;
        }
        if (understood === 0) throw new FeedError('no record is one of a station');
        known = document.validators;
        return { packets };
      },
    },
    parts,
  );
}
