/**
 * Network addresses are personal data with a stated life. They stand in one file a day in the data folder, for an operator who
 * has to find out who knocks; files older than `PERSONAL_LIFE` are deleted. The log itself, which goes wherever stderr goes and
 * stays there for as long as others want, names no address.
 */
import { appendFileSync, mkdirSync, readdirSync, rmSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { DAY, formatTime, startOfDay, type Clock } from '../model/time.ts';
import { PERSONAL_LIFE } from '../registry/care.ts';
import type { Log } from './log.ts';

/** A day's file grows no further than this [bytes]. */
const MAX_BYTES = 32 << 20;
const FILE = /^(\d{4}-\d{2}-\d{2})\.jsonl$/;

export interface AccessLog {
  /** Writes as `log` does, but what names an `address` goes into the file, and into the log without it. */
  readonly log: Log;
  /** Deletes the files whose time is over; how many. */
  prune(now: number): number;
}

/** @param life how long addresses are kept [ms] */
export function openAccessLog(folder: string, log: Log, clock: Clock = Date.now, life = PERSONAL_LIFE): AccessLog {
  let day = '';
  let bytes = 0;
  const keep = (line: string): void => {
    const today = formatTime(clock()).slice(0, 10);
    const path = join(folder, `${today}.jsonl`);
    if (today !== day) {
      mkdirSync(folder, { recursive: true, mode: 0o700 });
      day = today;
      bytes = statSync(path, { throwIfNoEntry: false })?.size ?? 0;
    }
    if (bytes + line.length > MAX_BYTES) return;
    appendFileSync(path, line, { mode: 0o600 });
    bytes += line.length;
  };
  const split =
    (level: 'error' | 'warn' | 'info' | 'debug') =>
    (details: object, message: string): void => {
      if (!('address' in details)) {
        log[level](details, message);
        return;
      }
      const { address, ...rest } = details;
      log[level](rest, message);
      try {
        if (address) keep(`${JSON.stringify({ time: formatTime(clock()), address, message, ...rest })}\n`);
      } catch (error) {
        log.error({ error: String(error) }, 'the access log cannot be written');
      }
    };
  return {
    log: { error: split('error'), warn: split('warn'), info: split('info'), debug: split('debug') },
    prune(now) {
      // The day as a whole: its last line is the one that has to be old enough.
      const oldest = startOfDay(now - life);
      let gone = 0;
      for (const name of readdirSafely(folder)) {
        const date = FILE.exec(name)?.[1];
        if (date === undefined || Date.parse(`${date}T00:00:00Z`) + DAY > oldest) continue;
        rmSync(join(folder, name), { force: true });
        gone++;
      }
      return gone;
    },
  };
}

function readdirSafely(folder: string): string[] {
  try {
    return readdirSync(folder);
  } catch {
    return []; // Nobody was refused yet.
  }
}
