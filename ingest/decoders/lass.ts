/**
 * LASS messages `|key=value|key=value…`, formats 1 to 3 (formats §1.2–1.6): LinkIt ONE, LinkIt 7688, Ameba, CompactPM25,
 * and what is re-published under `*_COPY`. Order is free; the leading pipe may be missing, or a topic and a space stand
 * before it; tokens without `=` (`|MQ`) are skipped; spaces around keys and a full-width `＝` are forgiven.
 */
import type { Decoded, Decoder } from '../decoder.ts';
import { newMessage, readingOf, takeField, type LassMessage } from './lass-message.ts';
import { rejected, textOf, topicSegment } from './text.ts';

/** The longest real message is about 600 bytes. */
const MAX_LENGTH = 16_384;
const MAX_TOKENS = 200;

/** Splits at pipes, and each token at its first equals sign. */
export function takePipes(m: LassMessage, text: string): void {
  const end = text.length;
  let eq = -1;
  let tokens = 0;
  for (let at = 0; at < end && tokens < MAX_TOKENS; tokens++) {
    let bar = text.indexOf('|', at);
    if (bar < 0) bar = end;
    if (eq < at) {
      eq = text.indexOf('=', at);
      if (eq < 0) eq = end;
    }
    if (eq < bar) {
      let from = at;
      let to = eq;
      while (from < to && text.charCodeAt(from) <= 32) from++;
      while (to > from && text.charCodeAt(to - 1) <= 32) to--;
      // `!` typed for the pipe, right behind a pipe; `@` before a message out of the box's flash log.
      const first = text.charCodeAt(from);
      if (first === 33 || first === 64) from++;
      if (to > from && to - from <= 64) takeField(m, text.slice(from, to), text, eq + 1, bar);
    } else if (bar > at) {
      const wide = text.slice(at, Math.min(bar, at + 80)).indexOf('\uff1d');
      if (wide > 0) takeField(m, text.slice(at, at + wide).trim(), text, at + wide + 1, bar);
    }
    at = bar + 1;
  }
}

/** The id in `LASS/Test/PM25/<id>` and `MAPS/MAPS6/<id>`; '' on the shared topics and on our own. */
export function lassTopicId(topic: string): string {
  if (topic.startsWith('LASS/Test/')) {
    const last = topicSegment(topic, 0);
    return topic.split('/').length === 4 && last !== 'AnySense' ? last : ''; // all AnySense boxes share one
  }
  if (topic.startsWith('MAPS/')) return topic.split('/').length >= 3 ? topicSegment(topic, 0) : '';
  return '';
}

export function decodeLass(payload: Uint8Array, topic: string): Decoded {
  if (payload.length === 0) return rejected('empty', 'an empty message: the firmware’s buffer was too small for it');
  if (payload.length > MAX_LENGTH)
    return rejected('too-long', `${payload.length} bytes; a LASS message has under 1000`);
  const m = newMessage();
  takePipes(m, textOf(payload));
  const reading = readingOf(m, '');
  if (typeof reading === 'string') {
    if (m.header.ver_format === '0') return rejected('user-defined', reading);
    return rejected(m.header.app === undefined && m.header.device_id === undefined ? 'not-lass' : 'no-values', reading);
  }
  if (reading.nativeId === '') {
    const id = lassTopicId(topic);
    if (id !== '') return { ok: true, readings: [{ ...reading, nativeId: id }] };
  }
  return { ok: true, readings: [reading] };
}

export const lass: Decoder = { format: 'lass', openTopics: ['LASS/#'], decode: decodeLass };
