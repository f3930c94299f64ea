import { describe, expect, it } from 'vitest';
import { nativeIdOf, publicName, shown, topicSegment } from '../../ingest/decoders/text.ts';
import { dateAndTime, moment, TAIPEI } from '../../ingest/decoders/times.ts';

describe('names that everyone may see', () => {
  it.each([
    ['基隆市立中正國小(2018)', '基隆市立中正國小(2018)'],
    ['AirBox-UChicago-43', 'AirBox-UChicago-43'],
    ['智慧城鄉空品微型感測器-74DA38000001', '智慧城鄉空品微型感測器-74DA38000001'],
    ['信義路7號3樓', undefined],
    ['南榮路319巷36號', undefined],
    ['中山路一段12之3號', undefined],
    ['someone@example.org', undefined],
    ['0912345678', undefined],
    ['74DA38000001', undefined], // its id, not a name
    ['N/A', undefined],
    ['', undefined],
    [12, undefined],
    ['x'.repeat(100), undefined],
  ])('%j', (name, wanted) => expect(publicName(name, '74DA38000001')).toBe(wanted));

  it('ids lose quotes, spaces and control characters, and are bounded', () => {
    expect(nativeIdOf(' "LTE_1"\r\n')).toBe('LTE_1');
    expect(nativeIdOf(77456)).toBe('77456');
    for (const none of [null, 1.5, {}, 'x'.repeat(65), 'x'.repeat(5000)]) expect(nativeIdOf(none)).toBe('');
  });

  it('what is shown in messages is short and has no line breaks', () => {
    expect(shown('a\nb\u2028c')).toBe('a b c');
    expect(shown('x'.repeat(1000)).length).toBeLessThan(70);
    expect(shown({ a: 1 })).toBe('{"a":1}');
  });

  it('levels of a topic from its end', () => {
    expect([0, 1, 2, 3].map((n) => topicSegment('a/b/c', n))).toEqual(['c', 'b', 'a', '']);
    expect(topicSegment('', 0)).toBe('');
    expect(topicSegment('a/', 0)).toBe('');
  });
});

describe('the clocks of boxes', () => {
  const iso = (t: number | null) => (t === null ? null : new Date(t).toISOString());
  it.each([
    ['2026-03-01T04:05:06Z', '2026-03-01T04:05:06.000Z'],
    ['2016-06-08 10:30:00Z', '2016-06-08T10:30:00.000Z'],
    ['2020/03/20T17:18:02z', '2020-03-20T17:18:02.000Z'],
    ['2023-02-22T01:00:00-07:00', '2023-02-22T08:00:00.000Z'],
    ['2023-02-22T01:00:00+0800', '2023-02-21T17:00:00.000Z'],
    ['2023/04/29 16:00:00', '2023-04-29T08:00:00.000Z'], // local, below
    ['2020-02-29 23:00', '2020-02-29T15:00:00.000Z'],
    ['2018.02.01 21:29:40', '2018-02-01T13:29:40.000Z'],
    ['2018-12-01T00:00:18.5', '2018-11-30T16:00:18.500Z'],
    ['2021-02-29 00:00', null],
    ['2021-02-28 24:00', null],
    ['yesterday', null],
    ['2021-02-28', null],
    ['x'.repeat(100), null],
  ])('%s', (text, wanted) => expect(iso(moment(text, TAIPEI))).toBe(wanted));

  it.each([
    ['2017-8-7', '8:4:5', '2017-08-07T08:04:05.000Z'],
    ['9/7/15', '12:49:6', '2015-07-09T12:49:06.000Z'],
    ['6/1/80', '0:3:39', '1980-01-06T00:03:39.000Z'],
    ['2026-03-01', '上午 8:04:05', '2026-03-01T08:04:05.000Z'],
    ['2026-03-01', '下午 12:04:05', '2026-03-01T12:04:05.000Z'],
    ['2026-03-01', '下午 8:04:05', '2026-03-01T20:04:05.000Z'],
    ['2026-03-01', '23:59:60', '2026-03-02T00:00:00.000Z'], // a leap second
    ['2026-03-01', '1a:04:05', null],
    ['20x6-03-01', '08:04:05', null],
    ['2026-00-01', '08:04:05', null],
    ['31/2/15', '08:04:05', null],
  ])('%s %s', (date, time, wanted) => expect(iso(dateAndTime(date, time))).toBe(wanted));
});
