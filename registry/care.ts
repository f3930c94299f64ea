/**
 * What concerns the people around a box and not its data: where alerts go, links that hand it over, what passers-by reported,
 * pausing, and forgetting. Nothing here is public but the pause; none of it changes an observation.
 */
import type { StatementSync } from 'node:sqlite';
import { DAY, type EpochMs } from '../model/time.ts';
import { snapToGrid, type PublicPlace } from './place.ts';
import type { Thing } from './registry.ts';
import { hashSecret, newSecret, sameHash } from './secrets.ts';
import { InvalidThing, type Row } from './thing.ts';

/** Personal data live this long where nothing needs them longer [ms]. */
export const PERSONAL_LIFE = 28 * DAY;
/** A hand-over link ends after this at the latest [ms]. */
export const MAX_HANDOVER = 14 * DAY;
/** Kept of one box; older ones make room. */
const MAX_FEEDBACK = 200;

export const ALERT_KINDS = ['offline', 'stuck', 'odd'] as const;
export type AlertKind = (typeof ALERT_KINDS)[number];

export interface Contact {
  /** '' = none. */
  readonly webhook: string;
  readonly email: string;
  /** Nothing but the question itself is sent to an address whose owner has not said yes. */
  readonly confirmed: boolean;
  readonly kinds: readonly AlertKind[];
  readonly lang: 'zh-TW' | 'en';
}

export const FEEDBACK_KINDS = ['value', 'place', 'indoors', 'smoke', 'other'] as const;
export type FeedbackKind = (typeof FEEDBACK_KINDS)[number];

export interface Feedback {
  readonly id: number;
  /** Id of the box. */
  readonly thing: string;
  readonly time: EpochMs;
  readonly kind: FeedbackKind;
  readonly text: string;
  /** '' = not answered yet. */
  readonly answer: string;
  readonly answeredAt: EpochMs | null;
}

export interface Care {
  contact(id: string): Contact | null;
  /** Returns the secret of the confirmation mail when the address is new, else null. No address at all ends the entry. */
  setContact(id: string, contact: Omit<Contact, 'confirmed'>, now: EpochMs): string | null;
  confirmEmail(id: string, secret: string): boolean;
  /** Those who want to hear of something, of boxes that are neither paused nor retired. */
  watched(): { readonly thing: Thing; readonly contact: Contact }[];
  /** Alerts that are out for a box, and since when. */
  alerts(id: string): ReadonlyMap<AlertKind, EpochMs>;
  setAlert(id: string, kind: AlertKind, since: EpochMs | null): void;

  /** The secret of a link that makes whoever opens it the owner, once; an earlier link of the box ends. */
  addHandover(id: string, now: EpochMs, expires: EpochMs): string;
  /** The new owner's token; null when the link is not or no longer valid. The former owner's token and addresses end. */
  takeHandover(id: string, secret: string, now: EpochMs): string | null;

  addFeedback(id: string, kind: FeedbackKind, text: string, now: EpochMs): void;
  /** Newest first. */
  feedback(query: { limit: number; id?: string; before?: number; open?: boolean }): Feedback[];
  /** false when that box has no such entry. */
  answerFeedback(id: string, entry: number, answer: string, now: EpochMs): boolean;

  /** A paused box takes no readings and causes no alerts. */
  pause(id: string, paused: boolean, now: EpochMs): Thing;
  /** Retires the box and ends what says whose it is: name, contact, keys, exact places, reports. What it measured stays. */
  forget(id: string, now: EpochMs): void;
  /** Ends personal data whose time is over; how many entries went. */
  prune(now: EpochMs): number;
}

export interface CareTools {
  readonly sql: (text: string) => StatementSync;
  readonly write: <T>(work: (rev: number) => T) => T;
  readonly required: (id: string) => Thing;
  readonly byNum: (num: number) => Thing | null;
  readonly setArea: (num: number, shown: PublicPlace | null) => void;
  readonly note: (time: EpochMs, kind: string, thing: string) => void;
}

