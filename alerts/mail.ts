/** E-mail by the operator's SMTP server. */
import { createTransport } from 'nodemailer';
import type { Contact } from '../registry/care.ts';
import { reasonInWords, type Finding } from './findings.ts';

export interface SmtpSettings {
  readonly host: string;
  readonly port: number;
  readonly user: string;
  readonly password: string;
  readonly from: string;
  /** `starttls`: must be offered; `none`: for a server on the same machine. */
  readonly security: 'tls' | 'starttls' | 'none';
}

export interface Mail {
  readonly to: string;
  readonly subject: string;
  readonly text: string;
}

export interface Mailer {
  send(mail: Mail): Promise<void>;
  close(): void;
}

export function openMailer(s: SmtpSettings): Mailer {
  const transport = createTransport({
    host: s.host,
    port: s.port,
    secure: s.security === 'tls',
    requireTLS: s.security === 'starttls',
    ignoreTLS: s.security === 'none',
    ...(s.user === '' ? {} : { auth: { user: s.user, pass: s.password } }),
    connectionTimeout: 10_000,
    greetingTimeout: 10_000,
    socketTimeout: 20_000,
    disableFileAccess: true,
    disableUrlAccess: true,
  });
  return {
    async send({ to, subject, text }) {
      await transport.sendMail({
        from: s.from,
        to: { name: '', address: to },
        // A name of a box is somebody's text: one line of it.
        subject: subject.replaceAll(/\s+/g, ' ').slice(0, 150),
        text,
        headers: { 'Auto-Submitted': 'auto-generated' },
      });
    },
    close: () => transport.close(),
  };
}

export function confirmationMail(box: string, url: string, lang: 'zh-TW' | 'en'): Pick<Mail, 'subject' | 'text'> {
  return lang === 'en'
    ? {
        subject: `Lamppost: alerts of the box “${box}”?`,
        text: `Somebody, hopefully you, wants the alerts of the box “${box}” to come to this address.\n\nYes: ${url}\n\nNo: do nothing; the address is deleted after 28 days.\n`,
      }
    : {
        subject: `Lamppost：要收到「${box}」的異常通知嗎？`,
        text: `有人（希望就是你）想把感測盒「${box}」的異常通知寄到這個信箱。\n\n要：請打開 ${url}\n\n不要：不用做任何事，28 天後這個地址就會刪除。\n`,
      };
}

const KIND = {
  offline: { zh: '一小時沒有資料', en: 'is silent for an hour' },
  stuck: { zh: '數值卡住不動', en: 'has a stuck value' },
  odd: { zh: '與周圍明顯不符', en: 'does not fit those around it' },
} as const;

export function alertMail(
  name: string,
  f: Finding,
  over: boolean,
  url: string,
  lang: Contact['lang'],
): Pick<Mail, 'subject' | 'text'> {
  // prettier-ignore
  const reasons = f.reasons.map((r) => `- ${reasonInWords(r, lang)}\n`).join('');
  const seen = f.lastSeen === null ? '' : new Date(f.lastSeen).toISOString();
  if (lang === 'en') {
    const what = over ? `is well again (it ${KIND[f.kind].en} before)` : KIND[f.kind].en;
    return {
      subject: `Lamppost: “${name}” ${what}`,
      text: `The box “${name}” ${what}.\n${reasons}\nLast reading: ${seen}\n${url}\n\nTo end these mails open your owner link and empty the address.\n`,
    };
  }
  const what = over ? `恢復正常（先前${KIND[f.kind].zh}）` : KIND[f.kind].zh;
  return {
    subject: `Lamppost：「${name}」${what}`,
    text: `感測盒「${name}」${what}。\n${reasons}\n最後一筆：${seen}\n${url}\n\n不想再收到，請打開擁有者連結並清空信箱欄位。\n`,
  };
}
