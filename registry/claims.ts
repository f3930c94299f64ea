/**
 * How an unclaimed box, met on an open topic or in a feed, gets an owner: whoever claims it is given a code, and lets the box send
 * it. On open topics anybody may speak under any name, so one message proves nothing: for `PROOF_SPAN` every reading of the box has
 * to carry the code and none may come without. A stranger cannot do that while the box itself goes on sending.
 */
import type { StatementSync } from 'node:sqlite';
import { DAY, MINUTE, type EpochMs } from '../model/time.ts';
import type { Thing } from './registry.ts';
import { hashSecret, newSecret, sameHash } from './secrets.ts';
import { InvalidThing, type Row } from './thing.ts';

/** Longer than the slowest of the usual intervals, 600 s (MAPS over NB-IoT, LASS saving power), so that a box that lives is heard in it [ms]. */
export const PROOF_SPAN = 12 * MINUTE;
/** With one reading there is no span. */
export const PROOF_READINGS = 2;
/** A claim that was not taken ends after this [ms]. */
export const CLAIM_LIFE = DAY;
/** Open claims of one box; beyond, those never heard of make room, oldest first. */
const MAX_OPEN = 50;

/** The code as it may stand in a user name, a device name, a topic, or anywhere in the text of a message. */
const CODE = /claim-[a-z2-7]{8}/g;

export interface Claim {
  readonly code: string;
  readonly expires: EpochMs;
  /** Readings with the code since the last one without; 0 = none yet. */
  readonly heard: number;
  /** When the first of them was received. */
  readonly since: EpochMs | null;
  /** The proof is complete: the claim may be taken. */
  readonly proven: boolean;
}

export interface Claims {
  /** @throws InvalidThing when there is nothing to claim: a station, a retired box, one that has an owner */
  open(id: string, now: EpochMs, proven?: boolean): { readonly claim: Claim; readonly secret: string };
  /** null when the secret is none of an open claim of this box. */
  state(id: string, secret: string, now: EpochMs): Claim | null;
  /** Numbers of the boxes that somebody claims at the moment. */
  watched(now: EpochMs): ReadonlySet<number>;
  /** A reading of that box came; `text` is everything that belongs to it alone. */
  heard(num: number, text: string, at: EpochMs): void;
  /** Makes whoever holds the secret the owner: the box's key and the owner's token, shown once; null when it is not proven. */
  take(id: string, secret: string, now: EpochMs): { readonly key: string; readonly ownerToken: string } | null;
  /** Ends the claims whose time is over; how many. */
  prune(now: EpochMs): number;
}

export interface ClaimTools {
  readonly sql: (text: string) => StatementSync;
  readonly write: <T>(work: (rev: number) => T) => T;
  readonly required: (id: string) => Thing;
  readonly note: (time: EpochMs, kind: string, thing: string) => void;
}

export function createClaims({ sql, write, required, note }: ClaimTools): Claims {
  const claimOf = (row: Row): Claim => ({
    code: row.code as string,
    expires: row.expires as number,
    heard: row.heard as number,
    since: row.since as number | null,
    proven: row.proven === 1,
  });
  const find = (num: number, secret: string, now: EpochMs): Row | null => {
    const hash = hashSecret(secret);
    const row = sql('SELECT * FROM claims WHERE hash = ? AND num = ? AND expires > ?').get(hash, num, now);
    return row && sameHash(row.hash as Uint8Array, hash) ? row : null;
  };
  const claimable = (id: string): Thing => {
    const thing = required(id);
    if (thing.kind === 'station') throw new InvalidThing('id', 'this is a reference station, not a box');
    if (thing.retired) throw new InvalidThing('id', 'this box is retired');
    if (thing.claimed) throw new InvalidThing('id', 'this box has an owner already');
    return thing;
  };

  return {
    open(id, now, proven = false) {
      const { num } = claimable(id);
      const secret = newSecret();
      const code = `claim-${newSecret().slice(0, 8)}`;
      // A new version of the registry: the thread that reads the packets looks again whom to watch.
      return write(() => {
        sql(
          'DELETE FROM claims WHERE num = ? AND hash IN (SELECT hash FROM claims WHERE num = ? ORDER BY heard DESC, expires DESC LIMIT -1 OFFSET ?)',
        ).run(num, num, MAX_OPEN - 1);
        sql('INSERT INTO claims (num, hash, code, expires, heard, since, proven) VALUES (?,?,?,?,0,NULL,?)').run(
          num,
          hashSecret(secret),
          code,
          now + CLAIM_LIFE,
          proven ? 1 : 0,
        );
        return { claim: { code, expires: now + CLAIM_LIFE, heard: 0, since: null, proven }, secret };
      });
    },
    state(id, secret, now) {
      const row = find(required(id).num, secret, now);
      return row ? claimOf(row) : null;
    },
    watched: (now) =>
      new Set(
        sql('SELECT DISTINCT num FROM claims WHERE expires > ? AND proven = 0')
          .all(now)
          .map((r) => r.num as number),
      ),
    heard(num, text, at) {
      const codes = new Set(text.toLowerCase().match(CODE));
      for (const row of sql('SELECT * FROM claims WHERE num = ? AND expires > ? AND proven = 0').all(num, at)) {
        const claim = claimOf(row);
        const hash = row.hash as Uint8Array;
        if (codes.has(claim.code)) {
          const since = claim.since ?? at;
          const proven = claim.heard + 1 >= PROOF_READINGS && at - since >= PROOF_SPAN;
          sql('UPDATE claims SET heard = heard + 1, since = ?, proven = ? WHERE hash = ?').run(since, proven ? 1 : 0, hash); // prettier-ignore
        } else if (claim.heard > 0) {
          sql('UPDATE claims SET heard = 0, since = NULL WHERE hash = ?').run(hash);
        }
      }
    },
    take(id, secret, now) {
      const key = newSecret();
      const ownerToken = newSecret();
      return write((rev) => {
        const { num } = claimable(id);
        if (find(num, secret, now)?.proven !== 1) return null;
        sql('DELETE FROM claims WHERE num = ?').run(num);
        sql('UPDATE things SET claimed = 1, key_hash = ?, owner_hash = ?, rev = ? WHERE num = ?').run(
          hashSecret(key),
          hashSecret(ownerToken),
          rev,
          num,
        );
        note(now, 'claimed', id);
        return { key, ownerToken };
      });
    },
    prune: (now) => Number(sql('DELETE FROM claims WHERE expires <= ?').run(now).changes),
  };
}
