/**
 * Bridges: connections that each publish QoS 1 readings of many boxes, every box once a minute at its own second. A process of its own
 * writing hand-made bytes, so that as little as possible of the machine goes to asking. Usage: node load.ts settings.json
 * Prints a line of JSON every two seconds and one at the end.
 */
import { readFileSync } from 'node:fs';
import { connect } from 'node:net';
import type { Socket } from 'node:net';

export interface BridgeLoad {
  readonly port: number;
  readonly token: string;
  /** File with one box id a line. */
  readonly ids: string;
  readonly connections: number;
  readonly seconds: number;
  /** Time from one reading of a box to the next [s]. */
  readonly interval: number;
}

export interface BridgeReport {
  /** Since the first reading [s]. */
  readonly at: number;
  readonly sent: number;
  readonly acknowledged: number;
  /** Of the acknowledgements since the last report [ms]. */
  readonly p50: number;
  readonly p99: number;
  readonly max: number;
  /** Of all of them; only in the last report. */
  readonly all?: { readonly p50: number; readonly p99: number; readonly max: number };
}

const load = JSON.parse(readFileSync(process.argv[2] as string, 'utf8')) as BridgeLoad;
const ids = readFileSync(load.ids, 'latin1').trim().split('\n');
const IN_FLIGHT = 16_384;

/** Latencies in classes of 0.5 ms up to 30 s. */
class Latencies {
  readonly #counts = new Uint32Array(60_000);
  n = 0;
  add(ms: number): void {
    const k = Math.min(59_999, Math.floor(ms * 2));
    this.#counts[k] = (this.#counts[k] as number) + 1;
    this.n++;
  }
  at(p: number): number {
    let left = Math.ceil(this.n * p);
    for (let k = 0; k < this.#counts.length; k++) if ((left -= this.#counts[k] as number) <= 0) return k / 2;
    return NaN;
  }
  clear(): void {
    this.#counts.fill(0);
    this.n = 0;
  }
}
const recent = new Latencies();
const all = new Latencies();
let sent = 0;
let acknowledged = 0;

const text = (s: string): Buffer => {
  const b = Buffer.from(s);
  return Buffer.concat([Buffer.from([b.length >> 8, b.length & 255]), b]);
};

function connectPacket(n: number): Buffer {
  const body = Buffer.concat([
    text('MQTT'),
    Buffer.from([4, 0xc2, 0, 0]),
    text(`bridge-${n}`),
    text('token'),
    text(load.token),
  ]);
  return Buffer.concat([Buffer.from([0x10, ...lengthOf(body.length)]), body]);
}
const lengthOf = (n: number): number[] => (n < 128 ? [n] : [(n & 127) | 128, n >> 7]);

/** Air that the whole country shares, the box's own gain, and noise: boxes near each other agree. */
function pm25(box: number, t: number): string {
  const lat = placeOf(box);
  const air = 14 + 6 * Math.sin(lat * 1.7 + t / 3.6e6) + 2 * Math.cos(lat * 0.6);
  const gain = 1 + 0.15 * Math.sin(box * 12.9898);
  return (air * gain * (0.97 + 0.06 * Math.random())).toFixed(1);
}
/** Must be the latitude that million.ts gives the box. */
const placeOf = (box: number): number => 22 + 3 * ((box * 0.754877666) % 1);

class Bridge {
  readonly #socket: Socket;
  readonly #sentAt = new Float64Array(IN_FLIGHT);
  #next = 1;
  #rest: Buffer | null = null;
  readonly ready: Promise<void>;

