/** What every command is made of: one file with these three exports, and a line in `main.ts`. */
import { loadConfig, type Config } from '../config.ts';
import type { Parts } from './parts.ts';

export interface Command {
  /** One line for `lamppost --help`. */
  readonly summary: string;
  readonly help: string;
  /** Results go to stdout, talk to stderr. Returns 0 = done, 1 = failed. @throws UsageError for wrong use (2) */
  readonly run: (args: string[], parts: Parts) => Promise<number>;
}

/** For `parseArgs` of commands that read the settings. */
export const configOption = { config: { type: 'string' } } as const;
export const CONFIG_HELP =
  '  --config FILE      settings; default lamppost.config.json in the working folder (see docs/settings.md)';

/** @throws ConfigError */
export const configFrom = (values: { config?: string | undefined }, defaults: Partial<Config> = {}): Config =>
  loadConfig({ file: values.config, defaults });

/** One result on stdout. */
export const print = (result: unknown): void => {
  process.stdout.write(`${JSON.stringify(result)}\n`);
};
