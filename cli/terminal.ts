/** What commands share: wrong use, progress on stderr, stopping on a signal. */
import { elapsed } from '../model/time.ts';

/** Wrong use of a command: exit code 2, the message on stderr. */
export class UsageError extends Error {}

/** Progress of long work: nothing for two seconds, then a line that rewrites itself; silent when stderr is no terminal. */
export function progress(what: string): { update(n: number): void; note(message: string): void; end(): void } {
  const tty = process.stderr.isTTY;
  const started = elapsed();
  let shown = 0;
  let drawn = false;
  const clear = (): void => {
    if (drawn) process.stderr.write('\r\u001b[K');
    drawn = false;
  };
  return {
    update(n) {
      const now = elapsed();
      if (!tty || now - started < 2000 || now - shown < 200) return;
      shown = now;
      drawn = true;
      process.stderr.write(
        `\r\u001b[K${n.toLocaleString('en')} ${what}, ${Math.round((n * 1000) / (now - started))}/s`,
      );
    },
    note(message) {
      clear();
      process.stderr.write(`${message}\n`);
    },
    end: clear,
  };
}

/** Within this time a second signal is the same one: Ctrl-C reaches npm, npx and us, and each of them passes it on. */
const SAME_SIGNAL_MS = 1000;

/** Fires at the first SIGINT or SIGTERM. A later one ends the process at once. */
export function abortOnSignal(): AbortSignal {
  const controller = new AbortController();
  let first = 0;
  const stop = (): void => {
    if (controller.signal.aborted && elapsed() - first > SAME_SIGNAL_MS) process.exit(1);
    if (!controller.signal.aborted) first = elapsed();
    controller.abort();
  };
  process.on('SIGINT', stop);
  process.on('SIGTERM', stop);
  return controller.signal;
}
