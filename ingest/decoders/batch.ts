/**
 * Batches (`boxes/<id>/<format>/batch`) of formats that have none of their own: a JSON array of the same objects, or lines of
 * text, as an offline buffer or an SD card holds them. Each item is decoded by itself; what one cannot be read for is noted.
 */
import type { Decoded, DecodedReading, Decoder } from '../decoder.ts';
import { jsonIn, MAX_BOX_PAYLOAD, note, rejected, textOf } from './text.ts';

const MAX_ITEMS = 5000;

function together(items: readonly Uint8Array[], topic: string, decoder: Pick<Decoder, 'decode'>): Decoded {
  if (items.length > MAX_ITEMS) return rejected('too-long', `${items.length} items in one batch; at most ${MAX_ITEMS}`);
  const readings: DecodedReading[] = [];
  const bad: string[] = [];
  let code = 'no-values';
  for (const [i, item] of items.entries()) {
    const decoded = decoder.decode(item, topic);
    if (decoded.ok) readings.push(...decoded.readings);
    else {
      code = decoded.code;
      note(bad, `item ${i}: ${decoded.detail}`);
    }
  }
  const first = readings[0];
  if (!first) return rejected(code, bad.join('; ') || 'the batch is empty');
  if (bad.length > 0) readings[0] = { ...first, notes: [...(first.notes ?? []), ...bad] };
  return { ok: true, readings };
}

const isBatch = (topic: string): boolean => topic.startsWith('boxes/') && topic.endsWith('/batch');
const single = (topic: string): string => topic.slice(0, -'/batch'.length);

/** A JSON array of what the decoder takes one by one. */
export function jsonBatches(decoder: Decoder): Decoder {
  return {
    ...decoder,
    decode(payload, topic) {
      if (!isBatch(topic) || payload.length > MAX_BOX_PAYLOAD) return decoder.decode(payload, topic);
      const body = jsonIn(textOf(payload));
      if (!Array.isArray(body)) return decoder.decode(payload, single(topic));
      const items = body.slice(0, MAX_ITEMS + 1).map((item) => Buffer.from(JSON.stringify(item) ?? 'null'));
      return together(items, single(topic), decoder);
    },
  };
}

/** Lines, as LinkIt ONE logs them to its flash: each with an `@` in front, or without. */
export function lineBatches(decoder: Decoder): Decoder {
  return {
    ...decoder,
    decode(payload, topic) {
      if (!isBatch(topic) || payload.length > MAX_BOX_PAYLOAD) return decoder.decode(payload, topic);
      const text = textOf(payload);
      if (/^\s*[[{]/.test(text.slice(0, 50))) return decoder.decode(payload, single(topic));
      const lines = text.split('\n', MAX_ITEMS + 2).filter((l) => l.trim() !== '');
      return together(
        lines.map((l) => Buffer.from(l)),
        single(topic),
        decoder,
      );
    },
  };
}
