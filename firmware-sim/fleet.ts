/**
 * Sends what simulated boxes and stations measure over real MQTT, one connection a box as in the field: QoS 1, its own
 * client id, a last will on its status topic. Catching up on the past goes slice by slice (all boxes of one moment, then
 * the next), as a network that was never away would have sent it.
 */
import mqtt, { type MqttClient } from 'mqtt';
import type { Measurement, SimBox } from './box.ts';
import { writeMessages, writePayload } from './payloads/index.ts';
import { pause } from './replay.ts';
import type { Neighbourhood } from './scenarios.ts';
import type { SimStation } from './station.ts';

const HOUR_MS = 3_600_000;

export interface FleetOptions {
  /** `mqtt://host:port` or `ws://host/mqtt`. */
  readonly url: string;
  readonly neighbourhood: Neighbourhood;
  /** Reporting interval of a box [ms]. */
  readonly intervalMs: number;
  /** How registered boxes write: `json`, `lass` … */
  readonly format: string;
  /** Key of a registered Thing; without one the box publishes unregistered, on its format's open topic. */
  readonly key: (id: string) => string | undefined;
  readonly clock: () => number;
  readonly signal: AbortSignal;
  /** Send the past from here on first, at `catchUpStepMs`; absent = only the present. */
  readonly since?: number;
  readonly catchUpStepMs?: number;
  readonly onSent?: (sent: number) => void;
  /** All boxes are connected and the past is sent. */
  readonly onLive?: () => void;
  readonly onProblem?: (message: string) => void;
}

interface Sender {
  publish(topic: string, payload: string | Buffer, retain?: boolean): Promise<void>;
  close(): Promise<void>;
}

/** So many connections without one acknowledgement: it may not publish there. */
const FRUITLESS = 4;

/** Connects, waiting for a server that is not there yet; null when the credentials are refused or `signal` fires. */
async function connect(options: FleetOptions, id: string): Promise<Sender | null> {
  const key = options.key(id);
  const client: MqttClient = mqtt.connect(options.url, {
    clientId: id,
    clean: true,
    reconnectPeriod: 2000,
    connectTimeout: 20_000,
    keepalive: 120,
    ...(key
      ? {
          username: id,
          password: key,
          will: { topic: `boxes/${id}/status`, payload: Buffer.from('offline'), qos: 1, retain: true },
        }
      : {}),
  });
  client.on('error', (error) => options.onProblem?.(`${id}: ${error.message}`));
  let fruitless = 0;
  // Not `connect`: that comes after what is under way was sent again, when the server has closed already.
  client.on('packetreceive', (packet) => {
    if (packet.cmd === 'connack' && ++fruitless === FRUITLESS)
      options.onProblem?.(`${id}: the server closes its connection at every message; may it publish there (LAMPPOST_OPEN_TOPICS)?`); // prettier-ignore
  });
  const aborted = new Promise<never>((_, reject) =>
    options.signal.addEventListener('abort', () => reject(new Error('stopped')), { once: true }),
  );
  aborted.catch(() => undefined);
  const connected = await new Promise<boolean>((resolve) => {
    client.once('connect', () => resolve(true));
    // Refused credentials will be refused again: do not knock for ever (design §6, return code 4 or 5).
    client.once('error', () => resolve(client.connected));
    options.signal.addEventListener('abort', () => resolve(false), { once: true });
  });
  if (!connected) {
    await client.endAsync(true);
    return null;
  }
  if (key) await client.publishAsync(`boxes/${id}/status`, 'online', { qos: 1, retain: true });
  return {
    async publish(topic, payload, retain = false) {
      // A message that is never acknowledged does not keep a stopped run.
      await Promise.race([client.publishAsync(topic, payload, { qos: 1, retain }), aborted]);
      fruitless = 0;
    },
    async close() {
      await client.endAsync(options.signal.aborted);
    },
  };
}

