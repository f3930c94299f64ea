import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { openJournalReader } from '../../journal/lmdb.ts';
import { decodePacket } from '../../model/packet.ts';
import { ACCEPTED, Raw, atEnd, connectBytes, publishBytes } from './harness.ts';

const SERVE = new URL('./serve.ts', import.meta.url).pathname;

test('killed under load at any moment, again and again: every acknowledged reading is in the journal once, and nothing else', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'lamppost-broker-'));
  atEnd(() => rmSync(folder, { recursive: true, force: true }));
  const sent = new Set<string>();
  const acknowledged: string[] = [];
  for (let life = 0; life < 8; life++) {
    const child = spawn(process.execPath, [SERVE, folder], { stdio: ['ignore', 'pipe', 'inherit'] });
    const port = await new Promise<number>((resolve) =>
      child.stdout.once('data', (line: Buffer) => resolve(Number(line))),
    );
    let count = 0;
    const killAfter = 1 + ((life * 613) % 3000);
    // All are let in before any sends: the kill may come with the very first acknowledgement.
    const connections = await Promise.all(
      Array.from({ length: 5 }, async (_, n) => {
        const socket = connect(port, '127.0.0.1');
        atEnd(() => socket.destroy());
        const raw = new Raw(socket);
        raw.write(connectBytes({ clientId: `c${n}` }));
        if (!(await raw.read(4)).equals(ACCEPTED)) throw new Error('not let in');
        return raw;
      }),
    );
    await Promise.all(
      connections.map(async (raw, n) => {
        // two of QoS 1 for one of QoS 2: they go different ways
        const qos = n % 3 === 2 ? 2 : 1;
        let next = 1;
        const payload = (id: number): string => `${life}:${n}:${id}`;
        const send = (): void => {
          sent.add(payload(next));
          raw.write(publishBytes('LASS/Test', payload(next), qos, next));
          next++;
        };
        for (let i = 0; i < 20; i++) send();
        try {
          for (;;) {
            const ack = await raw.read(4);
            const id = ack.readUInt16BE(2);
            // PUBCOMP ends what PUBREC acknowledged
            if (ack[0] === 0x70) continue;
            if (ack[0] === 0x50) raw.write([0x62, 2, id >> 8, id & 255]);
            acknowledged.push(payload(id));
            if (++count === killAfter) child.kill('SIGKILL');
            send();
          }
        } catch {
          // the kill closed it
        }
      }),
    );
  }
  const journal = openJournalReader(folder);
  atEnd(() => journal.close());
  const kept = journal.read(0, 1e9).map((r) => decodePacket(r.bytes));
  const payloads = kept.map((p) => Buffer.from(p.payload).toString());
  expect(new Set(payloads).size).toBe(payloads.length);
  expect(payloads.filter((p) => !sent.has(p))).toEqual([]);
  const found = new Set(payloads);
  expect(acknowledged.length).toBeGreaterThan(8000);
  expect(acknowledged.filter((p) => !found.has(p))).toEqual([]);
});
