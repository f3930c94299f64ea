/**
 * The local socket in the data folder through which commands talk to the running server: one JSON request a line, answered by
 * lines `{"progress":…}` and at last `{"result":…}` or `{"error":"…"}`. Who may open the data folder may use it.
 */
import { chmodSync, rmSync } from 'node:fs';
import { createConnection, createServer, type Socket } from 'node:net';

export interface ControlRequest {
  readonly command: string;
  readonly [option: string]: unknown;
}

export type ControlHandler = (
  request: ControlRequest,
  progress: (done: number) => void,
  signal: AbortSignal,
) => Promise<unknown>;

const MAX_LINE = 65_536;

export interface Control {
  close(): Promise<void>;
}

export async function startControl(path: string, handlers: Readonly<Record<string, ControlHandler>>): Promise<Control> {
  const open = new Set<Socket>();
  const answer = async (socket: Socket, line: string, signal: AbortSignal): Promise<void> => {
    const send = (message: object): void => {
      if (socket.writable) socket.write(`${JSON.stringify(message)}\n`);
    };
    try {
      const request = JSON.parse(line) as ControlRequest;
      const handler = Object.hasOwn(handlers, request.command) ? handlers[request.command] : undefined;
      if (!handler) throw new Error(`the server knows no command "${request.command}"`);
      send({ result: (await handler(request, (done) => send({ progress: done }), signal)) ?? null });
    } catch (error) {
      send({ error: error instanceof Error ? error.message : String(error) });
    }
    socket.end();
  };
  const server = createServer((socket) => {
    open.add(socket);
    const gone = new AbortController();
    let text = '';
    socket.setEncoding('utf8');
    socket.on('data', (chunk: string) => {
      text += chunk;
      const end = text.indexOf('\n');
      if (end < 0 && text.length > MAX_LINE) socket.destroy();
      if (end < 0) return;
      socket.removeAllListeners('data');
      void answer(socket, text.slice(0, end), gone.signal);
    });
    socket.on('error', () => socket.destroy());
    socket.on('close', () => {
      open.delete(socket);
      gone.abort(new Error('the command was ended'));
    });
  });
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    // A socket file that nobody answers was left behind by a killed server; `serverAnswers` was asked before.
    if (process.platform !== 'win32') rmSync(path, { force: true });
    server.listen(path, resolve);
  });
  if (process.platform !== 'win32') chmodSync(path, 0o600);
  return {
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        for (const socket of open) socket.destroy();
      }),
  };
}

/** What the running server answers; null = no server runs on this data folder. @throws Error with the server's words */
export function askServer(
  path: string,
  request: ControlRequest,
  progress: (done: number) => void = () => undefined,
): Promise<{ result: unknown } | null> {
  return new Promise((resolve, reject) => {
    const socket = createConnection(path);
    let answered = false;
    socket.once('error', (error: NodeJS.ErrnoException) => {
      if (error.code === 'ENOENT' || error.code === 'ECONNREFUSED') resolve(null);
      else reject(new Error(`cannot talk to the server at ${path}: ${error.message}`, { cause: error }));
    });
    socket.once('connect', () => socket.write(`${JSON.stringify(request)}\n`));
    let text = '';
    socket.setEncoding('utf8');
    socket.on('data', (chunk: string) => {
      text += chunk;
      for (let end = text.indexOf('\n'); end >= 0; end = text.indexOf('\n')) {
        const message = JSON.parse(text.slice(0, end)) as { progress?: number; result?: unknown; error?: string };
        text = text.slice(end + 1);
        if (message.progress !== undefined) {
          progress(message.progress);
          continue;
        }
        answered = true;
        socket.end();
        if (message.error === undefined) resolve({ result: message.result });
        else reject(new Error(message.error));
      }
    });
    socket.once('close', () => {
      if (!answered) reject(new Error('the server ended before it answered'));
    });
  });
}

/** The process id of the server that runs on this data folder; null = none. */
export async function runningServer(path: string): Promise<number | null> {
  const answer = await askServer(path, { command: 'ping' });
  return answer ? (answer.result as { pid: number }).pid : null;
}
