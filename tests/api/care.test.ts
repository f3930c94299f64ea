import { afterAll, beforeAll, expect, test } from 'vitest';
import { contact, feedbackList, registered, thingDetail } from '../../api/schemas.ts';
import type { ConfirmationMail } from '../../api/options.ts';
import { ADMIN, NOW, world, type World } from './server.ts';

let w: World;
let now = NOW;
const mails: ConfirmationMail[] = [];
beforeAll(async () => {
  w = await world({
    clock: () => now,
    trustProxy: true,
    maxGuesses: 5,
    confirmEmail: async (mail) => void mails.push(mail),
  });
});
afterAll(() => w.close());

/** Every call from an address of its own, unless one is given. */
let address = 0;
const call = (method: string, path: string, token: string, body?: unknown, from = `198.51.100.${++address % 250}`) =>
  w.get(`/api/v1/${path}`, {
    method,
    headers: {
      'x-forwarded-for': from,
      ...(token === '' ? {} : { authorization: `Bearer ${token}` }),
      ...(body === undefined ? {} : { 'content-type': 'application/json' }),
    },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  });
const fresh = async (more: object = {}) => {
  const answer = await call('POST', 'boxes', '', { name: 'Test box', lat: 25.0421, lon: 121.5132, ...more });
  expect(answer.status).toBe(201);
  return registered.parse(await answer.json());
};

const OWNER_CALLS: [string, string, unknown?][] = [
  ['GET', 'alerts'],
  ['PUT', 'alerts', {}],
  ['POST', 'handover', {}],
  ['PUT', 'paused', { paused: true }],
  ['DELETE', 'personal'],
  ['GET', 'feedback'],
  ['PATCH', 'feedback/1', { answer: '' }],
  ['POST', 'key'],
];
test.each(OWNER_CALLS)('%s %s needs the token of this owner', async (method, path, body) => {
  const box = await fresh();
  const other = await fresh();
  for (const [token, status] of [
    ['', 401],
    [box.key, 403],
    [other.ownerToken, 403],
    [other.key, 403],
    ['a'.repeat(32), 401],
  ] as const) {
    // prettier-ignore
    const answer = await call(method, `boxes/${box.id}/${path}`, token, body);
    expect([token === '' ? 'nobody' : 'wrong', answer.status]).toEqual([token === '' ? 'nobody' : 'wrong', status]);
  }
  expect(w.registry.get(box.id)).toMatchObject({ paused: false, retired: false, name: 'Test box' });
});

test('hand-over: once, before it ends, and the former owner is out', async () => {
  const box = await fresh();
  await call('PUT', `boxes/${box.id}/alerts`, box.ownerToken, { webhook: 'https://example.org/hook' });
  const offer = async (): Promise<string> => {
    const answer = await call('POST', `boxes/${box.id}/handover`, box.ownerToken, { hours: 2 });
    expect(answer.status).toBe(201);
    return ((await answer.json()) as { handoverUrl: string }).handoverUrl.split('#handover=')[1] as string;
  };
  const accept = (code: string, id = box.id) => call('POST', `boxes/${id}/handover/accept`, '', { code });
  const replaced = await offer();
  const late = await offer();
  now += 2 * 3600_000;
  const words = new Set<string>();
  const other = await fresh();
  for (const answer of [
    await accept(replaced),
    await accept(late),
    await accept('a'.repeat(32)),
    await accept(late, other.id),
  ]) {
    // prettier-ignore
    expect(answer.status).toBe(403);
    words.add(((await answer.json()) as { detail: string }).detail);
  }
  expect(words.size).toBe(1);
  const good = await offer();
  const taken = (await (await accept(good)).json()) as { ownerToken: string };
  expect((await accept(good)).status).toBe(403);
  expect((await call('GET', `boxes/${box.id}/alerts`, box.ownerToken)).status).toBe(401);
  const alerts = await call('GET', `boxes/${box.id}/alerts`, taken.ownerToken);
  expect(contact.parse(await alerts.json())).toMatchObject({ webhook: '', email: '' });
});

