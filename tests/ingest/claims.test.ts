/** A box of an open topic gets an owner by sending a code; what a stranger can send is not enough. */
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { CLAIM_LIFE, PROOF_SPAN } from '../../registry/claims.ts';
import { MINUTE } from '../../model/time.ts';
import { bench, NOON, type Bench } from './parts.ts';

let b: Bench;
let minute = 0;
beforeEach(() => {
  b = bench();
  minute = 0;
});
afterEach(() => b.registry.close());

const lass = (at: number, more = '', id = 'FT1_001'): Uint8Array =>
  Buffer.from(`|ver_format=3|FAKE_GPS=1|app=PM25|device_id=${id}|date=2026-11-21|time=${new Date(at).toISOString().slice(11, 19)}|s_d0=${10 + (at % 7)}${more}`); // prettier-ignore
/** The next reading, `after` minutes later. */
function send(after: number, more = '', change: object = {}) {
  minute += after;
  const receivedAt = NOON + minute * MINUTE;
  return b.send({ receivedAt, topic: 'LASS/Test/PM25', sender: '', payload: lass(receivedAt, more), ...change });
}
function claim() {
  send(0);
  const id = b.registry.known('lass', 'FT1_001')?.id ?? '';
  const { claim: c, secret } = b.registry.claims.open(id, NOON);
  return { id, code: c.code, secret, state: () => b.registry.claims.state(id, secret, NOON + minute * MINUTE) };
}

describe('an unclaimed box is claimed', () => {
  it('by readings with the code over twelve minutes and none without', () => {
    const c = claim();
    expect(b.registry.claims.take(c.id, c.secret, NOON)).toBeNull();
    send(1, `|claim=${c.code}`);
    expect(c.state()).toMatchObject({ heard: 1, proven: false, since: NOON + MINUTE });
    send(5, `|claim=${c.code.toUpperCase()}`);
    expect(c.state()).toMatchObject({ heard: 2, proven: false });
    send(7, `|claim=${c.code}`);
    expect(c.state()).toMatchObject({ heard: 3, proven: true });
    const taken = b.registry.claims.take(c.id, c.secret, NOON + 14 * MINUTE);
    expect(b.registry.get(c.id)).toMatchObject({ claimed: true, nativeId: 'FT1_001', id: c.id });
    expect(b.registry.authenticate(c.id, taken?.key ?? '')).toBe('ok');
    expect(b.registry.principal(taken?.ownerToken ?? '')).toEqual({ kind: 'owner', id: c.id });
    expect(b.registry.events({ limit: 1 })[0]).toMatchObject({ kind: 'claimed', thing: c.id });
    // The secret is spent, and the box cannot be claimed again.
    expect(c.state()).toBeNull();
    expect(() => b.registry.claims.open(c.id, NOON)).toThrow(/has an owner/);
  });

  it('not by a stranger while the box itself goes on sending', () => {
    const c = claim();
    for (let i = 0; i < 12; i++) {
      send(1, `|claim=${c.code}`, { client: 'stranger' });
      expect(c.state()?.proven).toBe(false);
      send(1, '', { client: 'the-box' });
      expect(c.state()).toMatchObject({ heard: 0, since: null, proven: false });
    }
    expect(b.registry.claims.take(c.id, c.secret, NOON)).toBeNull();
  });

  it('not by many messages within a moment, not by readings of another box, not after a day', () => {
    const c = claim();
    for (let i = 0; i < 20; i++) send(0.1, `|claim=${c.code}`);
    expect(c.state()).toMatchObject({ heard: 20, proven: false });
    const late = NOON + 40 * MINUTE;
    b.send({ receivedAt: late, topic: 'LASS/Test/PM25', sender: '', payload: lass(late, `|claim=${c.code}`, 'FT1_002') }); // prettier-ignore
    expect(c.state()?.proven).toBe(false);
    minute = CLAIM_LIFE / MINUTE;
    send(1, `|claim=${c.code}`);
    expect(c.state()).toBeNull();
    expect(b.registry.claims.prune(NOON + CLAIM_LIFE + MINUTE)).toBe(1);
  });

  it.each([
    ['an MQTT user name or client id', (code: string) => ({ client: `${code} linkit-7` })],
    ['a level of the topic', (code: string) => ({ topic: `LASS/Test/PM25/${code}` })],
  ])('by the code as %s, for firmware whose messages cannot be changed', (_where, change) => {
    const c = claim();
    send(1, '', change(c.code));
    send(PROOF_SPAN / MINUTE, '', change(c.code));
    expect(c.state()?.proven).toBe(true);
  });

  it('whoever else claims it meanwhile gets nothing from it', () => {
    const mine = claim();
    const theirs = b.registry.claims.open(mine.id, NOON);
    send(1, `|claim=${mine.code}`);
    send(13, `|claim=${mine.code}`);
    expect(b.registry.claims.take(mine.id, theirs.secret, NOON)).toBeNull();
    expect(b.registry.claims.take(mine.id, mine.secret, NOON)).not.toBeNull();
  });

  it('after that only readings with its key count; its owner is told of others once a day', () => {
    const c = claim();
    send(1, `|claim=${c.code}`);
    send(13, `|claim=${c.code}`);
    b.registry.claims.take(c.id, c.secret, NOON);
    const first = send(1, '');
    expect(first.readings).toEqual([]);
    expect(first.rejects).toMatchObject([{ code: 'claimed-box', thing: c.id }]);
    expect(send(1, '').rejects).toEqual([]);
    const own = send(1, '', { sender: c.id });
    expect(own.readings).toMatchObject([{ thing: c.id, values: [{ property: 'pm25' }] }]);
  });

  it('in a list of many boxes the code counts for the box that has it in its name, and for no other', () => {
    const list = (minutes: number, name: string): void => {
      const at = NOON + minutes * MINUTE;
      const record = (device_id: string, SiteName: string) => ({ device_id, SiteName, app: 'LASS', timestamp: new Date(at).toISOString(), s_d0: minutes, gps_lat: 25, gps_lon: 121.5 }); // prettier-ignore
      b.send({ receivedAt: at, via: 'feed', topic: 'feeds/lass-portal/x', sender: '', payload: Buffer.from(JSON.stringify({ feeds: [record('FT1_001', name), record('FT1_009', 'park')] })) }); // prettier-ignore
    };
    list(0, 'school');
    const [mine, other] = ['FT1_001', 'FT1_009'].map((n) => b.registry.known('lass-portal', n)?.id ?? '') as [string, string]; // prettier-ignore
    const a = b.registry.claims.open(mine, NOON);
    const o = b.registry.claims.open(other, NOON);
    list(1, `${a.claim.code} ${o.claim.code}`);
    list(14, `${a.claim.code} ${o.claim.code}`);
    expect(b.registry.claims.state(mine, a.secret, NOON)).toMatchObject({ heard: 2, proven: true });
    expect(b.registry.claims.state(other, o.secret, NOON)).toMatchObject({ heard: 0, proven: false });
  });

  it('a station, a box with an owner and one that is retired cannot be claimed', () => {
    expect(() => b.registry.claims.open('station-1', NOON)).toThrow(/station/);
    expect(() => b.registry.claims.open('box-one-1', NOON)).toThrow(/owner/);
    const c = claim();
    b.registry.retire(c.id, NOON);
    expect(() => b.registry.claims.open(c.id, NOON)).toThrow(/retired/);
  });
});
