/** What an operator says about a feed, in `lamppost.config.json` under `feeds`; docs/feeds.md explains it. */
import { z } from 'zod';

const name = z.string().regex(/^[a-z0-9-]{1,40}$/, 'a-z, 0-9 and -, at most 40');
const http = z.url({ protocol: /^https?$/ });
/** Seconds between polls; nobody's server is asked more than twice a minute. */
const interval = (seconds: number): z.ZodDefault<z.ZodNumber> => z.number().int().min(30).max(86_400).default(seconds);

export const feedSettings = z.array(
  z.discriminatedUnion('kind', [
    z.strictObject({
      kind: z.literal('mqtt'),
      name,
      url: z.url({ protocol: /^(mqtts?|wss?)$/ }),
      topics: z.array(z.string().min(1).max(200)).min(1).max(50),
      clientId: z.string().min(1).max(60),
      username: z.string().max(200).optional(),
      password: z.string().max(200).optional(),
      prefix: z.string().max(100).optional(),
    }),
    z.strictObject({ kind: z.literal('lass-portal'), name, url: http, interval: interval(300) }),
    z.strictObject({ kind: z.literal('sensor-community'), name, url: http, interval: interval(300) }),
    z.strictObject({
      kind: z.literal('sensorthings'),
      name,
      url: http,
      filter: z.string().max(500).default(''),
      observations: z.number().int().min(1).max(50).default(3),
      interval: interval(180),
    }),
    z.strictObject({
      kind: z.literal('openaq'),
      name,
      url: http.default('https://openaq-data-archive.s3.amazonaws.com'),
      locations: z.array(z.number().int().positive()).min(1).max(500),
      days: z.number().int().min(1).max(60).default(7),
      interval: interval(6 * 3600),
    }),
    // Hourly values, published some minutes after the hour.
    z.strictObject({ kind: z.literal('moenv'), name, url: http, interval: interval(600) }),
  ]),
);
export type FeedSettings = z.infer<typeof feedSettings>;