test('an e-mail address is asked before anything is sent to it', async () => {
  const box = await fresh({ name: 'Roof' });
  const put = await call('PUT', `boxes/${box.id}/alerts`, box.ownerToken, { email: 'v@example.org', lang: 'en' });
  expect(contact.parse(await put.json())).toMatchObject({ email: 'v@example.org', confirmed: false, mail: true });
  const mail = mails.at(-1) as ConfirmationMail;
  expect(mail).toMatchObject({ to: 'v@example.org', box: 'Roof', lang: 'en' });
  const code = mail.url.split('#confirm=')[1] as string;
  expect((await call('POST', `boxes/${box.id}/alerts/confirm`, '', { code: 'b'.repeat(32) })).status).toBe(403);
  expect((await call('POST', `boxes/${box.id}/alerts/confirm`, '', { code })).status).toBe(204);
  expect((await call('POST', `boxes/${box.id}/alerts/confirm`, '', { code })).status).toBe(403);
  expect(w.registry.care.contact(box.id)?.confirmed).toBe(true);
  // The same address again is not asked again; another one is.
  await call('PUT', `boxes/${box.id}/alerts`, box.ownerToken, { email: 'v@example.org', kinds: ['offline'] });
  expect(mails.at(-1)).toBe(mail);
});

test.each([
  [{ email: 'no address' }, 'email'],
  [{ webhook: 'ftp://example.org' }, 'webhook'],
  [{ webhook: 'https://user:pass@example.org' }, 'webhook'],
  [{ kinds: ['everything'] }, 'kinds.0'],
])('alerts to %j are refused by the field', async (body, field) => {
  const box = await fresh();
  const answer = await call('PUT', `boxes/${box.id}/alerts`, box.ownerToken, body);
  expect(answer.status).toBe(400);
  expect(((await answer.json()) as { errors: { field: string }[] }).errors.map((e) => e.field)).toEqual([field]);
  expect(w.registry.care.contact(box.id)).toBeNull();
});

test('a paused box takes nothing, and goes on when it is resumed', async () => {
  const box = await fresh();
  const send = () => call('POST', `boxes/${box.id}/readings`, box.key, { pm25: 7 });
  const pause = (paused: boolean) => call('PUT', `boxes/${box.id}/paused`, box.ownerToken, { paused });
  expect(thingDetail.parse(await (await pause(true)).json()).paused).toBe(true);
  expect((await send()).status).toBe(403);
  expect(w.registry.authenticate(box.id, box.key)).toBe('refused');
  await pause(false);
  expect((await send()).status).toBe(202);
  expect(w.registry.events({ limit: 2, thing: box.id }).map((e) => e.kind)).toEqual(['resumed', 'paused']);
});

test('forgetting leaves the measurements at a rough place and nothing of the owner', async () => {
  const box = await fresh({ attribution: 'Ms Lin', height: 7, side: 'south', lampPost: 'A-1203', lat: 25.04213 });
  await call('PUT', `boxes/${box.id}/alerts`, box.ownerToken, { webhook: 'https://example.org/lin' });
  await call('POST', `boxes/${box.id}/feedback`, '', { kind: 'other', text: 'I know who lives here' });
  await call('PATCH', `boxes/${box.id}`, box.ownerToken, { lat: 25.05171, lon: 121.51449 });
  expect((await call('DELETE', `boxes/${box.id}/personal`, box.ownerToken)).status).toBe(204);
  const all = JSON.stringify([w.registry.get(box.id), w.registry.places(box.id), w.registry.care.contact(box.id), w.registry.care.feedback({ limit: 9, id: box.id })]); // prettier-ignore
  for (const gone of ['Lin', 'Test box', '25.04213', '25.05171', 'south', 'A-1203', 'lives']) expect(all).not.toContain(gone); // prettier-ignore
  expect(w.registry.principal(box.ownerToken)).toBeNull();
  expect(w.registry.principal(box.key)).toBeNull();
  expect(w.registry.get(box.id)).toMatchObject({ retired: true, licence: 'CC-BY-4.0' });
});

test('a box that hides its place hides lamp post and side too, from everybody but its owner', async () => {
  const box = await fresh({ placePrecision: 'grid', side: 'south', lampPost: 'A-1203', batch: 'PMS 2024-03' });
  expect((await w.json<{ extra: object }>(`/api/v1/boxes/${box.id}`)).extra).toEqual({ batch: 'PMS 2024-03' });
  const own = await call('GET', `boxes/${box.id}/owner`, box.ownerToken);
  expect(await own.json()).toMatchObject({ side: 'south', lampPost: 'A-1203' });
  await call('PATCH', `boxes/${box.id}`, box.ownerToken, { side: '', placePrecision: 'exact' });
  expect((await w.json<{ extra: object }>(`/api/v1/boxes/${box.id}`)).extra).toEqual({ lampPost: 'A-1203', batch: 'PMS 2024-03' }); // prettier-ignore
});

