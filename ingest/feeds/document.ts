/**
 * One document of another server, fetched politely: conditional requests (`If-None-Match`, `If-Modified-Since`), a bound on
 * size and time, gzip, and a hash for servers that know neither ETag nor Last-Modified.
 */
import { createHash } from 'node:crypto';
import { gunzipSync } from 'node:zlib';
import { SECOND } from '../../model/time.ts';
import { FeedError, type FeedParts } from './feed.ts';

const TIMEOUT = 60 * SECOND;

/** What the last answer said about its version. */
export interface Validators {
  etag: string | null;
  lastModified: string | null;
  hash: string | null;
}
export const noValidators = (): Validators => ({ etag: null, lastModified: null, hash: null });

export interface FetchOptions {
  readonly headers?: Readonly<Record<string, string>>;
  readonly maxBytes: number;
  readonly signal: AbortSignal;
  /** 404 gives null instead of an error: the file is not there yet. */
  readonly missingIsNull?: boolean;
}

export interface Document {
  readonly bytes: Buffer;
  /** To be kept once everything in the document is on disk: only then may the next request be conditional on it. */
  readonly validators: Validators;
}

/** Seconds, or an HTTP date. */
function retryAfterMs(value: string | null, now: number): number | null {
  if (value === null) return null;
  if (/^\d{1,6}$/.test(value.trim())) return Number(value) * 1000;
  const at = Date.parse(value);
  return Number.isNaN(at) ? null : Math.max(0, at - now);
}

async function bounded(response: Response, maxBytes: number): Promise<Buffer> {
  const tooLong = (): FeedError => new FeedError(`the answer is longer than ${maxBytes} bytes`);
  const announced = Number(response.headers.get('content-length') ?? 0);
  if (announced > maxBytes) {
    await response.body?.cancel();
    throw tooLong();
  }
  const chunks: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of (response.body ?? []) as AsyncIterable<Uint8Array>) {
    size += chunk.length;
    if (size > maxBytes) throw tooLong();
    chunks.push(chunk);
  }
  const bytes = Buffer.concat(chunks);
  // A .gz file served as it is (fetch undoes Content-Encoding by itself).
  if (bytes[0] !== 0x1f || bytes[1] !== 0x8b) return bytes;
  try {
    return gunzipSync(bytes, { maxOutputLength: maxBytes });
  } catch (error) {
    throw new FeedError(`the gzip file cannot be unpacked within ${maxBytes} bytes`, null, error);
  }
}

/**
 * @returns null when the document is the one that `known` describes (or, with `missingIsNull`, is not there)
 * @throws FeedError for any other status, and what fetch throws when there is no answer
 */
export async function fetchDocument(
  url: string,
  known: Validators,
  options: FetchOptions,
  parts: FeedParts,
): Promise<Document | null> {
  const response = await (parts.fetch ?? fetch)(url, {
    headers: {
      'user-agent': 'Lamppost (community air quality; polls politely)',
      'accept-encoding': 'gzip',
      ...(known.etag ? { 'if-none-match': known.etag } : {}),
      ...(known.lastModified ? { 'if-modified-since': known.lastModified } : {}),
      ...options.headers,
    },
    signal: AbortSignal.any([options.signal, AbortSignal.timeout(TIMEOUT)]),
    redirect: 'follow',
  });
  if (response.status === 304 || (response.status === 404 && options.missingIsNull)) {
    await response.body?.cancel();
    return null;
  }
  if (!response.ok) {
    await response.body?.cancel();
    throw new FeedError(
      `the server answered ${response.status} ${response.statusText}`.trim(),
      retryAfterMs(response.headers.get('retry-after'), parts.clock()),
    );
  }
  const bytes = await bounded(response, options.maxBytes);
  const hash = createHash('sha256').update(bytes).digest('hex');
  if (hash === known.hash) return null;
  return {
    bytes,
    validators: { etag: response.headers.get('etag'), lastModified: response.headers.get('last-modified'), hash },
  };
}
