/**
 * Remembers packets whose readings have no time of their own, so that a redelivery counts once (design §1: same sender, packet
 * id and payload within 10 minutes).
 *
 * Bounded: 48-bit fingerprints in two open-addressed tables, the current ten minutes and the ten before, 12 bytes a slot.
 * When a table holds `capacity` fingerprints it is rotated early; memory stays, only the oldest ones are forgotten.
 */
import { hash } from 'node:crypto';
import type { Packet } from '../model/packet.ts';
import { MINUTE, type EpochMs } from '../model/time.ts';

export const DUPLICATE_WINDOW = 10 * MINUTE;
/** At most 75 % of 2^22 slots: 2 × 50 MB; ten minutes of 5,200 packets/s without own time. */
const DEFAULT_CAPACITY = 3 * 2 ** 20;
const FIRST_SLOTS = 1024;

/** The low 48 bits of a SHA-1 over what identifies a delivery; never 0. The sender of an anonymous packet is its client id. */
export function fingerprint(packet: Packet): number {
  const head = `${packet.via}\0${packet.sender || `?${packet.client}`}\0${packet.topic}\0${packet.packetId}\0`;
  const digest = hash('sha1', Buffer.concat([Buffer.from(head), packet.payload]), 'buffer');
  return digest.readUIntBE(0, 6) || 1;
}

interface Table {
  keys: Float64Array;
  /** Receive time [s] of the first delivery. */
  seconds: Uint32Array;
  used: number;
  since: EpochMs;
}

const emptyTable = (since: EpochMs, slots = FIRST_SLOTS): Table => ({
  keys: new Float64Array(slots),
  seconds: new Uint32Array(slots),
  used: 0,
  since,
});

function slotOf(table: Table, key: number): number {
  const mask = table.keys.length - 1;
  let at = (key ^ (key / 2 ** 24)) & mask;
  while (table.keys[at] !== 0 && table.keys[at] !== key) at = (at + 1) & mask;
  return at;
}

export interface RecentPacketsState {
  readonly tables: readonly Table[];
}

export interface RecentPackets {
  /** True when the same delivery was seen less than ten minutes before `receivedAt`; otherwise remembers it. */
  seen(key: number, receivedAt: EpochMs): boolean;
  size(): number;
  state(): RecentPacketsState;
  restore(state: RecentPacketsState): void;
}

export function recentPackets(capacity = DEFAULT_CAPACITY): RecentPackets {
  let current = emptyTable(0);
  let previous = emptyTable(0);

  const insert = (table: Table, key: number, second: number): void => {
    const at = slotOf(table, key);
    if (table.keys[at] === 0) {
      table.keys[at] = key;
      table.used++;
    }
    table.seconds[at] = second;
  };
  const grow = (): void => {
    const bigger = emptyTable(current.since, current.keys.length * 2);
    for (let i = 0; i < current.keys.length; i++) {
      if (current.keys[i] !== 0) insert(bigger, current.keys[i] as number, current.seconds[i] as number);
    }
    current = bigger;
  };
  const seenIn = (table: Table, key: number, receivedAt: EpochMs): boolean => {
    const at = slotOf(table, key);
    // One direction only: a receive clock that was set back must not turn old packets into news.
    return table.keys[at] === key && receivedAt - (table.seconds[at] as number) * 1000 < DUPLICATE_WINDOW;
  };

  return {
    seen(key, receivedAt) {
      if (current.used === 0) current.since = receivedAt;
      // Ahead or back: what was remembered by a clock that was wrong goes after two windows of the right one.
      if (Math.abs(receivedAt - current.since) >= DUPLICATE_WINDOW || current.used >= capacity) {
        previous = current;
        current = emptyTable(receivedAt);
      }
      if (seenIn(current, key, receivedAt) || seenIn(previous, key, receivedAt)) return true;
      if (current.used >= current.keys.length * 0.75) grow();
      insert(current, key, Math.floor(receivedAt / 1000));
      return false;
    },
    size: () => current.used + previous.used,
    state: () => ({ tables: [current, previous] }),
    restore(state) {
      const [a, b] = state.tables;
      if (a && b) [current, previous] = [a, b];
    },
  };
}
