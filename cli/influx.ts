import { parseArgs } from 'node:util';
import { parseDuration } from '../calibration/backtest/command.ts';
import { CONFIG_HELP, configFrom, configOption, print } from './command.ts';
import type { Parts } from './parts.ts';
import { UsageError } from './terminal.ts';

export const summary = 'prepare an InfluxDB 2 server: buckets, retention, hour means';

export const help = `lamppost influx setup: prepare an InfluxDB 2 server for these settings

Makes the bucket of the observations, a bucket of hour means (<bucket>-hourly) and the tasks that fill it. Doing it again
changes what differs and nothing else. Needs a token that may read and write buckets and tasks; the server itself needs one that
may read and write the bucket.

  --retention D         how long observations are kept, an ISO 8601 duration such as P400D; P0D = for ever
                        (default: as it is; for ever when the bucket is made)
  --hourly-retention D  the same for hour means
${CONFIG_HELP}

Settings: influxUrl, influxToken, influxOrg, influxBucket.`;

function duration(name: string, text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  const ms = /^P0D$/.test(text) ? 0 : parseDuration(text);
  if (ms === null) throw new UsageError(`--${name} ${text}: expected an ISO 8601 duration such as P400D`);
  // InfluxDB refuses less than an hour.
  if (ms > 0 && ms < 3_600_000) throw new UsageError(`--${name} ${text}: an hour at least, or P0D for ever`);
  return ms;
}

export async function run(args: string[], parts: Parts): Promise<number> {
  const { values, positionals } = parseArgs({
    args,
    options: { ...configOption, retention: { type: 'string' }, 'hourly-retention': { type: 'string' } },
    allowPositionals: true,
  });
  if (positionals.length !== 1 || positionals[0] !== 'setup')
    throw new UsageError(
      `say what to do: lamppost influx setup${positionals[0] ? `, not "${positionals.join(' ')}"` : ''}`,
    );
  const retention = duration('retention', values.retention);
  const hourlyRetention = duration('hourly-retention', values['hourly-retention']);
  const config = configFrom(values);
  for (const key of ['influxUrl', 'influxToken', 'influxOrg', 'influxBucket'] as const)
    if (config[key] === '') throw new UsageError(`${key} is not set; docs/influxdb.md says what it is`);
  const steps = await parts.setupInflux(config, {
    ...(retention === undefined ? {} : { retention }),
    ...(hourlyRetention === undefined ? {} : { hourlyRetention }),
  });
  for (const step of steps) print(step);
  return 0;
}
