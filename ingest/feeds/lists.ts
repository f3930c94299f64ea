/** Feeds that are one JSON list, published whole: the LASS portal's `last-all-*.json` and Sensor.Community's static file. */
import { FeedError, polledFeed, type Feed, type FeedParts } from './feed.ts';
import { fetchDocument, noValidators } from './document.ts';
import { deliverNew, novelty } from './records.ts';

const MAX_BYTES = 64 * 1024 * 1024;

const field = (record: unknown, name: string): unknown =>
  typeof record === 'object' && record !== null ? (record as Record<string, unknown>)[name] : undefined;
const word = (value: unknown): string | null =>
  typeof value === 'string' && value !== '' ? value : typeof value === 'number' ? String(value) : null;

interface ListKind {
  readonly kind: string;
  readonly topic: string;
  /** The records in the document, null = it is none. */
  recordsOf(body: unknown): readonly unknown[] | null;
  keyOf(record: unknown): string | null;
}

export const LASS_PORTAL: ListKind = {
  kind: 'lass-portal',
  topic: 'feeds/lass-portal',
  recordsOf: (body) => (Array.isArray(field(body, 'feeds')) ? (field(body, 'feeds') as unknown[]) : null),
  keyOf: (record) => word(field(record, 'device_id')) ?? word(field(record, 'SiteName')),
};

export const SENSOR_COMMUNITY: ListKind = {
  kind: 'sensor-community',
  topic: 'feeds/sensor-community',
  recordsOf: (body) => (Array.isArray(body) ? (body as unknown[]) : null),
  // Two records of one chip stand in a five-minute file: both are its own.
  keyOf: (record) => {
    const id = word(field(field(record, 'sensor'), 'id'));
    const time = word(field(record, 'timestamp'));
    return id === null || time === null ? null : `${id} ${time}`;
  },
};

/** JSON, also with garbage behind its end (seen at Sensor.Community). */
function parse(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch (error) {
    const end = Math.max(text.lastIndexOf(']'), text.lastIndexOf('}'));
    try {
      return JSON.parse(text.slice(0, end + 1)) as unknown;
    } catch {
      throw new FeedError('the answer is no JSON', null, error);
    }
  }
}

export interface ListFeedOptions {
  readonly name: string;
  readonly url: string;
  readonly intervalMs: number;
}

export function listFeed(kind: ListKind, options: ListFeedOptions, parts: FeedParts): Feed {
  let known = noValidators();
  const seen = novelty();
  return polledFeed(
    {
      name: options.name,
      kind: kind.kind,
      intervalMs: options.intervalMs,
      async poll(signal) {
        const document = await fetchDocument(options.url, known, { maxBytes: MAX_BYTES, signal }, parts);
        if (!document) return { packets: 0 };
        const records = kind.recordsOf(parse(document.bytes.toString('utf8')));
        if (!records) throw new FeedError('the answer is JSON, but not the list this feed expects');
        const source = { feed: options.name, topic: kind.topic, receivedAt: parts.clock() };
        const packets = await deliverNew(records, (r) => kind.keyOf(r), seen, source, parts.accept);
        known = document.validators;
        return { packets };
      },
    },
    parts,
  );
}
