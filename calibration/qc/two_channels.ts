/** Two channels of one box as one PM2.5: which speaks for both, and what that says of each. */
import { FLAG, reason } from '../../model/flags.ts';
import { property } from '../../model/properties.ts';
import { type Channel, channelUse, channelsTest, useValue } from './channels.ts';
import { ChannelPairs } from './channel_pair.ts';
import { type Draft, type DraftValue, mark } from './draft.ts';
import type { SingleTests } from './single.ts';

const PM25 = property('pm25').num;
const PM25_B = property('pm25_b').num;
const PLACEHOLDER = reason('sentinel') | reason('negative');
const CHANNELS = reason('channels');
const SINGLE_CHANNEL = reason('single_channel');

export class TwoChannels {
  readonly pairs = new ChannelPairs();
  readonly #single: SingleTests;

  constructor(single: SingleTests) {
    this.#single = single;
  }

  /** PM2.5 as the field sees it, before anything with memory has spoken; NaN = none that can be used. */
  forField(thingNum: number, draft: Draft): number {
    const a = draft.values[draft.a];
    if (!a) return Number.NaN;
    const b = draft.values[draft.b];
    if (!b) return a.broken ? Number.NaN : a.raw;
    if (a.reasons & PLACEHOLDER) return Number.NaN;
    const dead = this.pairs.dead(thingNum);
    const use = channelUse(
      { value: a.raw, failed: a.broken || dead === 'a' || this.#single.wasDead(thingNum, PM25) },
      { value: b.raw, failed: b.broken || dead === 'b' || this.#single.wasDead(thingNum, PM25_B) },
    );
    return use === 'mean' && channelsTest(a.raw, b.raw) === FLAG.fail ? Number.NaN : useValue(use, a.raw, b.raw);
  }

  /** What both say together becomes the verdict on `pm25`. @param expected what neighbours say [µg/m³], NaN = not known */
  judge(thingNum: number, draft: Draft, expected: number): void {
    const a = draft.values[draft.a];
    const b = draft.values[draft.b];
    if (!a || !b) return;
    if (!a.broken && !b.broken) this.pairs.take(thingNum, a.raw, b.raw);
    const dead = this.pairs.dead(thingNum);
    const channel = (v: DraftValue): Channel => ({
      value: v.raw,
      failed: v.flag === FLAG.fail || v === (dead === 'a' ? a : dead === 'b' ? b : null),
    });
    // A placeholder in A (Denver: −1) comes with nonsense in B: such a reading has no PM2.5 at all.
    const use = a.reasons & PLACEHOLDER ? 'none' : channelUse(channel(a), channel(b), expected);
    if (use === 'none') return;
    if (use === 'mean') {
      const flag = channelsTest(a.raw, b.raw);
      const why = flag === FLAG.good ? 0 : CHANNELS;
      mark(a, flag, why);
      mark(b, flag, why);
      return;
    }
    if (use === 'b') {
      a.flag = b.flag;
      if (dead === 'a') a.reasons |= CHANNELS;
    } else if (b.flag !== FLAG.fail) mark(b, FLAG.fail, CHANNELS);
    a.reasons |= SINGLE_CHANNEL;
  }
}
