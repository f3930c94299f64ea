/**
 * Firmware images that the operator has put into a folder, and for each the manifest that esp-web-tools flashes by:
 *
 *   <folder>/<firmware>/ESP32.bin, ESP8266.bin, ESP32-C3.bin …  one whole image a chip family, written from address 0
 *   <folder>/<firmware>/about.json                              optional: {"name", "version", "format"}
 *
 * The folder is looked at with every call, so that a new image needs no restart.
 */
import { createReadStream } from 'node:fs';
import { readdir, readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import type { App, Context } from '../context.ts';
import { Problem } from '../problem.ts';
import { firmwareList, problemAnswers } from '../schemas.ts';

/** `chipFamily` of esp-web-tools 10 (dist/const.d.ts). */
const CHIPS = ['ESP32', 'ESP32-C2', 'ESP32-C3', 'ESP32-C5', 'ESP32-C6', 'ESP32-C61', 'ESP32-H2', 'ESP32-P4', 'ESP32-S2', 'ESP32-S3', 'ESP8266'] as const; // prettier-ignore
const NAME = /^[a-z0-9][a-z0-9._-]{0,59}$/i;
const MAX_FIRMWARES = 50;
/** How long the page waits for Improv after a fresh install [s]; a board that starts slowly is not yet a broken one. */
const IMPROV_WAIT_S = 15;

const about = z.looseObject({
  name: z.string().max(120).optional(),
  version: z.string().max(60).optional(),
  format: z.string().max(40).optional(),
});

interface Firmware {
  readonly id: string;
  readonly name: string;
  readonly version: string;
  /** Payload format the flashed box speaks. */
  readonly format: string;
  readonly chips: readonly (typeof CHIPS)[number][];
}

async function firmwareIn(folder: string, id: string): Promise<Firmware | null> {
  if (!NAME.test(id)) return null;
  const files = await readdir(join(folder, id)).catch(() => [] as string[]);
  const chips = CHIPS.filter((chip) => files.includes(`${chip}.bin`));
  if (chips.length === 0) return null;
  const text = await readFile(join(folder, id, 'about.json'), 'utf8').catch(() => '{}');
  let said: z.output<typeof about> = {};
  try {
    said = about.parse(JSON.parse(text));
  } catch {
    // A broken about.json costs its words, not the image.
  }
  return { id, name: said.name ?? id, version: said.version ?? '', format: said.format ?? 'esphome', chips };
}

async function firmwares(folder: string): Promise<Firmware[]> {
  if (folder === '') return [];
  const ids = (await readdir(folder).catch(() => [] as string[])).sort().slice(0, MAX_FIRMWARES);
  const found = await Promise.all(ids.map((id) => firmwareIn(folder, id)));
  return found.filter((f) => f !== null);
}

const manifestOf = (f: Firmware): object => ({
  name: f.name,
  version: f.version || 'unknown',
  new_install_prompt_erase: true,
  new_install_improv_wait_time: IMPROV_WAIT_S,
  builds: f.chips.map((chipFamily) => ({ chipFamily, parts: [{ path: `${chipFamily}.bin`, offset: 0 }] })),
});

export function firmwareRoutes(app: App, context: Context): void {
  const folder = context.options.firmware ?? '';
  const none = new Problem('not-found', 'This server holds no such firmware; /api/v1/firmware lists what there is');

  app.get(
    '/api/v1/firmware',
    {
      schema: {
        operationId: 'listFirmware',
        summary: 'Firmware images that can be flashed from the browser, with their manifests for esp-web-tools',
        tags: ['operation'],
        response: { 200: firmwareList, ...problemAnswers },
      },
    },
    async () => ({
      items: (await firmwares(folder)).map((f) => ({ ...f, manifest: `/firmware/${f.id}/manifest.json` })),
      next: null,
    }),
  );

  app.get('/firmware/:id/:file', { schema: { hide: true } }, async (request, reply) => {
    const { id, file } = request.params as { id: string; file: string };
    const found = folder === '' ? null : await firmwareIn(folder, id);
    if (!found) throw none;
    if (file === 'manifest.json') return manifestOf(found);
    const chip = found.chips.find((c) => file === `${c}.bin`);
    if (!chip) throw none;
    const path = join(folder, found.id, `${chip}.bin`);
    const { size } = await stat(path);
    return reply
      .type('application/octet-stream')
      .header('content-length', size)
      .header('cache-control', 'no-cache')
      .header('x-no-compression', '1')
      .send(createReadStream(path));
  });
}
