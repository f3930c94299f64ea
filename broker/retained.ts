/**
 * The retained messages (status of boxes, and what the server itself retains), kept in memory. aedes' own store tests every
 * retained topic against every new subscription; with a million boxes a stranger could stop the broker by subscribing. Here
 * a name is one look-up, and a box's own filter looks only at that box.
 */
import { Readable } from 'node:stream';
import { matches } from './topic.ts';

interface Retained {
  readonly topic: string;
  readonly payload: Buffer;
}

/** The part of aedes' persistence that is used or replaced here. */
export interface Persistence {
  storeRetained(packet: Retained): Promise<void>;
  createRetainedStreamCombi(patterns: string[]): Readable;
  incomingGetPacket(client: unknown, packet: unknown): Promise<unknown>;
}

/** Replaces how aedes' in-memory persistence keeps retained messages. */
export function keepRetained(persistence: Persistence): Persistence {
  const retained = new Map<string, Retained>();

  function* found(patterns: readonly string[]): Generator<Retained> {
    for (const pattern of patterns) {
      if (!/[#+]/.test(pattern)) {
        const packet = retained.get(pattern);
        if (packet) yield packet;
        continue;
      }
      const levels = pattern.split('/');
      const [first, box] = levels as [string, string | undefined];
      if (first === 'boxes' && box !== undefined && box !== '+' && box !== '#') {
        const packet = retained.get(`boxes/${box}/status`);
        if (packet && matches(levels, packet.topic)) yield packet;
        continue;
      }
      for (const packet of retained.values()) if (matches(levels, packet.topic)) yield packet;
    }
  }

  return Object.assign(persistence, {
    storeRetained(packet: Retained): Promise<void> {
      if (packet.payload.length === 0) retained.delete(packet.topic);
      else retained.set(packet.topic, { ...packet });
      return Promise.resolve();
    },
    createRetainedStreamCombi: (patterns: string[]): Readable => Readable.from(found(patterns)),
  });
}
