import { EARLIEST_BOX_TIME, MAX_CLOCK_AHEAD, type EpochMs } from '../model/time.ts';

export interface JudgedTime {
  readonly phenomenonTime: EpochMs;
  readonly clock: 'box' | 'received';
}

/**
 * Whose clock counts (design §1). A box time is believed when it is a number, not before 2015 and at most two minutes ahead of
 * the receive time; anything older is accepted however late. Otherwise the receive time stands in, and the reading says so.
 * `boxTime` null = the packet carries no time, or an impossible one.
 */
export function judgeClock(boxTime: EpochMs | null, receivedAt: EpochMs): JudgedTime {
  if (boxTime === null || !Number.isFinite(boxTime)) return { phenomenonTime: receivedAt, clock: 'received' };
  if (boxTime < EARLIEST_BOX_TIME || boxTime > receivedAt + MAX_CLOCK_AHEAD) {
    return { phenomenonTime: receivedAt, clock: 'received' };
  }
  return { phenomenonTime: Math.floor(boxTime), clock: 'box' };
}
