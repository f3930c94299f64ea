/**
 * The load: connections that publish QoS 1 readings, each keeping `window` of them unacknowledged. A process of its own,
 * writing hand-made bytes, so that as little as possible of the two cores goes to asking.
 *
 * `node load.ts '{"port":1883,"logins":[{"user":"…","password":"…","topic":"…"}],"window":5,"warmMs":2000,"measureMs":8000,"seed":1}'`
 * prints `{"acknowledged":…,"seconds":…,"p50":…,"p99":…,"max":…}` [ms].
 */
import { readFileSync } from 'node:fs';
import { connect } from 'node:net';
import type { Socket } from 'node:net';

export interface Load {
  readonly port: number;
  readonly logins: readonly { readonly user?: string; readonly password?: string; readonly topic: string }[];
  readonly window: number;
  readonly warmMs: number;
  readonly measureMs: number;
  readonly seed: number;
  /** The broker's process, for its processor time. */
  readonly pid: number;
}

export interface LoadResult {
  readonly acknowledged: number;
  readonly seconds: number;
  readonly p50: number;
  readonly p99: number;
  readonly max: number;
  /** Processor time of the broker for one reading [µs], all its threads; NaN where /proc is not. */
  readonly cpu: number | null;
}

// mulberry32, so that every run and every broker gets the same bytes
function random(seed: number): () => number {
  let a = seed >>> 0;
  return () => {
    a = (a + 0x6d2b79f5) >>> 0;
    let t = a;
    t = Math.imul(t ^ (t >>> 15), t | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}

const string = (s: string): Buffer => {
  const b = Buffer.from(s);
  return Buffer.concat([Buffer.from([b.length >> 8, b.length & 255]), b]);
};

function packet(first: number, body: Buffer): Buffer {
  const length = body.length < 128 ? [body.length] : [(body.length & 127) | 128, body.length >> 7];
  return Buffer.concat([Buffer.from([first, ...length]), body]);
}

const load = JSON.parse(readFileSync(process.argv[2] as string, 'utf8')) as Load;
const rnd = random(load.seed);
const latencies: number[] = [];
let isMeasuring = false;
let acknowledged = 0;

class Box {
  readonly #socket: Socket;
  readonly #template: Buffer;
  readonly #idAt: number;
  /** When each identifier was sent, by identifier modulo a power of two above any window. */
  readonly #sentAt = new Float64Array(1024);
  #next = 1;
  #odd = 0;
  #isReady = false;
  readonly ready: Promise<void>;

  constructor(n: number) {
    const login = load.logins[n % load.logins.length] as Load['logins'][number];
    const value = (max: number): number => Math.round(rnd() * max * 10) / 10;
    const payload = `{"t":"2026-11-21T08:00:00Z","pm25":${value(80)},"pm10":${value(120)},"temperature":${value(35)},"humidity":${value(100)}}`;
    this.#template = packet(0x32, Buffer.concat([string(login.topic), Buffer.from([0, 1]), Buffer.from(payload)]));
    this.#idAt = this.#template.length - payload.length - 2;
    this.#socket = connect({ port: load.port, host: '127.0.0.1', noDelay: true });
    const flags = 2 | (login.user === undefined ? 0 : 0xc0);
    this.#socket.write(
      packet(
        0x10,
        Buffer.concat([
          string('MQTT'),
          Buffer.from([4, flags, 0, 0]),
          string(`load-${n}`),
          ...(login.user === undefined ? [] : [string(login.user), string(login.password ?? '')]),
        ]),
      ),
    );
    let connack = Buffer.alloc(0);
    this.ready = new Promise((resolve, reject) => {
      this.#socket.on('data', (chunk: Buffer) => {
        if (this.#isReady) return this.#acknowledged(chunk);
        connack = Buffer.concat([connack, chunk]);
        if (connack.length < 4) return undefined;
        if (connack[3] !== 0) return reject(new Error(`CONNACK ${connack.toString('hex')}`));
        this.#isReady = true;
        return resolve();
      });
      this.#socket.on('error', reject);
      this.#socket.on('close', () => reject(new Error('closed')));
    });
  }

  send(count: number): void {
    const size = this.#template.length;
    const out = Buffer.allocUnsafe(size * count);
    const now = performance.now();
    for (let i = 0; i < count; i++) {
      this.#template.copy(out, i * size);
      out.writeUInt16BE(this.#next, i * size + this.#idAt);
      this.#sentAt[this.#next & 1023] = now;
      this.#next = this.#next === 65535 ? 1 : this.#next + 1;
    }
    this.#socket.write(out);
  }

  #acknowledged(chunk: Buffer): void {
    const now = performance.now();
    let count = 0;
    // only PUBACKs of four bytes come here; a chunk may end inside one
    for (let at = (4 - this.#odd) % 4; at + 4 <= chunk.length || this.#odd > 0; at += 4) {
      if (this.#odd > 0) {
        // the rest of a PUBACK that was cut: its latency is not taken
        this.#odd = 0;
        count++;
        if (at + 4 > chunk.length) break;
      }
      if (isMeasuring) latencies.push(now - (this.#sentAt[chunk.readUInt16BE(at + 2) & 1023] as number));
      count++;
    }
    this.#odd = (this.#odd + chunk.length) % 4;
    if (isMeasuring) acknowledged += count;
    if (count > 0) this.send(count);
  }

  close(): void {
    this.#socket.removeAllListeners('close');
    this.#socket.destroy();
  }
}

/** User and system time of the broker so far [s]; proc(5): fields 14 and 15 in ticks of 10 ms. */
function processorTime(): number {
  try {
    const fields = readFileSync(`/proc/${load.pid}/stat`, 'utf8').split(') ').at(-1)?.split(' ') ?? [];
    return (Number(fields[11]) + Number(fields[12])) / 100;
  } catch {
    return NaN;
  }
}

const boxes: Box[] = [];
for (let n = 0; n < load.logins.length; n++) {
  boxes.push(new Box(n));
  if (n % 100 === 99) await Promise.all(boxes.map((b) => b.ready));
}
await Promise.all(boxes.map((b) => b.ready));
for (const box of boxes) box.send(load.window);
await new Promise((resolve) => setTimeout(resolve, load.warmMs));
isMeasuring = true;
const cpuFrom = processorTime();
const from = performance.now();
await new Promise((resolve) => setTimeout(resolve, load.measureMs));
isMeasuring = false;
const cpu = ((processorTime() - cpuFrom) / acknowledged) * 1e6;
const seconds = (performance.now() - from) / 1000;
for (const box of boxes) box.close();
const sorted = Float64Array.from(latencies).sort();
const at = (p: number): number =>
  Math.round((sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * p))] ?? NaN) * 10) / 10;
const result: LoadResult = { acknowledged, seconds, p50: at(0.5), p99: at(0.99), max: at(1), cpu };
process.stdout.write(JSON.stringify(result));
process.exit(0);
