/**
 * OpenAQ's archive: one gzipped CSV a location and day, written about 72 hours after the day's end. Days that are not there
 * yet are asked again; days that came are asked on condition that they changed.
 */
import { DAY, type EpochMs } from '../../model/time.ts';
import { fetchDocument, noValidators, type Validators } from './document.ts';
import { polledFeed, type Feed, type FeedParts } from './feed.ts';
import { feedPacket } from './records.ts';

const MAX_BYTES = 16 * 1024 * 1024;

export interface OpenAqFeedOptions {
  readonly name: string;
  /** `https://openaq-data-archive.s3.amazonaws.com` */
  readonly url: string;
  readonly locations: readonly number[];
  /** How many days back a poll looks. */
  readonly days: number;
  readonly intervalMs: number;
}

/** `records/csv.gz/locationid=N/year=Y/month=MM/location-N-YYYYMMDD.csv.gz` */
export function archivePath(location: number, day: EpochMs): string {
  const [y, m, d] = new Date(day).toISOString().slice(0, 10).split('-') as [string, string, string];
  return `records/csv.gz/locationid=${location}/year=${y}/month=${m}/location-${location}-${y}${m}${d}.csv.gz`;
}

export function openAqFeed(options: OpenAqFeedOptions, parts: FeedParts): Feed {
  const known = new Map<string, Validators>();
  return polledFeed(
    {
      name: options.name,
      kind: 'openaq',
      intervalMs: options.intervalMs,
      async poll(signal) {
        const today = Math.floor(parts.clock() / DAY) * DAY;
        let packets = 0;
        const asked = new Set<string>();
        for (const location of options.locations) {
          for (let back = options.days; back >= 1; back--) {
            const path = archivePath(location, today - back * DAY);
            asked.add(path);
            const document = await fetchDocument(
              `${options.url.replace(/\/+$/, '')}/${path}`,
              known.get(path) ?? noValidators(),
              { maxBytes: MAX_BYTES, signal, missingIsNull: true },
              parts,
            );
            if (!document) continue;
            const source = { feed: options.name, topic: `feeds/openaq/${location}`, receivedAt: parts.clock() };
            await parts.accept(feedPacket(source, document.bytes));
            known.set(path, document.validators);
            packets++;
          }
        }
        for (const path of known.keys()) if (!asked.has(path)) known.delete(path);
        return { packets };
      },
    },
    parts,
  );
}
