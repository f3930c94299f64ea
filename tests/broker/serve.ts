/** Broker and journal in a process of their own, to be killed. `node serve.ts <folder>` prints the port. */
import { startBroker } from '../../broker/broker.ts';
import { openJournal } from '../../journal/lmdb.ts';
import { encodePacket } from '../../model/packet.ts';

const [folder] = process.argv.slice(2) as [string];
const journal = openJournal(folder);
const broker = await startBroker({
  registry: { authenticate: () => 'unknown', principal: () => null },
  accept: async (packet) => void (await journal.append(encodePacket(packet))),
  openTopics: ['LASS/#'],
  port: 0,
  host: '127.0.0.1',
});
process.stdout.write(`${broker.port}\n`);
