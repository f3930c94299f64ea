/** Broker, registry and journal in one process, as `serve` has them; prints its port and the boxes' logins. `node lamppost.ts <folder> <boxes>` */
import { join } from 'node:path';
import { startBroker } from '../../broker/broker.ts';
import { openJournal } from '../../journal/lmdb.ts';
import { encodePacket } from '../../model/packet.ts';
import { openRegistry } from '../../registry/sqlite.ts';

const [folder, boxes] = process.argv.slice(2) as [string, string];
const registry = openRegistry(join(folder, 'registry.sqlite'));
const added = registry.addMany(
  Array.from({ length: Number(boxes) }, (_, i) => ({ name: `box ${i}` })),
  0,
);
const journal = openJournal(join(folder, 'journal'));
const broker = await startBroker({
  registry,
  accept: async (packet) => void (await journal.append(encodePacket(packet))),
  port: 0,
  host: '127.0.0.1',
});
// as the pipeline would, so that the file stays small
setInterval(() => void journal.trim(journal.health().lastSeq), 1000);
process.stdout.write(
  `${JSON.stringify({ port: broker.port, logins: added.map(({ id, key }) => ({ user: id, password: key, topic: `boxes/${id}/json` })) })}\n`,
);
process.on(
  'SIGTERM',
  () =>
    void broker
      .close()
      .then(() => journal.close())
      .then(() => process.exit(0)),
);