  constructor(n: number) {
    this.#socket = connect({ port: load.port, host: '127.0.0.1', noDelay: true });
    this.#socket.write(connectPacket(n));
    let seen = 0;
    this.ready = new Promise((resolve, reject) => {
      this.#socket.on('data', (chunk: Buffer) => {
        if (seen >= 4) return this.#take(chunk);
        seen += chunk.length;
        if (chunk.at(3) !== 0 && chunk.length >= 4) reject(new Error(`CONNACK ${chunk.toString('hex')}`));
        return seen >= 4 ? resolve() : undefined;
      });
      this.#socket.on('error', (error) => {
        process.stderr.write(`bridge: ${error.message}\n`);
        process.exit(1);
      });
      this.#socket.on('close', () => {
        process.stderr.write('bridge: the server closed a connection\n');
        process.exit(1);
      });
    });
  }

  /** A reading each of `count` boxes, in one write. */
  send(first: number, count: number): void {
    const now = performance.now();
    const t = Date.now();
    const when = new Date(t).toISOString();
    let out = '';
    for (let box = first; box < first + count; box++) {
      const topic = `boxes/${ids[box] as string}/json`;
      const payload = `{"t":"${when}","pm25":${pm25(box, t)},"pm10":${(20 + 5 * Math.random()).toFixed(1)},"temperature":${(24 + Math.random()).toFixed(1)},"humidity":${(60 + 3 * Math.random()).toFixed(1)}}`;
      const id = this.#next;
      this.#sentAt[id % IN_FLIGHT] = now;
      this.#next = id === 65_535 ? 1 : id + 1;
      const length = 2 + topic.length + 2 + payload.length;
      out += `2${String.fromCharCode(...lengthOf(length), topic.length >> 8, topic.length & 255)}${topic}${String.fromCharCode(id >> 8, id & 255)}${payload}`;
      sent++;
    }
    this.#socket.write(out, 'latin1');
  }

  /** Only PUBACKs of four bytes come here. */
  #take(chunk: Buffer): void {
    const data = this.#rest ? Buffer.concat([this.#rest, chunk]) : chunk;
    const now = performance.now();
    let at = 0;
    for (; at + 4 <= data.length; at += 4) {
      const ms = now - (this.#sentAt[data.readUInt16BE(at + 2) % IN_FLIGHT] as number);
      recent.add(ms);
      all.add(ms);
      acknowledged++;
    }
    this.#rest = at < data.length ? data.subarray(at) : null;
  }

  close(): void {
    this.#socket.removeAllListeners('close');
    this.#socket.destroy();
  }
}

const bridges: Bridge[] = [];
for (let n = 0; n < load.connections; n++) {
  bridges.push(new Bridge(n));
  if (n % 100 === 99) await Promise.all(bridges.map((b) => b.ready));
}
await Promise.all(bridges.map((b) => b.ready));

// The bridges send in turn, BURST of their boxes at a time; `boxes` is a multiple of BURST × connections, so a box stays with its bridge.
const BURST = 4;
const boxes = ids.length;
const began = performance.now();
const seconds = (): number => (performance.now() - began) / 1000;
let done = 0;
let reported = 0;
const report = (last: boolean): void => {
  const line: BridgeReport = {
    at: seconds(),
    sent,
    acknowledged,
    p50: recent.at(0.5),
    p99: recent.at(0.99),
    max: recent.at(1),
    ...(last ? { all: { p50: all.at(0.5), p99: all.at(0.99), max: all.at(1) } } : {}),
  };
  process.stdout.write(`${JSON.stringify(line)}\n`);
  recent.clear();
};
await new Promise<void>((resolve) => {
  const timer = setInterval(() => {
    const now = Math.min(seconds(), load.seconds);
    // Bursts due by now, counted from the start.
    const due = Math.floor((now / load.interval) * (boxes / BURST));
    for (; done < due; done++) bridges[done % load.connections]?.send((done * BURST) % boxes, BURST);
    if (now - reported >= 2) {
      reported = now;
      report(false);
    }
    if (now >= load.seconds) {
      clearInterval(timer);
      resolve();
    }
  }, 20);
});
const patience = performance.now() + 30_000;
while (acknowledged < sent && performance.now() < patience) await new Promise((resolve) => setTimeout(resolve, 10));
report(true);
for (const bridge of bridges) bridge.close();
