/** Writes docs/settings.md from the table in config.ts. */
import { writeFileSync } from 'node:fs';
import { settingsPage } from '../config.ts';

writeFileSync(new URL('../docs/settings.md', import.meta.url), settingsPage());
