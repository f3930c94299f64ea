/** Alerts to owners, and the end of personal data whose time is over. */
import { confirmationMail, openMailer, type Mailer } from '../alerts/mail.ts';
import { createAlertWatch } from '../alerts/watch.ts';
import type { LatestTable } from '../api/latest.ts';
import type { ConfirmationMail } from '../api/options.ts';
import type { Config } from '../config.ts';
import { HOUR, MINUTE } from '../model/time.ts';
import { PERSONAL_LIFE } from '../registry/care.ts';
import type { Registry } from '../registry/registry.ts';
import type { ObservationStore } from '../store/store.ts';
import type { Log } from './log.ts';

const ALERTS_EVERY = MINUTE;
const PRUNE_EVERY = 6 * HOUR;

const mailerOf = (c: Config): Mailer | null =>
  c.smtpHost === ''
    ? null
    : openMailer({
        host: c.smtpHost,
        port: c.smtpPort,
        user: c.smtpUser,
        password: c.smtpPassword,
        from: c.smtpFrom,
        security: c.smtpSecurity,
      });

export interface CareOptions {
  readonly config: Config;
  readonly registry: Registry;
  readonly latest: LatestTable;
  readonly store: Pick<ObservationStore, 'emptyRejects'>;
  readonly log: Log;
  /** Runs work again and again until the server closes. */
  readonly every: (ms: number, work: () => Promise<void>) => void;
}

/** `confirmEmail` is what the API needs of it; absent = this server sends no mail. */
export function startCare({ config, registry, latest, store, log, every }: CareOptions): {
  readonly confirmEmail?: (mail: ConfirmationMail) => Promise<void>;
  close(): void;
} {
  const mailer = mailerOf(config);
  const watch = createAlertWatch({
    registry,
    newest: latest,
    mailer,
    publicUrl: config.publicUrl,
    allowPrivate: config.webhookPrivate,
    onProblem: (box, kind, problem) => log.warn({ box, kind, problem }, 'an alert was not delivered'),
  });
  every(ALERTS_EVERY, async () => {
    try {
      await watch.look();
    } catch (error) {
      log.error({ error: String(error) }, 'looking for alerts failed');
    }
  });
  const prune = async (): Promise<void> => {
    try {
      await store.emptyRejects(Date.now() - PERSONAL_LIFE);
      const entries = registry.care.prune(Date.now()) + registry.claims.prune(Date.now());
      if (entries > 0) log.info({ entries }, 'personal data whose time was over are deleted');
    } catch (error) {
      log.error({ error: String(error) }, 'personal data could not be deleted');
    }
  };
  void prune();
  every(PRUNE_EVERY, prune);
  return {
    ...(mailer
      ? {
          confirmEmail: ({ to, box, url, lang }: ConfirmationMail) =>
            mailer.send({ to, ...confirmationMail(box, url, lang) }),
        }
      : {}),
    close: () => mailer?.close(),
  };
}
