import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { SMTPServer } from 'smtp-server';
import { afterAll, beforeAll, beforeEach, expect, test, vi } from 'vitest';
import { openMailer, type Mailer } from '../../alerts/mail.ts';
import { createAlertWatch } from '../../alerts/watch.ts';
import { isPublicAddress, postWebhook } from '../../alerts/webhook.ts';
import { LatestTable } from '../../api/latest.ts';
import { reason } from '../../model/flags.ts';
import { DAY, HOUR, MINUTE } from '../../model/time.ts';
import type { Registry } from '../../registry/registry.ts';
import { openRegistry } from '../../registry/sqlite.ts';
import { columns, NOW } from '../api/server.ts';

const hooks: Record<string, unknown>[] = [];
const mails: { to: string; text: string }[] = [];
let status = 204;
let receiver: Server;
let smtp: SMTPServer;
let mailer: Mailer;
let hook = '';
beforeAll(async () => {
  receiver = createServer((req, res) => {
    let text = '';
    req.on('data', (chunk: Buffer) => (text += chunk.toString()));
    req.on('end', () => {
      if (status < 300) hooks.push(JSON.parse(text) as Record<string, unknown>);
      res.writeHead(status, { location: '/elsewhere' }).end();
    });
  });
  await new Promise<void>((done) => void receiver.listen(0, '127.0.0.1', done));
  hook = `http://127.0.0.1:${(receiver.address() as AddressInfo).port}/hook`;
  smtp = new SMTPServer({
    authOptional: true,
    disabledCommands: ['STARTTLS'],
    onData(stream, session, done) {
      let text = '';
      stream.on('data', (chunk: Buffer) => (text += chunk.toString()));
      stream.on('end', () => {
        mails.push({ to: session.envelope.rcptTo.map((r) => r.address).join(), text });
        done();
      });
    },
  });
  await new Promise<void>((done) => void smtp.listen(0, '127.0.0.1', done));
  const { port } = smtp.server.address() as AddressInfo;
  mailer = openMailer({
    host: '127.0.0.1',
    port,
    user: '',
    password: '',
    from: 'lamppost@example.org',
    security: 'none',
  });
});
afterAll(async () => {
  mailer.close();
  receiver.close();
  await new Promise<void>((done) => {
    smtp.close(done);
  });
});

let registry: Registry;
let latest: LatestTable;
let now = NOW;
const problems: string[] = [];
beforeEach(() => {
  registry = openRegistry(':memory:');
  latest = new LatestTable();
  now = NOW;
  status = 204;
  hooks.length = mails.length = problems.length = 0;
});

const watch = () =>
  createAlertWatch({
    registry,
    newest: latest,
    mailer,
    publicUrl: 'https://air.example.org/',
    clock: () => now,
    allowPrivate: true,
    onProblem: (box, kind, problem) => problems.push(`${box} ${kind} ${problem}`),
  });
const hear = (num: number, more: object = {}): unknown =>
  latest.apply(columns([{ num, time: now - 1000, raw: 12, ...more }]));

function box(contact: { webhook?: string; email?: string; confirm?: boolean }) {
  const { thing } = registry.add({ name: '頂樓 roof' }, NOW);
  const code = registry.care.setContact(thing.id, { webhook: contact.webhook ?? '', email: contact.email ?? '', kinds: ['offline', 'stuck', 'odd'], lang: 'en' }, NOW); // prettier-ignore
  if (contact.confirm && code) registry.care.confirmEmail(thing.id, code);
  return thing;
}

test('a clock that is set: nobody is told that all boxes are silent, until they are for an hour', async () => {
  let lived = 5 * HOUR;
  const clocks = [vi.spyOn(Date, 'now').mockImplementation(() => now), vi.spyOn(performance, 'now').mockImplementation(() => lived)]; // prettier-ignore
  try {
    const thing = box({ webhook: hook });
    const set = createAlertWatch({
      registry,
      newest: latest,
      mailer: null,
      publicUrl: 'https://x',
      allowPrivate: true,
    });
    hear(thing.num);
    expect(await set.look()).toBe(0);
    now += 2 * DAY;
    expect(await set.look()).toBe(0);
    for (const passed of [HOUR - MINUTE, 2 * MINUTE]) {
      now += passed;
      lived += passed;
      expect(await set.look()).toBe(passed < HOUR / 2 ? 1 : 0);
    }
    expect(hooks).toMatchObject([{ kind: 'offline', state: 'begun' }]);
  } finally {
    for (const clock of clocks) clock.mockRestore();
  }
});

