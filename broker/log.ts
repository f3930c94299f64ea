/** What the broker needs of a logger; pino fits. No secrets and no payloads are ever passed to it. */
export interface Log {
  debug(fields: object, message: string): void;
  info(fields: object, message: string): void;
  warn(fields: object, message: string): void;
  error(fields: object, message: string): void;
}

export const SILENT: Log = {
  debug: () => undefined,
  info: () => undefined,
  warn: () => undefined,
  error: () => undefined,
};

/** Lets through `perSecond` lines a second, so that a stranger cannot fill the disk with our log; counts the others. */
export function limited(log: Log, perSecond: number, clock: () => number): (fields: object, message: string) => void {
  let second = 0;
  let lines = 0;
  let left = 0;
  return (fields, message) => {
    const now = Math.floor(clock() / 1000);
    if (now !== second) {
      if (left > 0) log.warn({ left }, 'more refusals, not logged one by one');
      second = now;
      lines = 0;
      left = 0;
    }
    if (lines++ < perSecond) log.warn(fields, message);
    else left++;
  };
}
