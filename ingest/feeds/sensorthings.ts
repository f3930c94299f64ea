/**
 * A SensorThings server that is polled (Civil IoT Taiwan): pages of Things with their places, datastreams and newest
 * Observations; only Things with an Observation that is new go on. Links to further pages are followed on the same server only.
 */
import { fetchDocument, noValidators } from './document.ts';
import { FeedError, polledFeed, type Feed, type FeedParts } from './feed.ts';
import { feedPacket, novelty } from './records.ts';

const MAX_BYTES = 16 * 1024 * 1024;
/** Twice the pages of the largest service (10,000 Things, 100 a page). */
const MAX_PAGES = 200;
const THINGS_A_PACKET = 100;

export interface SensorThingsFeedOptions {
  readonly name: string;
  /** `https://…/v1.0`, the service root. */
  readonly url: string;
  /** `$filter` for Things, '' = all. */
  readonly filter: string;
  /** Observations of each datastream a poll asks for. */
  readonly observations: number;
  readonly intervalMs: number;
}

export function thingsUrl(options: Pick<SensorThingsFeedOptions, 'url' | 'filter' | 'observations'>): string {
  const observations = `Observations($orderby=phenomenonTime desc;$top=${options.observations})`;
  const query = new URLSearchParams({
    $expand: `Locations,Datastreams($expand=${observations})`,
    $top: '100',
    ...(options.filter ? { $filter: options.filter } : {}),
  });
  return `${options.url.replace(/\/+$/, '')}/Things?${query.toString()}`;
}

type Entity = Record<string, unknown>;
const listOf = (value: unknown): Entity[] =>
  Array.isArray(value) ? value.filter((v): v is Entity => typeof v === 'object' && v !== null) : [];

/** The newest phenomenon times of a Thing's streams: what makes it new. */
const newest = (thing: Entity): string =>
  listOf(thing['Datastreams'])
    .map((d) =>
      listOf(d['Observations'])
        .map((o) => `${String(o['phenomenonTime'])}=${String(o['result'])}`)
        .join(','),
    )
    .join(';');

export function sensorThingsFeed(options: SensorThingsFeedOptions, parts: FeedParts): Feed {
  const seen = novelty(50_000);
  const origin = new URL(options.url).origin;

  async function deliver(things: readonly Entity[]): Promise<number> {
    const fresh = things.filter((t) => /=/.test(newest(t)) && seen.isNew(String(t['@iot.id']), newest(t)));
    let packets = 0;
    for (let i = 0; i < fresh.length; i += THINGS_A_PACKET) {
      const group = fresh.slice(i, i + THINGS_A_PACKET);
      const source = { feed: options.name, topic: `feeds/sensorthings/${options.name}`, receivedAt: parts.clock() };
      await parts.accept(feedPacket(source, Buffer.from(JSON.stringify({ value: group }))));
      for (const thing of group) seen.delivered(String(thing['@iot.id']), newest(thing));
      packets++;
    }
    return packets;
  }

  return polledFeed(
    {
      name: options.name,
      kind: 'sensorthings',
      intervalMs: options.intervalMs,
      async poll(signal) {
        let packets = 0;
        let next: string | null = thingsUrl(options);
        for (let page = 0; next !== null; page++) {
          if (page >= MAX_PAGES) throw new FeedError(`more than ${MAX_PAGES} pages; narrow the filter`);
          // Pages change with every observation: a condition on the old one would not help.
          const document = await fetchDocument(next, noValidators(), { maxBytes: MAX_BYTES, signal }, parts);
          let body: Entity;
          try {
            body = JSON.parse(document?.bytes.toString('utf8') ?? '') as Entity;
          } catch (error) {
            throw new FeedError('a page is no JSON', null, error);
          }
          if (!Array.isArray(body?.['value'])) throw new FeedError('a page has no list of Things');
          packets += await deliver(listOf(body['value']));
          const link = body['@iot.nextLink'];
          next = typeof link === 'string' && link !== '' ? sameServer(link, origin) : null;
        }
        return { packets };
      },
    },
    parts,
  );
}

function sameServer(link: string, origin: string): string {
  const url = new URL(link, origin);
  // Behind a proxy servers write http where they are https.
  if (url.host === new URL(origin).host) url.protocol = new URL(origin).protocol;
  if (url.origin !== origin) throw new FeedError(`the next page is on another server (${url.host})`);
  return url.href;
}