test('offline and back: one message each, by webhook and mail, also across a restart', async () => {
  const thing = box({ webhook: hook, email: 'v@example.org', confirm: true });
  const first = watch();
  expect(await first.look()).toBe(0);
  hear(thing.num);
  expect(await first.look()).toBe(0);
  now += HOUR + MINUTE;
  expect(await first.look()).toBe(1);
  expect(await first.look()).toBe(0);
  expect(await watch().look()).toBe(0);
  hear(thing.num);
  expect(await watch().look()).toBe(1);
  expect(hooks).toMatchObject([
    { box: thing.id, kind: 'offline', state: 'begun', url: `https://air.example.org/boxes/${thing.id}` },
    { box: thing.id, kind: 'offline', state: 'over' },
  ]);
  expect(mails.map((m) => m.to)).toEqual(['v@example.org', 'v@example.org']);
  expect(mails[0]?.text).toContain('Auto-Submitted: auto-generated');
});

test('stuck and odd values are told when they stay so, not at the first cough', async () => {
  const thing = box({ webhook: hook });
  const w = watch();
  const look = async (reasons: number, flag: number): Promise<number> => {
    hear(thing.num, { reasons, flag });
    return w.look();
  };
  expect(await look(reason('flat_line'), 3)).toBe(0);
  now += 5 * MINUTE;
  expect(await look(0, 1)).toBe(0);
  now += 5 * MINUTE;
  expect(await look(reason('flat_line') | reason('spatial'), 3)).toBe(0);
  now += 16 * MINUTE;
  expect(await look(reason('flat_line') | reason('spatial'), 3)).toBe(2);
  expect(hooks).toMatchObject([{ kind: 'stuck', reasons: ['pm25.flat_line'] }, { kind: 'odd', reasons: ['pm25.spatial'] }]); // prettier-ignore
  // Going silent is no recovery.
  now += 2 * HOUR;
  expect(await w.look()).toBe(1);
  expect(hooks.at(-1)).toMatchObject({ kind: 'offline', state: 'begun' });
});

test('nothing is sent to an address that was not confirmed, nor about paused and retired boxes', async () => {
  const unconfirmed = box({ email: 'x@example.org' });
  const paused = box({ webhook: hook });
  const retired = box({ webhook: hook });
  for (const t of [unconfirmed, paused, retired]) hear(t.num);
  registry.care.pause(paused.id, true, NOW);
  registry.retire(retired.id, NOW);
  now += 2 * HOUR;
  await watch().look();
  expect([mails, hooks]).toEqual([[], []]);
});

test('a receiver that fails is tried again, then given up; no address is in what is said', async () => {
  const thing = box({ webhook: hook });
  hear(thing.num);
  now += 2 * HOUR;
  const w = watch();
  for (const answer of [500, 302, 500]) {
    status = answer;
    expect(await w.look()).toBe(0);
  }
  status = 204;
  expect(await w.look()).toBe(1);
  expect(problems.join()).toBe([500, 302, 500].map((s) => `${thing.id} offline the webhook answered ${s}`).join());
});

test.each([
  '127.0.0.1',
  '10.1.2.3',
  '169.254.169.254',
  '192.168.1.1',
  '::1',
  '::ffff:127.0.0.1',
  'fe80::1',
  'fd00::1',
  '0.0.0.0',
  '::ffff:7f00:1',
  '64:ff9b::a00:1',
])('a webhook may not lead to %s', async (address) => {
  expect(isPublicAddress(address)).toBe(false);
  const host = address.includes(':') ? `[${address}]` : address;
  await expect(postWebhook(`http://${host}:9/`, {})).rejects.toThrow('not public');
});

test('a name that resolves to this machine is refused at the connection', async () => {
  await expect(postWebhook(hook.replace('127.0.0.1', 'localhost'), {})).rejects.toThrow('EPRIVATE');
  expect(isPublicAddress('203.0.113.9')).toBe(true);
  expect(hooks).toEqual([]);
});

test('personal data end with their time', () => {
  const gone = box({ email: 'x@example.org' });
  const kept = box({ email: 'v@example.org', confirm: true });
  registry.care.addHandover(kept.id, NOW, NOW + HOUR);
  registry.care.addFeedback(kept.id, 'value', 'too high since Monday', NOW);
  registry.care.answerFeedback(kept.id, 1, 'cleaned', NOW);
  const days = (n: number): number => registry.care.prune(NOW + n * 24 * HOUR);
  expect(days(27)).toBe(1);
  expect(days(28)).toBe(2);
  expect(registry.care.contact(gone.id)).toBeNull();
  expect(registry.care.contact(kept.id)?.email).toBe('v@example.org');
  expect(registry.care.feedback({ limit: 1 })[0]).toMatchObject({ text: '', answer: 'cleaned' });
  registry.retire(kept.id, NOW);
  expect(days(29)).toBe(1);
  expect(registry.care.contact(kept.id)).toBeNull();
});
