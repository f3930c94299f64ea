/** Sends a recording over MQTT, at its own pace, faster, or as fast as the server acknowledges. */
import mqtt from 'mqtt';
import { elapsed } from '../model/time.ts';
import type { Recording } from './recording.ts';

export interface ReplayOptions {
  readonly url: string;
  readonly recording: Recording;
  /** 1 = as recorded, 60 = an hour in a minute, Infinity = as fast as it is acknowledged. */
  readonly speed: number;
  readonly connections?: number;
  readonly signal: AbortSignal;
  readonly clock?: () => number;
  readonly onProgress?: (acknowledged: number, total: number) => void;
  readonly username?: string;
  readonly password?: string;
}

/** A connection that was made so often without one acknowledgement is not wanted: MQTT 3.1.1 has no other word for "you may not". */
const MAX_FRUITLESS = 4;
/** How long a stopped run waits for what is under way [ms]. */
const LAST_WAIT = 2000;

/** Resolves with the number of acknowledged messages. @throws when the server refuses or cannot be reached */
export async function replay(options: ReplayOptions): Promise<number> {
  const { recording, speed, signal } = options;
  const clock = options.clock ?? elapsed;
  const messages = recording.messages;
  if (messages.length === 0) return 0;
  const connections = Math.max(1, Math.min(options.connections ?? 8, messages.length));
  const clients = await Promise.all(
    Array.from({ length: connections }, (_, i) =>
      mqtt.connectAsync(
        options.url,
        {
          clientId: `replay-${process.pid}-${i}`,
          connectTimeout: 20_000,
          ...(options.username === undefined ? {} : { username: options.username, password: options.password ?? '' }),
        },
        false,
      ),
    ),
  );
  let fruitless = 0;
  const refused = new Promise<never>((_, reject) => {
    for (const client of clients)
      // Not `connect`: that comes after what is under way was sent again, when the server has closed already.
      client.on('packetreceive', (packet) => {
        if (packet.cmd !== 'connack' || ++fruitless < MAX_FRUITLESS * connections) return;
        const topic = messages[acknowledged]?.topic ?? '';
        const filter = `${topic.split('/')[0]}/#`;
        reject(new Error(`${options.url} closes every connection that publishes on ${topic}: open the topic there with LAMPPOST_OPEN_TOPICS='${filter}', or give --username and --password`)); // prettier-ignore
      });
  });
  refused.catch(() => undefined);
  const stopped = new Promise<void>((resolve) =>
    signal.addEventListener('abort', () => setTimeout(resolve, LAST_WAIT).unref(), { once: true }),
  );
  const started = clock();
  const first = messages[0]?.time ?? 0;
  let next = 0;
  let acknowledged = 0;
  // Enough in flight to fill a group commit, few enough that an aborted run has little to wait for.
  const WINDOW = 64;
  const sender = async (client: (typeof clients)[number]): Promise<void> => {
    while (next < messages.length && !signal.aborted) {
      const message = messages[next++];
      if (!message) return;
      const due = Number.isFinite(speed) ? started + (message.time - first) / speed : 0;
      const wait = due - clock();
      if (wait > 0) await pause(wait, signal);
      if (signal.aborted) return;
      await client.publishAsync(message.topic, message.payload, { qos: 1 });
      acknowledged++;
      fruitless = 0;
      options.onProgress?.(acknowledged, messages.length);
    }
  };
  const sent = Promise.all(clients.flatMap((client) => Array.from({ length: WINDOW }, () => sender(client))));
  sent.catch(() => undefined);
  let whole = false;
  try {
    whole = await Promise.race([sent.then(() => true), refused, stopped.then(() => false)]);
  } finally {
    // What is not acknowledged by now will not be: a polite end would wait for it.
    await Promise.all(clients.map((client) => client.endAsync(!whole)));
  }
  return acknowledged;
}

export function pause(ms: number, signal: AbortSignal): Promise<void> {
  if (signal.aborted || ms <= 0) return Promise.resolve();
  return new Promise((resolve) => {
    const done = (): void => {
      clearTimeout(timer);
      signal.removeEventListener('abort', done);
      resolve();
    };
    const timer = setTimeout(done, ms);
    signal.addEventListener('abort', done, { once: true });
  });
}
