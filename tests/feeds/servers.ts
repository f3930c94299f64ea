/** Local servers that stand for the other networks, and a pause that tests let go by hand. */
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Packet } from '../../model/packet.ts';
import { textOf } from '../../ingest/decoders/text.ts';
import type { Pause } from '../../ingest/feeds/feed.ts';

export interface LocalServer {
  readonly url: string;
  readonly requests: { url: string; headers: IncomingMessage['headers'] }[];
  close(): Promise<void>;
}

export async function serve(
  answer: (request: IncomingMessage, response: ServerResponse) => void,
): Promise<LocalServer> {
  const requests: LocalServer['requests'] = [];
  const server = createServer((request, response) => {
    requests.push({ url: request.url ?? '', headers: request.headers });
    answer(request, response);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    requests,
    close: () =>
      new Promise((resolve) => {
        server.closeAllConnections();
        server.close(() => resolve());
      }),
  };
}

/** Feeds stop at every pause and say how long it would be; `next` lets them go on. */
export function steps(): { pause: Pause; next(): Promise<number>; go(): void } {
  const waiting: { ms: number; go: () => void }[] = [];
  let told: ((ms: number) => void)[] = [];
  return {
    pause: (ms, signal) =>
      new Promise((resolve) => {
        const go = (): void => resolve();
        signal.addEventListener('abort', go, { once: true });
        waiting.push({ ms, go });
        const listeners = told;
        told = [];
        for (const tell of listeners) tell(ms);
      }),
    /** The length of the pause the feed stands at, waiting until it stands at one. */
    next: () => (waiting[0] ? Promise.resolve(waiting[0].ms) : new Promise((resolve) => told.push(resolve))),
    go: () => waiting.shift()?.go(),
  };
}

/** A journal in memory that can be told to refuse. */
export function keeper(): {
  packets: Packet[];
  refuse: string;
  accept(packet: Packet): Promise<number>;
  texts(): string[];
} {
  const packets: Packet[] = [];
  return {
    packets,
    refuse: '',
    accept(packet) {
      if (this.refuse !== '') return Promise.reject(new Error(this.refuse));
      return Promise.resolve(packets.push(packet));
    },
    texts: () => packets.map((p) => textOf(p.payload)),
  };
}