/** In a contact and in a report, lines may break; other control characters break mails and logs. */
// oxlint-disable-next-line no-control-regex
const CONTROL = /[\u0000-\u0009\u000b-\u001f\u007f-\u009f\u2028\u2029]/;
const EMAIL = /^[^\s@<>(),;:"[\]\\]{1,64}@[A-Za-z0-9-]{1,63}(\.[A-Za-z0-9-]{1,63})+$/;

export function checkContact(c: Pick<Contact, 'webhook' | 'email' | 'kinds'>): void {
  if (c.webhook !== '') {
    const url = c.webhook.length <= 500 ? URL.parse(c.webhook) : null;
    if (!url || !/^https?:$/.test(url.protocol) || url.username !== '' || url.password !== '') {
      throw new InvalidThing('webhook', 'an http or https URL of at most 500 characters, without user and password');
    }
  }
  if (c.email !== '' && (c.email.length > 200 || !EMAIL.test(c.email))) {
    throw new InvalidThing('email', 'an address such as name@example.org');
  }
}

function clean(field: string, text: string, max: number): string {
  const plain = text.replaceAll('\r\n', '\n').trim();
  if (plain.length > max) throw new InvalidThing(field, `at most ${max} characters`);
  if (CONTROL.test(plain)) throw new InvalidThing(field, 'no control characters');
  return plain;
}

export function createCare({ sql, write, required, byNum, setArea, note }: CareTools): Care {
  const contactOf = (row: Row): Contact => ({
    webhook: row.webhook as string,
    email: row.email as string,
    confirmed: row.confirm_hash === null && row.email !== '',
    kinds: JSON.parse(row.kinds as string) as AlertKind[],
    lang: row.lang === 'en' ? 'en' : 'zh-TW',
  });
  const contact = (id: string): Contact | null => {
    const row = sql('SELECT * FROM contacts WHERE num = ?').get(required(id).num);
    return row ? contactOf(row) : null;
  };

  return {
    contact,
    setContact(id, c, now) {
      checkContact(c);
      const { num } = required(id);
      const old = contact(id);
      if (c.webhook === '' && c.email === '') {
        sql('DELETE FROM contacts WHERE num = ?').run(num);
        return null;
      }
      const known = old?.email === c.email;
      const secret = c.email === '' || (known && old.confirmed) ? null : newSecret();
      sql('INSERT OR REPLACE INTO contacts VALUES (?,?,?,?,?,?,?)').run(
        num,
        c.webhook,
        c.email,
        secret === null ? null : hashSecret(secret),
        JSON.stringify(c.kinds),
        c.lang,
        now,
      );
      return secret;
    },
    confirmEmail(id, secret) {
      const { num } = required(id);
      const row = sql('SELECT confirm_hash FROM contacts WHERE num = ?').get(num);
      if (!sameHash(row?.confirm_hash as Uint8Array | null | undefined, hashSecret(secret))) return false;
      sql('UPDATE contacts SET confirm_hash = NULL WHERE num = ?').run(num);
      return true;
    },
    watched: () =>
      sql('SELECT * FROM contacts ORDER BY num')
        .all()
        .flatMap((row) => {
          const thing = byNum(row.num as number);
          return thing && !thing.retired && !thing.paused ? [{ thing, contact: contactOf(row) }] : [];
        }),
    alerts: (id) =>
      new Map(
        sql('SELECT kind, since FROM alerts WHERE num = ?')
          .all(required(id).num)
          .map((r) => [r.kind as AlertKind, r.since as number]),
      ),
    setAlert(id, kind, since) {
      const { num } = required(id);
      if (since === null) sql('DELETE FROM alerts WHERE num = ? AND kind = ?').run(num, kind);
      else sql('INSERT OR REPLACE INTO alerts VALUES (?,?,?)').run(num, kind, since);
    },

    addHandover(id, now, expires) {
      if (!(expires > now && expires <= now + MAX_HANDOVER)) {
        throw new InvalidThing('hours', `from 1 to ${MAX_HANDOVER / 3_600_000} hours`);
      }
      const secret = newSecret();
      sql('INSERT OR REPLACE INTO handovers VALUES (?,?,?)').run(required(id).num, hashSecret(secret), expires);
      return secret;
    },
    takeHandover(id, secret, now) {
      const { num } = required(id);
      const token = newSecret();
      return write((rev) => {
        const row = sql('SELECT hash, expires FROM handovers WHERE num = ?').get(num);
        const right = sameHash(row?.hash as Uint8Array | undefined, hashSecret(secret));
        if (!row || !right || (row.expires as number) <= now) return null;
        sql('DELETE FROM handovers WHERE num = ?').run(num);
        sql('DELETE FROM contacts WHERE num = ?').run(num);
        sql('UPDATE things SET owner_hash = ?, rev = ? WHERE num = ?').run(hashSecret(token), rev, num);
        return token;
      });
    },

    addFeedback(id, kind, text, now) {
      const { num } = required(id);
      const plain = clean('text', text, 500);
      sql('INSERT INTO feedback (num, time, kind, text, answer) VALUES (?,?,?,?,?)').run(num, now, kind, plain, '');
      sql(
        'DELETE FROM feedback WHERE num = ? AND id NOT IN (SELECT id FROM feedback WHERE num = ? ORDER BY id DESC LIMIT ?)',
      ).run(num, num, MAX_FEEDBACK);
    },
    feedback({ limit, id, before = Number.MAX_SAFE_INTEGER, open }) {
      const where = ['id < ?'];
      const values: number[] = [before];
      if (id !== undefined) {
        where.push('num = ?');
        values.push(required(id).num);
      }
      if (open !== undefined) where.push(open ? 'answered_at IS NULL' : 'answered_at IS NOT NULL');
      return sql(`SELECT * FROM feedback WHERE ${where.join(' AND ')} ORDER BY id DESC LIMIT ?`)
        .all(...values, limit)
        .map((r) => ({
          id: r.id as number,
          thing: byNum(r.num as number)?.id ?? '',
          time: r.time as number,
          kind: r.kind as FeedbackKind,
          text: r.text as string,
          answer: r.answer as string,
          answeredAt: r.answered_at as number | null,
        }));
    },
    answerFeedback(id, entry, answer, now) {
      const plain = clean('answer', answer, 500);
      return (
        sql('UPDATE feedback SET answer = ?, answered_at = ? WHERE id = ? AND num = ?').run(
          plain,
          now,
          entry,
          required(id).num,
        ).changes > 0
      );
    },

    pause(id, paused, now) {
      if (required(id).paused !== paused) {
        write((rev) => {
          sql('UPDATE things SET paused = ?, rev = ? WHERE id = ?').run(paused ? 1 : 0, rev, id);
          sql('DELETE FROM alerts WHERE num = ?').run(required(id).num);
          note(now, paused ? 'paused' : 'resumed', id);
        });
      }
      return required(id);
    },
    forget(id, now) {
      write((rev) => {
        const thing = required(id);
        const place = thing.place ? snapToGrid(thing.place) : null;
        const former = sql('SELECT since, lat, lon FROM places WHERE num = ?').all(thing.num);
        for (const p of former) {
          const cell = snapToGrid({ lat: p.lat as number, lon: p.lon as number });
          sql('UPDATE places SET lat = ?, lon = ?, height = NULL WHERE num = ? AND since = ?').run(
            cell.lat,
            cell.lon,
            thing.num,
            p.since as number,
          );
        }
        sql(
          `UPDATE things SET name = '', attribution = '', properties = '{}', precision = 'grid', lat = ?, lon = ?, height = NULL,
           shown_lat = ?, shown_lon = ?, key_hash = NULL, owner_hash = NULL, retired = 1, rev = ? WHERE num = ?`,
        ).run(place?.lat ?? null, place?.lon ?? null, place?.lat ?? null, place?.lon ?? null, rev, thing.num);
        setArea(thing.num, place);
        for (const table of ['contacts', 'handovers', 'alerts', 'feedback']) {
          sql(`DELETE FROM ${table} WHERE num = ?`).run(thing.num);
        }
        if (!thing.retired) note(now, 'retired', id);
      });
    },
    prune(now) {
      const gone = (text: string, ...values: number[]): number => Number(sql(text).run(...values).changes);
      return (
        gone('DELETE FROM handovers WHERE expires <= ?', now) +
        // An address nobody confirmed, and those of boxes that are no more.
        gone('DELETE FROM contacts WHERE confirm_hash IS NOT NULL AND since <= ?', now - PERSONAL_LIFE) +
        gone('DELETE FROM contacts WHERE since <= ? AND num IN (SELECT num FROM things WHERE retired = 1)', now - PERSONAL_LIFE) + // prettier-ignore
        // Free words of passers-by go when they have been answered; the kind stays for the count.
        gone("UPDATE feedback SET text = '' WHERE text <> '' AND answered_at IS NOT NULL AND answered_at <= ?", now - PERSONAL_LIFE) // prettier-ignore
      );
    },
  };
}
