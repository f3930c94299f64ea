import { parseArgs } from 'node:util';
import { readPortalJson, readRecordedCsv } from '../firmware-sim/recording.ts';
import { replay } from '../firmware-sim/replay.ts';
import { abortOnSignal, progress, UsageError } from './terminal.ts';

export const summary = 'recorded readings sent as boxes would send them';

export const help = `lamppost replay FILE [FILE …]: recorded readings sent as boxes would send them

  FILE               readings.csv[.gz] (columns box,time,pm25[,pm10][,pm1][,temperature][,humidity]),
                     or a last-all-*.json[.gz] of the LASS portal
  --boxes FILE       boxes.csv (box,lat,lon,…): where the boxes of readings.csv stand
  --url URL          broker, default mqtt://127.0.0.1:1883
  --speed N          1 as recorded, 60 an hour in a minute; default: as fast as the server acknowledges
  --connections N    default 8
  --username, --password

The boxes are unregistered: the server must open their topics (LAMPPOST_OPEN_TOPICS=LASS/#).
Times stay as recorded. Exit code 0 when every message was acknowledged.`;

export async function run(args: string[]): Promise<number> {
  const { values, positionals } = parseArgs({
    args,
    allowPositionals: true,
    options: {
      boxes: { type: 'string' },
      url: { type: 'string', default: 'mqtt://127.0.0.1:1883' },
      speed: { type: 'string' },
      connections: { type: 'string', default: '8' },
      username: { type: 'string' },
      password: { type: 'string' },
    },
  });
  if (positionals.length === 0) throw new UsageError('name at least one file to replay');
  const speed = values.speed === undefined ? Infinity : Number(values.speed);
  if (!(speed > 0)) throw new UsageError(`--speed ${values.speed}: expected a number above 0`);
  const connections = Number(values.connections);
  if (!Number.isInteger(connections) || connections < 1 || connections > 1000)
    throw new UsageError(`--connections ${values.connections}: expected 1 to 1000`);
  const signal = abortOnSignal();
  let complete = true;
  for (const file of positionals) {
    const recording = /\.json(\.gz)?$/.test(file)
      ? await readPortalJson(file)
      : await readRecordedCsv(file, values.boxes);
    for (const [why, n] of recording.left) console.error(`${file}: ${n} records left out: ${why}`);
    const show = progress(`of ${recording.messages.length} messages acknowledged (${file})`);
    const acknowledged = await replay({
      url: values.url,
      recording,
      speed,
      connections,
      signal,
      onProgress: (n) => show.update(n),
      ...(values.username === undefined ? {} : { username: values.username, password: values.password ?? '' }),
    });
    show.end();
    console.log(JSON.stringify({ file, boxes: recording.boxes, messages: recording.messages.length, acknowledged }));
    complete &&= acknowledged === recording.messages.length;
  }
  return complete ? 0 : 1;
}
