/** The recorded samples beside the project (not part of it: their licences differ). Tests that read them skip without them. */
import { existsSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

export const SAMPLES = fileURLToPath(new URL('../../../shared/formats/samples/', import.meta.url));
export const noSamples = !existsSync(SAMPLES);
export const sample = (name: string): Buffer => readFileSync(SAMPLES + name);