function messages(
  box: SimBox,
  measurements: readonly Measurement[],
  batch: boolean,
  registered: boolean,
  format: string,
): { topic: string; payload: string | Buffer }[] {
  const written = (ms: readonly Measurement[], isBatch: boolean): { topic: string; payload: string | Buffer } => {
    const { payload, openTopic } = writePayload(format, box, ms, isBatch);
    return { topic: registered ? `boxes/${box.id}/${format}${isBatch ? '/batch' : ''}` : openTopic, payload };
  };
  if (measurements.length === 0) return [];
  if (batch && format === 'json') return [written(measurements, true)];
  const own = registered ? `boxes/${box.id}` : '';
  return measurements.flatMap((m) => writeMessages(format, box, m, own) ?? [written([m], false)]);
}

/** Runs until `signal` fires. Resolves with the number of messages that were acknowledged. */
export async function runFleet(options: FleetOptions): Promise<number> {
  const { neighbourhood, intervalMs, clock, signal } = options;
  let sent = 0;
  const senders = new Map<SimBox | SimStation, Sender>();
  const everyone: (SimBox | SimStation)[] = [...neighbourhood.stations, ...neighbourhood.boxes];
  const CONNECT_AT_ONCE = 50;
  for (let i = 0; i < everyone.length && !signal.aborted; i += CONNECT_AT_ONCE) {
    const group = everyone.slice(i, i + CONNECT_AT_ONCE);
    const connections = await Promise.all(group.map((one) => connect(options, one.id)));
    group.forEach((one, k) => {
      const sender = connections[k];
      if (sender) senders.set(one, sender);
    });
  }

  const sendBox = async (box: SimBox, time: number): Promise<void> => {
    const sender = senders.get(box);
    if (!sender) return;
    const { measurements, batch } = box.emit(time, intervalMs);
    for (const m of messages(box, measurements, batch, options.key(box.id) !== undefined, options.format)) {
      await sender.publish(m.topic, m.payload);
      sent++;
    }
    options.onSent?.(sent);
  };
  const sendHour = async (hourStart: number): Promise<void> => {
    await Promise.all(
      neighbourhood.stations.map(async (station) => {
        const sender = senders.get(station);
        if (!sender) return;
        const payload = JSON.stringify({ t: new Date(hourStart).toISOString(), ...station.hourMean(hourStart) });
        await sender.publish(`boxes/${station.id}/json`, payload);
        sent++;
      }),
    );
  };

  // What a box or station could not send because we were stopped is no fault of the run.
  const tolerant = async (work: Promise<unknown>): Promise<void> => {
    await work.catch((error: unknown) => {
      if (!signal.aborted) options.onProblem?.(error instanceof Error ? error.message : String(error));
    });
  };

  const step = options.catchUpStepMs ?? intervalMs;
  let hour = Math.floor((options.since ?? clock()) / HOUR_MS) * HOUR_MS;
  // The hour that was complete before the first reading: a map opened at once has its stations.
  if (options.since !== undefined) hour -= HOUR_MS;
  if (options.since !== undefined)
    for (let t = options.since; t < clock() && !signal.aborted; t += step) {
      for (; hour + HOUR_MS <= t; hour += HOUR_MS) await tolerant(sendHour(hour));
      await tolerant(Promise.all(neighbourhood.boxes.map((box) => sendBox(box, Math.floor(t / 1000) * 1000))));
    }
  options.onLive?.();

  // Boxes report at moments of their own, spread over the interval.
  await Promise.all([
    ...neighbourhood.boxes.map(async (box, i) => {
      await pause((intervalMs * i) / neighbourhood.boxes.length, signal);
      while (!signal.aborted) {
        await tolerant(sendBox(box, Math.floor(clock() / 1000) * 1000));
        await pause(intervalMs, signal);
      }
    }),
    (async () => {
      while (!signal.aborted) {
        for (; hour + HOUR_MS <= clock(); hour += HOUR_MS) await tolerant(sendHour(hour));
        await pause(Math.min(60_000, hour + HOUR_MS - clock() + 1000), signal);
      }
    })(),
  ]);
  await Promise.all([...senders.values()].map((s) => tolerant(s.close())));
  return sent;
}