test('a report is read and answered by owner and operator; the public sees the answer alone', async () => {
  const box = await fresh();
  const report = (body: object) => call('POST', `boxes/${box.id}/feedback`, '', body);
  expect((await report({ kind: 'indoors', text: 'it hangs in a kitchen' })).status).toBe(202);
  expect((await report({ kind: 'insult' })).status).toBe(400);
  expect((await report({ kind: 'value', text: 'x'.repeat(501) })).status).toBe(400);
  const list = feedbackList.parse(await (await call('GET', `boxes/${box.id}/feedback`, box.ownerToken)).json());
  expect(list.items).toMatchObject([{ kind: 'indoors', text: 'it hangs in a kitchen', answeredAt: null, box: box.id }]);
  const entry = list.items[0]?.id;
  const other = await fresh();
  expect((await call('PATCH', `boxes/${other.id}/feedback/${entry}`, other.ownerToken, { answer: 'no' })).status).toBe(404); // prettier-ignore
  expect((await call('PATCH', `boxes/${box.id}/feedback/${entry}`, ADMIN, { answer: 'It was; moved.' })).status).toBe(204); // prettier-ignore
  const open = feedbackList.parse(await (await call('GET', 'feedback?open=true', ADMIN)).json());
  expect(open.items.some((f) => f.box === box.id)).toBe(false);
  const seen = await (await w.get(`/api/v1/boxes/${box.id}/answers`)).text();
  expect(seen).toContain('It was; moved.');
  expect(seen).not.toContain('kitchen');
  expect((await call('GET', 'feedback', box.ownerToken)).status).toBe(403);
});

test('guessing keys, owner links and hand-over links comes to an end; others go on meanwhile', async () => {
  const box = await fresh();
  const ways = [
    () => call('GET', `boxes/${box.id}/alerts`, 'c'.repeat(32), undefined, '203.0.113.7'),
    () => call('POST', `boxes/${box.id}/handover/accept`, '', { code: 'c'.repeat(32) }, '203.0.113.8'),
    () => call('POST', `boxes/${box.id}/alerts/confirm`, '', { code: 'c'.repeat(32) }, '203.0.113.9'),
    () => w.get('/data.php', { method: 'POST', body: '{}', headers: { 'content-type': 'application/json', 'x-forwarded-for': '203.0.113.10', authorization: `Basic ${btoa(`${box.id}:wrong`)}` } }), // prettier-ignore
  ];
  for (const guess of ways) {
    for (let i = 0; i < 5; i++) expect([401, 403]).toContain((await guess()).status);
    const answer = await guess();
    expect(answer.status).toBe(429);
    expect(Number(answer.headers.get('retry-after'))).toBeGreaterThan(0);
  }
  expect((await call('GET', `boxes/${box.id}/alerts`, box.ownerToken)).status).toBe(200);
  // The right key does not help while the address waits, or the answer would tell that it is right.
  expect((await call('GET', `boxes/${box.id}/alerts`, box.ownerToken, undefined, '203.0.113.7')).status).toBe(429);
  now += 61_000;
  expect((await call('GET', `boxes/${box.id}/alerts`, box.ownerToken, undefined, '203.0.113.7')).status).toBe(200);
});

test('reports and registrations of one address are limited', async () => {
  const box = await fresh();
  const report = () => call('POST', `boxes/${box.id}/feedback`, '', { kind: 'other' }, '203.0.113.20');
  const register = () => call('POST', 'boxes', '', { name: 'x' }, '203.0.113.21');
  const statuses = async (n: number, f: () => Promise<Response>): Promise<number[]> => {
    const out: number[] = [];
    for (let i = 0; i < n; i++) out.push((await f()).status);
    return [...new Set(out)];
  };
  expect(await statuses(20, report)).toEqual([202]);
  expect(await statuses(1, report)).toEqual([429]);
  expect(await statuses(60, register)).toEqual([201]);
  expect(await statuses(1, register)).toEqual([429]);
});

test('secrets stand nowhere in the registry file as they are', async () => {
  const box = await fresh();
  await call('POST', `boxes/${box.id}/handover`, box.ownerToken, {});
  const dump = JSON.stringify([w.registry.get(box.id), w.registry.events({ limit: 100 }), w.registry.list()]);
  for (const secret of [box.key, box.ownerToken]) expect(dump).not.toContain(secret);
});
