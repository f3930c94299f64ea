/** A box of an open topic, flashed from the browser's own tools, finds its page and its owner: the real server and a real browser. */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import mqtt from 'mqtt';
import type { Browser, Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { CHROMIUM, openBrowser, WITHOUT_CHROMIUM } from '../dashboard/browser.ts';
import { ROOT, startChild, until, type ChildServer } from './server.ts';

const SHOTS = process.env['LAMPPOST_SHOTS'] ?? join(tmpdir(), 'lamppost-shots');
const MINUTE = 60_000;

describe.skipIf(!CHROMIUM)(`an unclaimed box${CHROMIUM ? '' : ` (${WITHOUT_CHROMIUM})`}`, () => {
  let server: ChildServer;
  let browser: Browser;
  let page: Page;
  const folder = mkdtempSync(join(tmpdir(), 'lamppost-claim-'));
  const skew = join(folder, 'skew');
  const firmware = join(folder, 'firmware');
  const base = (): string => `http://127.0.0.1:${server.http}`;
  const problems: string[] = [];

  beforeAll(async () => {
    mkdirSync(SHOTS, { recursive: true });
    mkdirSync(join(firmware, 'pms5003'), { recursive: true });
    writeFileSync(join(firmware, 'pms5003', 'ESP32.bin'), Buffer.alloc(64, 0xe9));
    writeFileSync(join(firmware, 'pms5003', 'about.json'), '{"name":"PMS5003 + BME280","version":"1.0.0"}');
    writeFileSync(skew, '0');
    const preload = `--import ${join(ROOT, 'tests/e2e/skewed-clock.mjs')}`;
    const settings = { LAMPPOST_DATA_DIR: join(folder, 'data'), LAMPPOST_OPEN_TOPICS: 'LASS/#,esphome/#', LAMPPOST_FIRMWARE_DIR: firmware, NODE_OPTIONS: preload, CLOCK_SKEW_FILE: skew }; // prettier-ignore
    [server, browser] = await Promise.all([startChild(settings, ['serve']), openBrowser()]);
    const context = await browser.newContext({ viewport: { width: 390, height: 844 }, locale: 'zh-TW', timezoneId: 'Asia/Taipei', serviceWorkers: 'block' }); // prettier-ignore
    context.setDefaultTimeout(60_000);
    page = await context.newPage();
    page.on('console', (m) => m.type() === 'error' && problems.push(m.text()));
    page.on('pageerror', (e) => problems.push(String(e)));
  });
  afterAll(async () => {
    await browser?.close();
    await server?.stop();
    rmSync(folder, { recursive: true, force: true });
  });

  /** Publishes as a box on an open topic would, with nobody's key, at the server's (shifted) time. */
  async function publish(topic: string, payload: string, username?: string): Promise<void> {
    const box = await mqtt.connectAsync(`mqtt://127.0.0.1:${server.mqtt}`, username ? { username, password: 'x' } : {});
    await box.publishAsync(topic, payload, { qos: 1 });
    await box.endAsync();
  }
  const known = async (query: string): Promise<string> => {
    const { items } = (await (await fetch(`${base()}/api/v1/boxes?${query}`)).json()) as { items: { id: string }[] };
    return items[0]?.id ?? '';
  };
  const shot = (name: string) => page.screenshot({ path: join(SHOTS, `${name}.png`), fullPage: true });
  const secret = (name: string): Promise<string> => page.locator(`[data-secret=${name}]`).innerText();
  /** A reading of the box, so many minutes from now. */
  const lass = (minutes: number, pm25: number): string => {
    const time = new Date(Date.now() + minutes * MINUTE).toISOString();
    return `|ver_format=3|FAKE_GPS=1|app=PM25|device_id=FT1_042|date=${time.slice(0, 10)}|time=${time.slice(11, 19)}|s_d0=${pm25}|gps_lat=25.03|gps_lon=121.56`; // prettier-ignore
  };

  it('where the operator has put firmware the page flashes it with tools from this host', async () => {
    await page.goto(`${base()}/register?lang=zh-TW`);
    const own = await page.request.post(`${base()}/api/v1/boxes`, { data: { name: 'x', lat: 25, lon: 121.5, sensors: ['PMS5003'] } }); // prettier-ignore
    const box = (await own.json()) as object;
    await page.evaluate((kept) => sessionStorage.setItem('lamppost.registered', kept), JSON.stringify({ box, kind: 'esphome' })); // prettier-ignore
    const asked: string[] = [];
    page.on('request', (r) => asked.push(r.url()));
    await page.reload();
    const button = page.locator('esp-web-install-button [slot=activate]');
    await button.waitFor();
    expect(await page.locator('esp-web-install-button').getAttribute('manifest')).toBe(
      '/firmware/pms5003/manifest.json',
    );
    expect(await page.locator('esp-web-install-button').getAttribute('install-supported')).not.toBeNull();
    await shot('claim-1-flash');
    // Without a port to choose the tool says what to do: its dialog too comes from here, and is allowed by the page's policy.
    // Headless there is no chooser: as if its user had closed it.
    await page.evaluate(`navigator.serial.requestPort = async () => { throw new DOMException('', 'NotFoundError'); }`);
    await button.click();
    await page.locator('ewt-no-port-picked-dialog').waitFor({ state: 'attached' });
    await shot('claim-2-no-port');
    expect(asked.filter((url) => !url.startsWith(base()) && !/^(?:data|blob):/.test(url))).toEqual([]);
    expect(problems).toEqual([]);
    await page.evaluate(() => sessionStorage.clear());
  });

  it('a box that was just flashed leads to its page as soon as it speaks', async () => {
    await page.goto(`${base()}/register?device=esphome/lamppost-a1b2c3&lang=zh-TW`);
    await page.getByText('等待它的第一筆資料').waitFor();
    await shot('claim-3-flashed');
    await publish('esphome/lamppost-a1b2c3/sensor/pm2_5/state', '12.5');
    await page.waitForURL(/\/boxes\/u[a-z2-7]{15}/);
    await page.locator('#claim').waitFor();
    expect(page.url()).toContain(await known('format=esphome&nativeId=esphome/lamppost-a1b2c3'));
  });

  it('gets an owner by twelve minutes of readings with the code, and sends with its key from then on', async () => {
    await publish('LASS/Test/PM25', lass(0, 10));
    await until(async () => (await known('format=lass&nativeId=FT1_042')) !== '');
    const id = await known('format=lass&nativeId=FT1_042');
    await page.goto(`${base()}/boxes/${id}?lang=zh-TW`);
    await page.getByText('未認領').first().waitFor();
    await page.getByRole('button', { name: '我要認領' }).click();
    const code = await secret('claim-code');
    await shot('claim-4-code');
    await publish('LASS/Test/PM25', lass(0.5, 11), code);
    await page.locator('[data-claim=heard]').waitFor();
    await shot('claim-5-heard');
    // The page loses nothing when a phone loads it anew.
    await page.reload();
    await page.locator('[data-claim=heard]').waitFor();
    writeFileSync(skew, String(13 * MINUTE));
    await until(async () => {
      await publish('LASS/Test/PM25', lass(13, 12), code);
      return (await page.getByRole('button', { name: '成為擁有者' }).count()) > 0;
    });
    await shot('claim-6-proven');
    await page.getByRole('button', { name: '成為擁有者' }).click();
    const key = await secret('key');
    expect(await secret('owner')).toContain(`/boxes/${id}#owner=`);
    await shot('claim-7-done');
    const box = (await (await fetch(`${base()}/api/v1/boxes/${id}`)).json()) as { claimed: boolean; nativeId: string };
    expect(box).toMatchObject({ claimed: true, nativeId: 'FT1_042' });
    await page.getByRole('button', { name: '管理這個盒子' }).click();
    await page.locator('.owner .beat').waitFor();
    // With the key it is heard; without it is refused, in words.
    const sender = await mqtt.connectAsync(`mqtt://127.0.0.1:${server.mqtt}`, { username: id, password: key });
    await sender.publishAsync('LASS/Test/PM25', lass(14, 13), { qos: 1 });
    await sender.endAsync();
    await until(async () => {
      const latest = (await (await fetch(`${base()}/api/v1/boxes/${id}`)).json()) as { latest: { value: number }[] };
      return latest.latest.some((o) => o.value === 13);
    });
    await publish('LASS/Test/PM25', lass(14.5, 14));
    await page.getByText('這個盒子已有擁有者').first().waitFor();
    await shot('claim-8-owner');
    expect(problems).toEqual([]);
  });
});
