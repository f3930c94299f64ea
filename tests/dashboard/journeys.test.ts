/** Each journey of a person through the pages, in a real browser. */
import { mkdirSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { tmpdir } from 'node:os';
import type { Browser, BrowserContext, BrowserContextOptions, Page } from 'playwright-core';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { buildPages, CHROMIUM, openBrowser, WITHOUT_CHROMIUM } from './browser.ts';
import { startServer, type PageServer } from './server.ts';
import { hasWind, type FakeThing } from './city.ts';

const PHONE = { viewport: { width: 390, height: 844 }, isMobile: true, hasTouch: true };
const DESKTOP = { viewport: { width: 1280, height: 800 } };
/** A software-drawn map on a busy machine takes its time; nothing here waits for a clock. */
const PATIENCE = 60_000;

const axeSource = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');
const SHOTS = process.env['LAMPPOST_SHOTS'] ?? join(tmpdir(), 'lamppost-shots');

/** What the functions handed to the browser see there; the project's own types know no browser. */
interface FoundElement {
  readonly id: string;
  readonly textContent: string;
  readonly scrollWidth: number;
  matches(selector: string): boolean;
}
declare const document: {
  readonly activeElement: FoundElement | null;
  readonly documentElement: FoundElement;
  querySelector(selector: string): FoundElement | null;
  querySelectorAll(selector: string): readonly FoundElement[];
};
declare const location: { readonly search: string };
declare const innerWidth: number;
declare const caches: { open(name: string): Promise<{ match(url: string): Promise<unknown> }> };
declare const window: {
  readonly lamppostMap?: {
    readonly map: {
      getZoom(): number;
      loaded(): boolean;
      jumpTo(to: { center: [number, number]; zoom: number }): void;
    };
    readonly field: { readonly drawn: number };
  };
  readonly hacked?: number;
  readonly axe: {
    run(options: unknown): Promise<{ violations: readonly { id: string; nodes: readonly { html: string }[] }[] }>;
  };
};

describe.skipIf(!CHROMIUM)(`the pages in a browser${CHROMIUM ? '' : ` (${WITHOUT_CHROMIUM})`}`, () => {
  let browser: Browser;
  let server: PageServer;
  let contexts: BrowserContext[] = [];

  beforeAll(async () => {
    mkdirSync(SHOTS, { recursive: true });
    await buildPages();
    server = await startServer({ boxes: 420 });
    browser = await openBrowser();
  });
  afterAll(async () => {
    await browser?.close();
    await server?.close();
  });
  afterEach(async () => {
    for (const c of contexts) await c.close();
    contexts = [];
  });

  async function open(path: string, options: BrowserContextOptions = {}): Promise<Page> {
    const context = await browser.newContext({
      locale: 'zh-TW',
      timezoneId: 'Asia/Taipei',
      serviceWorkers: 'block',
      ...DESKTOP,
      ...options,
    });
    contexts.push(context);
    context.setDefaultTimeout(PATIENCE);
    const page = await context.newPage();
    page.on('pageerror', (error) => expect.soft(error.message, path).toBe(''));
    await page.goto(server.url + path);
    return page;
  }
  const values = (page: Page): Promise<unknown> => page.waitForSelector('.map[data-loaded="yes"]');
  const drawn = (page: Page): Promise<unknown> =>
    page.waitForFunction(() => window.lamppostMap?.map.loaded() === true, null, { timeout: PATIENCE });
  const thing = (test: (t: FakeThing) => boolean): FakeThing => {
    const found = server.city.things.find(test);
    if (!found) throw new Error('the city lacks such a Thing');
    return found;
  };
  const at = (t: FakeThing, zoom = 14): string => `at=${t.lat.toFixed(5)},${t.lon.toFixed(5)},${zoom}`;

  it('finds my air: a township by name, a sentence about it, a place in the address', async () => {
    const page = await open('/');
    await values(page);
    await page.fill('[role=combobox]', '台北大安');
    await page.waitForSelector('[role=option]:has-text("大安區")');
    await page.keyboard.press('Enter');
    await page.waitForSelector('.glance h1:has-text("大安區")');
    const said = await page.textContent('.glance');
    expect(said).toMatch(/空氣(良好|普通|對|非常|危害)/);
    expect(said).toMatch(/把握/);
    await page.waitForURL(/at=25\.0/);
  });

  it('finds my air from the position of the browser, on a phone, in English', async () => {
    const page = await open('/', {
      ...PHONE,
      locale: 'en-GB',
      geolocation: { latitude: 24.15, longitude: 120.67 },
      permissions: ['geolocation'],
    });
    await values(page);
    await page.click('.locate');
    await page.waitForSelector('.glance h1:has-text("your position")');
    expect(await page.textContent('.glance h1')).toMatch(/^The air near your position is /);
    await page.screenshot({ path: join(SHOTS, 'phone-position.png') });
  });

  it('says so when the browser gives no position', async () => {
    const page = await open('/', { locale: 'en-GB' });
    await values(page);
    await page.click('.locate');
    await page.waitForSelector('.banner:has-text("gave no position")');
  });

  it('opens a box by a click on the map, with value, chart and the way of the number', async () => {
    const box = thing(
      (t) => t.kind === 'box' && t.mood === 'ok' && t.exposure === 'outdoor' && t.name.startsWith('花蓮'),
    );
    const page = await open(`/?${at(box, 15)}`);
    await values(page);
    await drawn(page);
    await page.mouse.click(640, 52 + 374);
    await page.waitForSelector('.panel .uplot');
    await page.waitForURL(new RegExp(`box=${box.id}`));
    await page.waitForSelector('.why .measured:has-text("µg/m³")');
    const said = (await page.textContent('.panel')) as string;
    expect(said).toContain(box.name);
    expect(said).toContain('90 % 區間');
    expect(said).toMatch(/校正模式 pms-l4/);
    expect(await page.locator('.why .each li').first().isVisible()).toBe(false);
    await page.click('.why .each summary');
    expect(await page.textContent('.why .each li')).toBe('在這個項目可能的範圍內嗎？ 沒有異常');
    expect(await page.locator('.why .each li').count()).toBe(12);
    await page.screenshot({ path: join(SHOTS, 'desktop-panel.png') });
    await page.goBack();
    await page.waitForSelector('.panel', { state: 'detached' });
  });

  it('is live without reload, and an older value never replaces a newer one', async () => {
    const box = thing((t) => t.kind === 'box' && t.mood === 'ok' && t.name.startsWith('臺東'));
    const page = await open(`/?${at(box)}&box=${box.id}`);
    await values(page);
    await page.waitForSelector('.freshness.live');
    server.push(box, 'pm25', 77.7);
    await page.waitForSelector('.panel .now .coin:has-text("77.7")');
    await page.waitForSelector('.panel .why:has-text("pms-l4-push")');
  });

  it('says when the server is away, keeps what it had, and recovers by itself', async () => {
    const page = await open('/?at=25.04,121.53,12');
    await values(page);
    await page.waitForSelector('.freshness.live');
    const before = await page.textContent('.glance .coin b');
    await server.goAway();
    try {
      await page.waitForSelector('.banner.warn');
      expect(await page.textContent('.glance .coin b')).toBe(before);
    } finally {
      await server.comeBack();
    }
    await page.waitForSelector('.banner.warn', { state: 'detached' });
    await page.waitForSelector('.freshness.live');
  });

  it('opens a sensible map for nonsense in the address and says what was ignored', async () => {
    const page = await open('/?at=here&layer=moon&scale=%3Cscript%3E&box=../x&p=pm10&zzz=1');
    await values(page);
    const said = (await page.textContent('.banner code')) as string;
    for (const word of ['at=here', 'layer=moon', 'scale=<script>', 'box=../x', 'zzz=1']) expect(said).toContain(word);
    expect(await page.inputValue('.controls select')).toBe('pm10');
    await page.click('.banner button');
    await page.waitForSelector('.banner', { state: 'detached' });
  });

  it('keeps layer, level and scale in the address; the back button undoes them', async () => {
    const page = await open('/?at=24.1,120.65,10');
    await values(page);
    await page.click('.controls label:has-text("原始")');
    await page.waitForURL(/level=raw/);
    await page.selectOption('.legend select', 'who');
    await page.waitForURL(/scale=who/);
    await page.goBack();
    await page.waitForFunction(() => !location.search.includes('scale=who'));
    expect(await page.inputValue('.legend select')).toBe('tw_aqi');
    await page.goBack();
    await page.waitForFunction(() => !location.search.includes('level=raw'));
    expect(await page.isChecked('.controls input[value=corrected]')).toBe(true);
    expect(await page.evaluate(() => window.lamppostMap?.map.getZoom())).toBeCloseTo(10, 1);
  });

  it('shows markup in names as the text it is, and names without end in their place', async () => {
    const [evil, long] = server.city.things as readonly [FakeThing, FakeThing];
    const page = await open(`/?${at(evil)}&box=${evil.id}`);
    await page.waitForSelector('.panel h2:has-text("<img src=x")');
    expect(await page.evaluate(() => window.hacked)).toBeUndefined();
    expect(await page.$('.panel h2 img')).toBeNull();
    await page.goto(`${server.url}/?${at(long)}&box=${long.id}`);
    await page.waitForSelector('.panel h2:has-text("一個名字非常")');
    const wide = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
    expect(wide).toBeLessThanOrEqual(0);
  });

  it.each(['refused', 'silent', 'empty', 'single', 'suspect'] as const)(
    'looks right for a box that is %s',
    async (mood) => {
      const box = thing((t) => t.kind === 'box' && t.mood === mood);
      const page = await open(`/?${at(box)}&hide=&box=${box.id}`);
      await page.waitForSelector('.panel h2');
      await values(page);
      const expected = {
        refused: '拒用|沒有可用的值',
        silent: '沒有回報',
        empty: '沒有讀數',
        single: '只有一筆',
        suspect: '可疑',
      }[mood];
      await page.waitForFunction(
        (text) => new RegExp(text).test(document.querySelector('.panel')?.textContent ?? ''),
        expected,
        { timeout: PATIENCE },
      );
      expect(await page.textContent('.panel')).not.toMatch(/NaN|undefined|Infinity/);
    },
  );

  it('says that a box does not exist', async () => {
    const page = await open('/?box=box-that-is-not');
    await page.waitForSelector('.panel h2:has-text("找不到這個感測盒")');
  });

  it('plays back the last two days and comes back to now', async () => {
    const page = await open('/?at=24.1,120.65,11');
    await values(page);
    await page.click('.timebutton');
    await page.waitForSelector('.timeline output:has-text("現在")');
    await page.waitForSelector('.play:not([disabled])');
    await page.fill('.timeline input[type=range]', '10');
    await page.waitForURL(/t=20\d\d-/);
    await page.waitForSelector('.timeline output:has-text("小時平均")');
    const then = await page.evaluate(() => location.search);
    await page.click('.play');
    await page.waitForFunction((before) => location.search !== before, then, { timeout: PATIENCE });
    await page.screenshot({ path: join(SHOTS, 'playback.png') });
    await page.click('.timeline .link');
    await page.waitForFunction(() => !/[?&]t=/.test(location.search));
  });

  it('answers a link to a moment with what it claims and what the record says', async () => {
    const box = thing((t) => t.kind === 'station');
    const hour = new Date(Math.floor(Date.now() / 3_600_000 - 5) * 3_600_000).toISOString().slice(0, 19);
    const page = await open(`/?${at(box)}&box=${box.id}&t=${hour}Z&was=123.4;old-model`);
    await page.waitForSelector('.evidence:has-text("123.4")');
    await page.waitForSelector('.evidence:has-text("紀錄後來改過")');
  });

  it.each(['boxes', 'field', 'hotspots', 'towns', 'stations', 'health'] as const)(
    'draws the layer %s',
    async (layer) => {
      const page = await open(`/?at=24.12,120.66,10&layer=${layer}`);
      await values(page);
      await drawn(page);
      if (layer === 'field')
        await page.waitForFunction(() => (window.lamppostMap?.field.drawn ?? 0) > 50, null, { timeout: PATIENCE });
      await drawn(page);
      const shot = await page.screenshot({
        path: join(SHOTS, `layer-${layer}.png`),
        clip: { x: 420, y: 100, width: 560, height: 560 },
      });
      // An empty map compresses to next to nothing.
      expect(shot.length).toBeGreaterThan(12_000);
    },
  );

  it('says since when the air at a place is what it is, and draws its day', async () => {
    const page = await open('/?at=24.14,120.67,13&lang=en');
    await values(page);
    await page.waitForSelector('.glance .since');
    expect(await page.textContent('.glance .since')).toMatch(
      /(It has been so (since \d\d:\d\d|all day)\.)? ?(Higher than|Lower than|About as) three hours ago\./,
    );
    expect(await page.locator('.day24 rect').count()).toBe(24);
  });

  it('lists hot spots, shows where one was and lets it go over the map', async () => {
    const page = await open('/?at=24.12,120.65,11&layer=hotspots');
    await values(page);
    await page.waitForSelector('.hotspots li .where');
    expect(await page.textContent('.hotspots li')).toMatch(/最高 \d+、四周 \d+ µg\/m³/);
    expect(await page.textContent('.hotspots')).toMatch(/往.{1,2}移動 [\d.]+ 公里|停在原地/);
    await page.click('.hotspots li .chip');
    await page.waitForURL(/t=20\d\d-/);
    await page.waitForSelector('.timeline .play:not([disabled]):has-text("暫停")');
    const then = await page.evaluate(() => location.search);
    await page.waitForFunction((before) => location.search !== before, then, { timeout: PATIENCE });
    await page.click('.timeline .play');
    await drawn(page);
    await page.screenshot({ path: join(SHOTS, 'hotspot-playback.png') });
    await page.click('.timeline .link');
    await page.waitForFunction(() => !/[?&]t=/.test(location.search));
  });

  it('draws the wind on hot spots where it is measured, and nowhere and never else', async () => {
    const good = (t: FakeThing): boolean => t.kind === 'box' && t.mood === 'ok' && t.exposure === 'outdoor';
    const vane = thing((t) => good(t) && hasWind(t));
    const still = thing(
      (t) =>
        good(t) &&
        !server.city.things.some((o) => hasWind(o) && Math.abs(o.lat - t.lat) < 0.03 && Math.abs(o.lon - t.lon) < 0.03),
    );
    // Pixels in the blue of the arrows; an arrow of a light wind has over a hundred.
    const blue = (enough: boolean): string =>
      `(() => {
          const c = document.querySelector('.map-labels');
          const d = c.getContext('2d').getImageData(0, 0, c.width, c.height).data;
          let n = 0;
          for (let i = 0; i < d.length; i += 4) if (d[i] === 0x2b && d[i + 1] === 0x62 && d[i + 2] === 0x87) n++;
          return ${enough ? 'n > 20' : 'n === 0'};
        })()`;
    const go = (page: Page, t: FakeThing): Promise<void> =>
      page.evaluate((center) => window.lamppostMap?.map.jumpTo({ center, zoom: 15 }), [t.lon, t.lat] as [
        number,
        number,
      ]);
    const page = await open(`/?${at(vane, 15)}&layer=hotspots`);
    await values(page);
    await page.waitForSelector('.legend:has-text("有測風的地方")');
    await page.waitForFunction(blue(true), null, { timeout: PATIENCE });
    await page.screenshot({ path: join(SHOTS, 'wind.png') });
    await go(page, still);
    await page.waitForFunction(blue(false), null, { timeout: PATIENCE });
    await go(page, vane);
    await page.waitForFunction(blue(true), null, { timeout: PATIENCE });
    // The wind is of now: over the past it would mislead.
    await page.click('.timebutton');
    await page.waitForSelector('.play:not([disabled])');
    await page.fill('.timeline input[type=range]', '10');
    await page.waitForURL(/t=20\d\d-/);
    await page.waitForFunction(blue(false), null, { timeout: PATIENCE });
  });

  it('shows volunteers which boxes in sight want a look, and why', async () => {
    const bad = thing((t) => t.kind === 'box' && t.mood === 'refused');
    const page = await open(`/?${at(bad, 12)}&layer=health&hide=&lang=en`);
    await values(page);
    await page.waitForSelector('.tend li');
    await page.waitForFunction(() => /Health \d+ of 100/.test(document.querySelector('.tend')?.textContent ?? ''));
    expect(await page.textContent('.tend')).toMatch(/Of \d+ boxes in sight, \d+ want a look/);
    await page.click('.tend li .where');
    await page.waitForSelector('.panel .why');
  });

  it('follows live only what is in sight when zoomed in, and everything again for the country', async () => {
    const page = await open('/?at=25.04,121.53,12');
    await values(page);
    await page.waitForSelector('.freshness.live');
    const squares = (): string[] => server.streamSquares();
    const until = (test: () => boolean): Promise<void> =>
      expect.poll(test, { timeout: PATIENCE, interval: 50 }).toBe(true);
    await until(() => squares().length > 0 && squares().every((s) => s.startsWith('12')));
    const taipei = squares()[0];
    await page.evaluate(() => window.lamppostMap?.map.jumpTo({ center: [120.34, 22.66], zoom: 12 }));
    await until(() => squares().length > 0 && squares().every((s) => s !== '' && s !== taipei));
    await page.evaluate(() => window.lamppostMap?.map.jumpTo({ center: [120.7, 23.7], zoom: 7 }));
    await until(() => squares().length > 0 && squares().every((s) => s === ''));
  });

  it('holds a box against its nearest station and its neighbours, and makes a link that fixes what was shown', async () => {
    const box = thing(
      (t) => t.kind === 'box' && t.mood === 'ok' && t.name.startsWith('臺中') && t.exposure === 'outdoor',
    );
    const page = await open(`/?${at(box)}&box=${box.id}&lang=en`);
    await values(page);
    await page.waitForSelector('.panel .beside input');
    const beside = (await page.textContent('.panel .beside')) as string;
    expect(beside).toMatch(/nearest station .*測站 \d+ \(/);
    await page.waitForSelector('.panel .u-legend:has-text("nearest station")');
    await page.uncheck('.panel .beside input >> nth=0');
    await page.waitForSelector('.panel .u-legend:not(:has-text("nearest station"))');
    await page.click('.panel button:has-text("Copy link")');
    const link = await page.inputValue('.panel .actions + .field input');
    expect(link).toMatch(/[?&]t=20.*[?&]was=[\d.]+%3B[\w-]+%3Blive\.0/);
    await page.goto(link);
    await page.waitForSelector('.evidence:has-text("The record has not changed")');
    expect(await page.textContent('.evidence')).toContain('live');
  });

  it('says what happened to a value since a link was made', async () => {
    const box = thing((t) => t.kind === 'box' && t.mood === 'ok' && t.exposure === 'outdoor');
    const then = new Date(Date.now() - 30 * 3_600_000);
    const hour = { from: new Date(+then - 900_000).toISOString(), to: then.toISOString() };
    const list = (await (
      await fetch(
        `${server.url}/api/v1/boxes/${box.id}/observations?property=pm25&level=corrected&from=${hour.from}&to=${hour.to}`,
      )
    ).json()) as { items: { phenomenonTime: string; value: number }[] };
    const shown = list.items[0];
    expect(shown).toBeDefined();
    const page = await open(`/?${at(box)}&box=${box.id}&lang=en&t=${shown?.phenomenonTime}&was=99.9;pms-l2-old;live.0`);
    await page.waitForSelector('.evidence:has-text("The record changed since")');
    const said = (await page.textContent('.evidence')) as string;
    expect(said).toContain('99.9 µg/m³ live');
    expect(said).toContain(`${shown?.value.toFixed(1)} µg/m³ revised (7)`);
    await page.click('.evidence summary');
    await page.waitForSelector(
      '.evidence li:has-text("12 of 288 values of that day changed, by −1.4 µg/m³ on average")',
    );
    await page.screenshot({ path: join(SHOTS, 'evidence.png') });
  });

  it('finds, plays back and compares by keyboard alone', async () => {
    const page = await open('/?at=24.15,120.67,12', { locale: 'en-GB' });
    await values(page);
    await page.focus('[role=combobox]');
    await page.keyboard.type('Daan');
    await page.waitForSelector('[role=option]');
    await page.keyboard.press('ArrowDown');
    await page.keyboard.press('ArrowUp');
    await page.keyboard.press('Enter');
    await page.waitForFunction(() => /at=2[2-5]/.test(location.search));
    await page.focus('.timebutton');
    await page.keyboard.press('Enter');
    await page.waitForSelector('.play:not([disabled])');
    await page.focus('.timeline input[type=range]');
    await page.keyboard.press('ArrowLeft');
    await page.keyboard.press('ArrowLeft');
    await page.waitForURL(/t=20\d\d-/);
    await page.focus('.timeline .link');
    await page.keyboard.press('Enter');
    await page.waitForFunction(() => !/[?&]t=/.test(location.search));
    await page.focus('.listbutton');
    await page.keyboard.press('Enter');
    await page.focus('.list tbody tr .link');
    await page.keyboard.press('Enter');
    await page.waitForSelector('.panel .actions');
    await page.focus('.panel .actions button');
    await page.keyboard.press('Enter');
    await page.waitForURL(/compare=/);
    await page.focus('.foot-tools a[href^="/compare"]');
    await page.keyboard.press('Enter');
    await page.waitForURL(/\/compare\?ids=/);
    await page.waitForSelector('.chart .uplot');
  });

  it('works by keyboard alone: list, box, close, levels', async () => {
    const page = await open('/?at=25.04,121.53,12', { locale: 'en-GB' });
    await values(page);
    const press = async (key: string, until: () => Promise<boolean>, limit = 90): Promise<void> => {
      for (let i = 0; i < limit; i++) {
        if (await until()) return;
        await page.keyboard.press(key);
      }
      throw new Error(`${key} did not get there`);
    };
    const on = (selector: string) => (): Promise<boolean> =>
      page.evaluate((s) => document.activeElement?.matches(s) ?? false, selector);
    await page.keyboard.press('Tab');
    expect(await on('.skip')()).toBe(true);
    await press('Tab', on('.listbutton'));
    await page.keyboard.press('Enter');
    await page.waitForSelector('.list tbody tr');
    await press('Tab', on('.list tbody .link'));
    await page.keyboard.press('Enter');
    await page.waitForSelector('.panel h2');
    await page.waitForFunction(() => document.activeElement?.id === 'panel-name', null, { timeout: PATIENCE });
    await page.keyboard.press('Escape');
    await page.waitForSelector('.panel', { state: 'detached' });
    await press('Tab', on('.controls input[name=level]'));
    await page.keyboard.press('ArrowRight');
    await page.waitForURL(/level=raw/);
  });

  it('compares boxes chosen on the map', async () => {
    const [a, b] = [
      thing((t) => t.mood === 'ok' && t.kind === 'box' && t.id > 'box-000020'),
      thing((t) => t.kind === 'station'),
    ];
    const page = await open(`/?${at(a)}&box=${a.id}&compare=${b.id}`);
    await page.click('.panel button:has-text("加入比較")');
    await page.click('a:has-text("比較 2 個")');
    await page.waitForSelector('.chart .uplot');
    expect(await page.locator('.scroll tbody tr').count()).toBe(2);
    await page.screenshot({ path: join(SHOTS, 'compare.png') });
    await page.click(`[aria-label="移除 ${b.name}"]`);
    await page.waitForFunction(() => document.querySelectorAll('.scroll tbody tr').length === 1);
  });

  it('has a page for a box with its year, neighbours and embeds, and the embeds name their source', async () => {
    const box = thing((t) => t.mood === 'ok' && t.kind === 'box' && t.name.startsWith('臺中'));
    const page = await open(`/boxes/${box.id}?lang=en`);
    await page.waitForSelector('.calendar rect');
    await page.waitForSelector('h2:has-text("Nearest others")');
    await page.waitForSelector('.exceed');
    await page.screenshot({ path: join(SHOTS, 'box-page.png'), fullPage: true });
    for (const kind of ['value', 'chart']) {
      await page.goto(`${server.url}/embed/${kind}?box=${box.id}&lang=en`);
      await page.waitForSelector('.embed .coin b');
      expect(await page.textContent('.embed')).toContain('Data from Lamppost');
    }
    await page.goto(`${server.url}/embed/map?at=24.15,120.67,11&lang=en`);
    await page.waitForSelector('.map-embed .by a');
  });

  it('shows a box with ten years of values: a full year in chart and calendar, and any day of the ten by a link', async () => {
    const box = server.oldest;
    const DAY = 86_400_000;
    const asked: { days: number; every: string | null }[] = [];
    const page = await open('/methods', { locale: 'en-GB' });
    page.on('request', (r) => {
      const url = new URL(r.url());
      const [from, to] = [url.searchParams.get('from'), url.searchParams.get('to')];
      if (url.pathname.endsWith('/observations') && from && to)
        asked.push({ days: (Date.parse(to) - Date.parse(from)) / DAY, every: url.searchParams.get('interval') });
    });
    await page.goto(`${server.url}/boxes/${box.id}?lang=en`);
    await page.waitForSelector('.calendar rect:not(.none)');
    const [days, none] = await Promise.all([
      page.locator('.calendar rect').count(),
      page.locator('.calendar rect.none').count(),
    ]);
    // Whole weeks, and this one up to today: on a Monday that is one day.
    expect(days).toBeGreaterThanOrEqual(365);
    // Only the days of the first week before the year began are empty.
    expect(days - none).toBeGreaterThanOrEqual(364);
    expect(await page.locator('.calendar text').count()).toBeGreaterThanOrEqual(12);
    expect(await page.textContent('.exceed caption')).toMatch(/36[456]/);
    await page.click('.history label:has-text("1 year")');
    await page.waitForFunction(() => /36[456] readings/.test(document.querySelector('.history')?.textContent ?? ''));
    await page.waitForSelector('.history .uplot');
    // However long the record is, a page asks for no more than a year, and for that by the day.
    expect(asked.some((a) => a.days > 360)).toBe(true);
    for (const a of asked) {
      expect(a.days).toBeLessThan(366);
      if (a.days > 31) expect(a.every).toBe('P1D');
    }
    expect(await page.evaluate(() => document.documentElement.scrollWidth <= innerWidth)).toBe(true);
    await page.screenshot({ path: join(SHOTS, 'ten-years.png'), fullPage: true });

    // A moment this box really spoke, more than nine years ago.
    const HOUR = DAY / 24;
    const long = Math.floor((Date.now() - 9.5 * 365 * DAY) / HOUR) * HOUR + Math.floor(box.phase / 1000) * 1000;
    const iso = (ms: number): string => `${new Date(ms).toISOString().slice(0, 19)}Z`;
    await page.goto(`${server.url}/?${at(box)}&box=${box.id}&lang=en&t=${iso(long)}&was=123.4;old-model`);
    await page.waitForSelector('.evidence:has-text("123.4")');
    await page.waitForSelector('.evidence:has-text("The record changed since")');
    expect(await page.textContent('.evidence > p')).toContain(iso(long + 8 * HOUR).slice(0, 4));
  });

  it('ranks townships', async () => {
    const page = await open('/townships?lang=en');
    await page.waitForSelector('.ranking tbody tr');
    const medians = await page.locator('.ranking .pill').allTextContents();
    const numbers = medians.map(Number);
    expect(numbers.length).toBeGreaterThan(5);
    expect(numbers).toEqual([...numbers].sort((a, b) => b - a));
    await page.click('label:has-text("last 24 h")');
    await page.waitForSelector('p[role=status]:has-text("Means of each site")');
    await page.waitForSelector('.ranking tbody tr');
    expect(await page.textContent('.summary')).toMatch(
      /Of \d+ townships, \d+ have a median above the WHO 24 h guideline 15/,
    );
    const csv = decodeURIComponent((await page.getAttribute('a[download]', 'href')) ?? '');
    expect(csv.split('\r\n')[0]).toContain('town_code,county,town');
    expect(csv.split('\r\n').length).toBeGreaterThan(numbers.length);
  });

  it('shows the last values without a network, and says so', async () => {
    const page = await open('/?at=25.04,121.53,12', { serviceWorkers: 'allow' });
    await values(page);
    await page.waitForFunction('navigator.serviceWorker.controller !== null', null, { timeout: PATIENCE });
    // The second visit goes through the service worker, which keeps what it sees.
    await page.reload();
    await values(page);
    await page.waitForFunction(
      async () =>
        (await (await caches.open('lamppost-1')).match('/api/v1/latest.geojson?property=pm25&level=corrected')) !==
        undefined,
      null,
      { timeout: PATIENCE },
    );
    await server.goAway();
    try {
      await page.reload();
      await values(page);
      await page.waitForSelector('.glance .coin b');
      await page.waitForSelector('.banner.warn');
    } finally {
      await server.comeBack();
    }
  });

  it('can be put on a home screen: the icons of the manifest are there and as large as it says', async () => {
    const manifest = (await (await fetch(`${server.url}/app.webmanifest`)).json()) as {
      icons: { src: string; sizes: string; type: string }[];
    };
    for (const icon of manifest.icons.filter((i) => i.type === 'image/png')) {
      const bytes = Buffer.from(await (await fetch(server.url + icon.src)).arrayBuffer());
      expect(`${bytes.readUInt32BE(16)}x${bytes.readUInt32BE(20)}`, icon.src).toBe(icon.sizes);
    }
    expect(manifest.icons.map((i) => i.sizes)).toEqual(expect.arrayContaining(['192x192', '512x512']));
  });

  it('prints: the panel of a box stands under the map, without buttons', async () => {
    const page = await open('/?at=25.04,121.53,12&box=box-000020&hide=');
    await page.waitForSelector('.panel .uplot');
    await page.emulateMedia({ media: 'print' });
    for (const gone of ['.search', '.controls', '.timebutton', '.panel .actions', '.top nav'])
      expect(await page.locator(gone).first().isVisible(), gone).toBe(false);
    expect(await page.locator('.panel .why').isVisible()).toBe(true);
    await page.screenshot({ path: join(SHOTS, 'print.png'), fullPage: true });
    // Dark screens print on white paper.
    await page.emulateMedia({ media: 'print', colorScheme: 'dark' });
    const paper = "getComputedStyle(document.querySelector('.panel')).backgroundColor";
    expect(await page.evaluate(paper)).toBe('rgb(255, 255, 255)');
    await page.emulateMedia({ media: 'screen', colorScheme: 'dark' });
    expect(await page.evaluate(paper)).not.toBe('rgb(255, 255, 255)');
  });

  it('says without JavaScript where the values are', async () => {
    const page = await open('/', { javaScriptEnabled: false });
    expect(await page.innerHTML('body')).toContain('href="/table"');
  });

  it.each([
    ['/?at=25.04,121.53,12', '.glance .coin'],
    ['/?at=25.04,121.53,12&lang=en&box=box-000020&hide=', '.panel .why'],
    ['/?at=24.12,120.65,11&layer=hotspots', '.hotspots li'],
    ['/?at=25.04,121.53,12&layer=health&hide=', '.tend li'],
    ['/?at=24.12,120.65,11&layer=towns', '.legend'],
    ['/townships', '.ranking tbody tr'],
    ['/embed/value?box=box-000020', '.embed .coin'],
    ['/embed/map?at=24.15,120.67,11', '.map-embed .by a'],
    ['/boxes/box-000020', '.calendar rect'],
    ['/compare?ids=box-000020,station-0001', '.chart .uplot'],
    ['/data', 'main h1'],
    ['/methods', 'main h1'],
    ['/register', 'main h1'],
    ['/embed/chart?box=box-000020', '.embed .coin'],
    ['/nowhere', 'main h1'],
  ])('has no accessibility violation: %s', async (path, ready) => {
    // Text pages share the colours of these; dark ones are looked at once each.
    const schemes = /at=|boxes/.test(path) ? (['light', 'dark'] as const) : (['light'] as const);
    for (const colorScheme of schemes) {
      const page = await open(path, { colorScheme });
      await page.waitForSelector(ready);
      await page.evaluate(axeSource);
      const violations = await page.evaluate(async () =>
        (await window.axe.run({ resultTypes: ['violations'] })).violations.map(
          (v) => `${v.id}: ${v.nodes.map((n) => n.html.slice(0, 160)).join(' | ')}`,
        ),
      );
      expect(violations, colorScheme).toEqual([]);
    }
  });
});
