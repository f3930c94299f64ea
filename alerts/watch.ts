/** Tells owners when something begins to be wrong with their box, and when it is over; once each, also across restarts. */
import { elapsed, MINUTE, formatTime, type Clock, type EpochMs } from '../model/time.ts';
import type { AlertKind, Contact } from '../registry/care.ts';
import type { Registry, Thing } from '../registry/registry.ts';
import { findings, OFFLINE_AFTER, type Finding, type Newest } from './findings.ts';
import { alertMail, type Mailer } from './mail.ts';
import { postWebhook } from './webhook.ts';

export interface AlertOptions {
  readonly registry: Pick<Registry, 'care'>;
  readonly newest: Newest;
  /** null = this server sends no mail. */
  readonly mailer: Mailer | null;
  readonly publicUrl: string;
  readonly clock?: Clock;
  /** Webhooks may lead into the operator's own network. @default false */
  readonly allowPrivate?: boolean;
  /** Ids and codes only: addresses are nobody's business. */
  readonly onProblem?: (box: string, kind: AlertKind, problem: string) => void;
}

/** A doubtful value has to stay doubtful this long: many a box coughs once. */
const PATIENCE = 15 * MINUTE;
/** Then an alert that cannot be delivered is given up. */
const TRIES = 5;

export interface AlertWatch {
  /** Looks at every box somebody wants to hear of; how many messages went out. */
  look(): Promise<number>;
}

export function createAlertWatch(options: AlertOptions): AlertWatch {
  const { registry, newest, mailer, publicUrl, allowPrivate = false, clock = Date.now } = options;
  const { care } = registry;
  const span = options.clock ?? elapsed;
  const began = new Map<string, { at: EpochMs; span: number }>();
  const tries = new Map<string, number>();
  let offset = clock() - span();
  /** When the clock was set last: what was received before cannot be held against it. */
  let setAt = -Infinity;

  async function deliver(thing: Thing, contact: Contact, finding: Finding, over: boolean): Promise<boolean> {
    const url = `${publicUrl.replace(/\/+$/, '')}/boxes/${thing.id}`;
    const ways: Promise<void>[] = [];
    if (contact.webhook !== '') {
      ways.push(
        postWebhook(
          contact.webhook,
          {
            box: thing.id,
            name: thing.name,
            kind: finding.kind,
            state: over ? 'over' : 'begun',
            time: formatTime(clock()),
            lastSeen: finding.lastSeen === null ? null : formatTime(finding.lastSeen),
            reasons: finding.reasons,
            url,
          },
          allowPrivate,
        ),
      );
    }
    if (contact.confirmed && mailer) {
      ways.push(
        mailer.send({ to: contact.email, ...alertMail(thing.name || thing.id, finding, over, url, contact.lang) }),
      );
    }
    const key = `${thing.id} ${finding.kind} ${String(over)}`;
    const done = await Promise.allSettled(ways);
    for (const way of done) {
      if (way.status === 'rejected') {
        const reason = way.reason as NodeJS.ErrnoException;
        // Mail servers quote addresses in what they say; the webhook's words are our own.
        options.onProblem?.(thing.id, finding.kind, reason.code ?? reason.message);
      }
    }
    if (done.some((way) => way.status === 'fulfilled') || ways.length === 0) {
      tries.delete(key);
      return true;
    }
    const n = (tries.get(key) ?? 0) + 1;
    tries.set(key, n);
    if (n < TRIES) return false;
    tries.delete(key);
    return true;
  }

  async function one(thing: Thing, contact: Contact): Promise<number> {
    const now = clock();
    const found = new Map(findings(thing, newest, now).map((f) => [f.kind, f]));
    const out = care.alerts(thing.id);
    let sent = 0;
    for (const kind of contact.kinds) {
      const finding = found.get(kind);
      const key = `${thing.id} ${kind}`;
      if (finding && !out.has(kind)) {
        const since = began.get(key) ?? { at: now, span: span() };
        began.set(key, since);
        if (kind === 'offline' ? span() - setAt <= OFFLINE_AFTER : span() - since.span < PATIENCE) continue;
        if (!(await deliver(thing, contact, finding, false))) continue;
        care.setAlert(thing.id, kind, since.at);
        sent++;
      } else if (!finding) {
        began.delete(key);
        if (!out.has(kind)) continue;
        const lastSeen = newest.lastSeen(thing.num);
        // Silence says nothing about what was odd before.
        if (lastSeen === null || (kind !== 'offline' && found.has('offline'))) continue;
        if (!(await deliver(thing, contact, { kind, reasons: [], lastSeen }, true))) continue;
        care.setAlert(thing.id, kind, null);
        sent++;
      }
    }
    return sent;
  }

  return {
    async look() {
      const off = clock() - span() - offset;
      if (Math.abs(off) > MINUTE) setAt = span();
      offset += off;
      let sent = 0;
      const watched = care.watched();
      // A few at a time: one slow receiver must not hold up all others.
      for (let i = 0; i < watched.length; i += 8) {
        const done = await Promise.all(watched.slice(i, i + 8).map(({ thing, contact }) => one(thing, contact)));
        sent += done.reduce((a, b) => a + b, 0);
      }
      return sent;
    },
  };
}
