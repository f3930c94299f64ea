import * as fc from '../property.ts';
import { describe, expect, test } from 'vitest';
import { covers, matches, parseOpenTopics, parseTopic, validFilter } from '../../broker/topic.ts';
import { ACCEPTED, connectBytes, packet, publishBytes, rig, subscribeBytes, text, until } from './harness.ts';

describe('topics', () => {
  test.each([
    ['boxes/ab-cd-12/json', { kind: 'readings', box: 'ab-cd-12', format: 'json', batch: false }],
    ['boxes/ab-cd-12/lass/batch', { kind: 'readings', box: 'ab-cd-12', format: 'lass', batch: true }],
    ['boxes/ab-cd-12/status', { kind: 'status', box: 'ab-cd-12' }],
    ['boxes/ab-cd-12/status/batch', null],
    ['boxes/short/json', null],
    ['boxes/UPPER-CASE/json', null],
    ['boxes/ab-cd-12', null],
    ['boxes/ab-cd-12/', null],
    ['boxes/ab-cd-12/json/more', null],
    ['boxes/ab-cd-12/tasmota/SENSOR', { kind: 'readings', box: 'ab-cd-12', format: 'tasmota', batch: false }],
    [
      'boxes/ab-cd-12/esphome/sensor/pm_2_5/state',
      { kind: 'readings', box: 'ab-cd-12', format: 'esphome', batch: false },
    ],
    ['boxes/ab-cd-12/esphome/a/b/c/d/e', null],
    ['boxes', null],
    ['$SYS/broker', null],
    ['v1.1/Datastreams(1)/Observations', { kind: 'sensorthings' }],
    ['LASS/Test/PM25', { kind: 'native' }],
    ['boxesx/ab-cd-12/json', { kind: 'native' }],
  ])('%s', (name, topic) => expect(parseTopic(name)).toEqual(topic));

  test.each([['#'], ['+/x'], ['boxes/#'], ['v1.1/#'], ['$SYS/#'], ['LASS/#/x'], ['LASS/a+'], ['']])(
    'open topic %s is refused at the start, by name',
    (filter) => expect(() => parseOpenTopics([filter])).toThrow(`"${filter}"`),
  );

  const level = fc.constantFrom('a', 'b', '', '$x', 'LASS');
  const names = fc.array(level, { minLength: 1, maxLength: 4 }).map((l) => l.join('/'));
  const filters = fc
    .tuple(fc.array(fc.oneof(level, fc.constant('+')), { minLength: 1, maxLength: 4 }), fc.boolean())
    .map(([l, hash]) => [...l, ...(hash ? ['#'] : [])].join('/'))
    .filter((f) => f.length > 0);

  /** The rules of [MQTT-4.7] written down a second time, as a regular expression. */
  const asPattern = (filter: string): RegExp => {
    const parts = filter.split('/').map((l) => (l === '+' ? '[^/]*' : l.replace(/\$/g, '\\$')));
    const hash = parts.at(-1) === '#';
    if (hash) parts.pop();
    const body = parts.join('/');
    return new RegExp(hash ? (body === '' && parts.length === 0 ? '^.*$' : `^${body}(/.*)?$`) : `^${body}$`);
  };

  test('matching agrees with the standard', () => {
    fc.assert(
      fc.property(filters, names, (filter, name) => {
        const expected = asPattern(filter).test(name) && !(name.startsWith('$') && /^[#+]/.test(filter));
        expect(matches(filter.split('/'), name)).toBe(expected);
      }),
      { numRuns: 2000 },
    );
  });

  test('a covered filter matches nothing that its cover does not', () => {
    fc.assert(
      fc.property(filters, filters, names, (outer, inner, name) => {
        if (covers(outer.split('/'), inner.split('/')) && matches(inner.split('/'), name))
          expect(matches(outer.split('/'), name)).toBe(true);
        expect(covers(outer.split('/'), outer.split('/'))).toBe(!/^[#+]/.test(outer) || !outer.startsWith('$'));
      }),
      { numRuns: 2000 },
    );
  });

  test('any text is a filter or not, without a throw', () => {
    fc.assert(fc.property(fc.string(), (s) => void [validFilter(s), parseTopic(s), matches(['a', '#'], s)]));
  });
});

describe('credentials', () => {
  test('a known box with its key is let in', async () => {
    const r = await rig();
    const { id, key } = r.box();
    const raw = await r.raw();
    raw.write(connectBytes({ user: id, password: key }));
    expect(await raw.read(4)).toEqual(ACCEPTED);
  });

  test.each([['another key'], ['']])('a known box with the key "%s": return code 4', async (password) => {
    const r = await rig();
    const { id } = r.box();
    const raw = await r.raw();
    raw.write(connectBytes({ user: id, password }));
    expect(await raw.closed()).toEqual(Buffer.from([0x20, 2, 0, 4]));
    expect(r.broker.stats().refused).toEqual({ credentials: 1 });
  });

  test('neither key nor wrong key is ever in the log', async () => {
    const r = await rig();
    const { id, key } = r.box();
    const raw = await r.raw();
    raw.write(connectBytes({ user: id, password: `${key}x` }));
    await raw.closed();
    expect(r.lines.length).toBeGreaterThan(0);
    expect(JSON.stringify(r.lines)).not.toContain(key);
  });

  test('a retired box is refused', async () => {
    const r = await rig();
    const { id, key } = r.box();
    r.registry.retire(id, Date.now());
    const raw = await r.raw();
    raw.write(connectBytes({ user: id, password: key }));
    expect(await raw.closed()).toEqual(Buffer.from([0x20, 2, 0, 4]));
  });

  test.each([
    ['no user name', {}],
    ['a fleet that shares one public name', { user: 'maps', password: 'iisnrl' }],
    ['a name like a box id that no box has', { user: 'nobody-here-1', password: 'x' }],
  ])('%s: anonymous', async (_, connect) => {
    const r = await rig();
    const raw = await r.raw();
    raw.write(connectBytes(connect), publishBytes('LASS/a', 'x', 1, 1));
    expect(await raw.read(8)).toEqual(Buffer.concat([ACCEPTED, Buffer.from([0x40, 2, 0, 1])]));
    expect(r.accepted[0]?.sender).toBe('');
  });

  test('user name "token": a wrong token is return code 4, also a box key', async () => {
    const r = await rig({ adminToken: 'the-admin-token' });
    for (const password of ['nonsense', '', r.box().key]) {
      const raw = await r.raw();
      raw.write(connectBytes({ user: 'token', password }));
      expect(await raw.closed()).toEqual(Buffer.from([0x20, 2, 0, 4]));
    }
  });

  test('an admin token, from the settings or the registry, publishes for any box, which is then the sender', async () => {
    const r = await rig({ adminToken: 'the-admin-token' });
    const { id } = r.box();
    const tokens = ['the-admin-token', r.registry.addToken('bridge', 'b', 0), r.registry.addToken('admin', 'a', 0)];
    for (const password of tokens) {
      const client = await r.client({ username: 'token', password });
      await client.publishAsync(`boxes/${id}/json`, '{}', { qos: 1 });
    }
    expect(r.accepted.map((p) => p.sender)).toEqual([id, id, id]);
  });

  test('a registry that throws: return code 3, the broker lives', async () => {
    const r = await rig({
      registry: {
        authenticate: () => {
          throw new Error('disk I/O error');
        },
        principal: () => null,
      },
    });
    const raw = await r.raw();
    raw.write(connectBytes({ user: 'some-box-id', password: 'x' }));
    expect(await raw.closed()).toEqual(Buffer.from([0x20, 2, 0, 3]));
    await r.client();
  });
});

describe('who may publish where', () => {
  test.each([
    ['another box', 'anonymous', (other: string) => `boxes/${other}/json`, 'not-your-box'],
    ['another box', 'box', (other: string) => `boxes/${other}/json`, 'not-your-box'],
    ['another box status', 'box', (other: string) => `boxes/${other}/status`, 'not-your-box'],
    ['$SYS', 'anonymous', () => '$SYS/x', 'no-such-topic'],
    ['$SYS', 'admin', () => '$SYS/x', 'no-such-topic'],
    ['a topic that is not open', 'anonymous', () => 'home/kitchen', 'topic-not-open'],
    ['below boxes/', 'box', () => 'boxes/x', 'no-such-topic'],
    ['SensorThings', 'anonymous', () => 'v1.1/Datastreams(1)/Observations', 'no-write-token'],
    ['SensorThings', 'box', () => 'v1.1/Datastreams(1)/Observations', 'no-write-token'],
    ['SensorThings', 'bridge', () => 'v1.1/Datastreams(1)/Observations', 'no-write-token'],
    ['a box', 'sta-write', (other: string) => `boxes/${other}/json`, 'not-your-box'],
  ] as const)('%s by %s: closed, counted, logged, nothing kept', async (_, who, topic, reason) => {
    const r = await rig({ adminToken: 'the-admin-token' });
    const other = r.box();
    const self = r.box();
    const connect =
      who === 'anonymous'
        ? {}
        : who === 'box'
          ? { user: self.id, password: self.key }
          : {
              user: 'token',
              password: who === 'admin' ? 'the-admin-token' : r.registry.addToken(who, 'test', 0),
            };
    for (const qos of [0, 1, 2]) {
      const raw = await r.raw();
      raw.write(connectBytes(connect));
      expect(await raw.read(4)).toEqual(ACCEPTED);
      raw.write(publishBytes(topic(other.id), 'x', qos, 1));
      expect(await raw.closed()).toEqual(Buffer.alloc(0));
    }
    expect(r.accepted).toEqual([]);
    expect(r.broker.stats().refused).toEqual({ [reason]: 3 });
    expect(r.lines.filter((l) => l.level === 'warn').map((l) => l.fields['reason'])).toEqual([reason, reason, reason]);
  });

  test.each([
    ['an empty topic', packet(0x32, text(''), [0, 1], Buffer.from('x'))],
    ['a wildcard', publishBytes('LASS/+', 'x', 1)],
    ['a NUL', publishBytes('LASS/\0', 'x', 1)],
    ['bytes that are no UTF-8', packet(0x32, [0, 7], Buffer.from('LASS/'), [0xc3, 0x28, 0, 1])],
    ['a topic of 600 bytes', publishBytes(`LASS/${'x'.repeat(600)}`, 'x', 1)],
  ])('%s as topic name: closed', async (_, bytes) => {
    const r = await rig();
    const raw = await r.raw();
    raw.write(connectBytes(), bytes);
    expect(await raw.closed()).toEqual(ACCEPTED);
    expect(r.accepted).toEqual([]);
    expect(r.broker.stats().refused).toEqual({ 'bad-topic': 1 });
  });

  test('a topic in Chinese is carried as it is', async () => {
    const r = await rig();
    const client = await r.client();
    await client.publishAsync('LASS/Test/臺南', 'x', { qos: 1 });
    expect(r.accepted[0]?.topic).toBe('LASS/Test/臺南');
  });

  test('a right is judged anew for each topic of a connection', async () => {
    const r = await rig();
    const raw = await r.raw();
    raw.write(connectBytes(), publishBytes('LASS/a', '1', 1, 1), publishBytes('LASS/b', '2', 1, 2));
    await raw.read(12);
    raw.write(publishBytes('LASX/a', '3', 1, 3));
    await raw.closed();
    expect(r.accepted.map((p) => p.topic)).toEqual(['LASS/a', 'LASS/b']);
  });

  test('SensorThings by a writer: acknowledged when the hook resolved, closed when it rejects', async () => {
    const seen: string[] = [];
    const r = await rig({
      onSensorThings: (topic, payload, user) => {
        seen.push(`${topic} ${Buffer.from(payload).toString()} ${user.kind === 'token' ? user.scope : ''}`);
        return payload.length > 2 ? Promise.reject(new Error('no')) : Promise.resolve();
      },
    });
    const password = r.registry.addToken('sta-write', 'writer', 0);
    const raw = await r.raw();
    raw.write(connectBytes({ user: 'token', password }), publishBytes('v1.1/Things', '{}', 1, 1));
    expect(await raw.read(8)).toEqual(Buffer.concat([ACCEPTED, Buffer.from([0x40, 2, 0, 1])]));
    raw.write(publishBytes('v1.1/Things', '[1]', 1, 2));
    expect(await raw.closed()).toEqual(Buffer.alloc(0));
    expect(seen).toEqual(['v1.1/Things {} sta-write', 'v1.1/Things [1] sta-write']);
    expect(r.accepted).toEqual([]);
  });
});

describe('who may read what', () => {
  test.each([
    ['anonymous', 'v1.1/#', 0],
    ['anonymous', 'v1.1/Datastreams(64)/Observations', 0],
    ['anonymous', 'LASS/#', 0],
    ['anonymous', 'LASS/Test/+', 0],
    ['anonymous', '#', 0x80],
    ['anonymous', '+/+/json', 0x80],
    ['anonymous', 'boxes/#', 0x80],
    ['anonymous', 'boxes/SELF/status', 0x80],
    ['anonymous', '$SYS/#', 0x80],
    ['anonymous', '$share/group/LASS/#', 0x80],
    ['anonymous', 'home/#', 0x80],
    ['anonymous', '+/Test', 0x80],
    ['box', 'boxes/SELF/#', 0],
    ['box', 'boxes/SELF/status', 0],
    ['box', 'boxes/OTHER/status', 0x80],
    ['box', 'boxes/OTHER/#', 0x80],
    ['box', 'boxes/+/status', 0x80],
    ['box', 'LASS/#', 0],
    ['admin', 'boxes/#', 0],
    ['admin', '#', 0],
    ['admin', '$SYS/#', 0x80],
    ['sta-write', 'boxes/+/status', 0x80],
  ])('%s subscribes to %s: SUBACK %i', async (who, filter, granted) => {
    const r = await rig({ adminToken: 'the-admin-token' });
    const self = r.box();
    const other = r.box();
    const connect =
      who === 'anonymous'
        ? {}
        : who === 'box'
          ? { user: self.id, password: self.key }
          : { user: 'token', password: who === 'admin' ? 'the-admin-token' : r.registry.addToken('sta-write', 't', 0) };
    const raw = await r.raw();
    raw.write(connectBytes(connect), subscribeBytes(1, filter.replace('SELF', self.id).replace('OTHER', other.id)));
    expect((await raw.read(9)).subarray(4)).toEqual(Buffer.from([0x90, 3, 0, 1, granted]));
  });

  test('readings on open topics reach everybody who reads them, once they are durable; those of boxes nobody', async () => {
    const r = await rig({ adminToken: 'the-admin-token' });
    const { id, key } = r.box();
    const got: string[] = [];
    for (const options of [{}, { username: id, password: key }]) {
      const reader = await r.client(options);
      reader.on('message', (topic, payload) => got.push(`${topic} ${payload.toString()}`));
      await reader.subscribeAsync('LASS/#', { qos: 1 });
    }
    const box = await r.client({ username: id, password: key, clientId: 'box' });
    await box.publishAsync(`boxes/${id}/json`, '{}', { qos: 1 });
    const anonymous = await r.client();
    await anonymous.publishAsync('LASS/Test', 'one', { qos: 1, retain: true });
    await anonymous.publishAsync('LASS/Test', 'two', { qos: 0 });
    await anonymous.publishAsync('LASS/Test', 'three', { qos: 2 });
    await until(() => got.length === 6);
    expect(got.sort()).toEqual([
      'LASS/Test one',
      'LASS/Test one',
      'LASS/Test three',
      'LASS/Test three',
      'LASS/Test two',
      'LASS/Test two',
    ]);
    // nothing of it was retained
    const late = await r.client();
    late.on('message', (topic) => got.push(topic));
    await late.subscribeAsync('LASS/#');
    await late.publishAsync('LASS/Test', 'last', { qos: 1 });
    await until(() => got.length === 9);
    expect(got.slice(6).sort()).toEqual(['LASS/Test', 'LASS/Test last', 'LASS/Test last']);
  });

  test('live messages of the server reach subscribers; without any they cost nothing', async () => {
    const r = await rig();
    expect(r.broker.hasLiveSubscribers()).toBe(false);
    r.broker.publish('v1.1/Datastreams(64)/Observations', '{"result":0}');
    const reader = await r.client();
    const got: string[] = [];
    reader.on('message', (topic, payload) => got.push(`${topic} ${payload.toString()}`));
    await reader.subscribeAsync('v1.1/Datastreams(64)/Observations');
    expect(r.broker.hasLiveSubscribers()).toBe(true);
    r.broker.publish('v1.1/Datastreams(65)/Observations', '{"result":1}');
    r.broker.publish('v1.1/Datastreams(64)/Observations', Buffer.from('{"result":2}'));
    await until(() => got.length === 1);
    expect(got).toEqual(['v1.1/Datastreams(64)/Observations {"result":2}']);
    await reader.endAsync();
    await until(() => !r.broker.hasLiveSubscribers());
  });
});
