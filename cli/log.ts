/** Log lines on stderr: words for a terminal, one JSON object a line for everything else. */
export type LogLevel = 'fatal' | 'error' | 'warn' | 'info' | 'debug' | 'trace' | 'silent';

export interface Log {
  error(details: object, message: string): void;
  warn(details: object, message: string): void;
  info(details: object, message: string): void;
  debug(details: object, message: string): void;
}

const ORDER: readonly LogLevel[] = ['silent', 'fatal', 'error', 'warn', 'info', 'debug', 'trace'];

export function createLog(level: LogLevel, terminal = process.stderr.isTTY): Log {
  const shown = ORDER.indexOf(level);
  const line = (at: 'error' | 'warn' | 'info' | 'debug') => (details: object, message: string) => {
    if (ORDER.indexOf(at) > shown) return;
    const time = new Date().toISOString();
    const text = terminal
      ? `${time.slice(11, 19)} ${at.padEnd(5)} ${message}${Object.entries(details)
          .map(([k, v]) => ` ${k}=${typeof v === 'string' ? v : JSON.stringify(v)}`)
          .join('')}`
      : JSON.stringify({ time, level: at, message, ...details });
    process.stderr.write(`${text}\n`);
  };
  return { error: line('error'), warn: line('warn'), info: line('info'), debug: line('debug') };
}
