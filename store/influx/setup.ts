/**
 * `lamppost influx setup`: what has to be in InfluxDB besides observations. Doing it again changes what differs and nothing
 * else: the bucket and how long it keeps, a bucket of hour means, and the tasks that fill that.
 */
import { flux, fluxExpression } from '@influxdata/influxdb-client';
import { PROPERTIES } from '../../model/properties.ts';
import { SECOND } from '../../model/time.ts';
import { Connection, type InfluxAddress } from './connection.ts';
import { fieldName, MEASUREMENT, SLOTS } from './schema.ts';

export interface SetupOptions {
  /** How long observations are kept [ms]; 0 = for ever; absent = as it is, for ever when the bucket is made. */
  readonly retention?: number;
  /** The same for hour means. */
  readonly hourlyRetention?: number;
}

/** One thing that was looked after. */
export interface SetupStep {
  readonly what: string;
  readonly name: string;
  readonly done: 'made' | 'changed' | 'as it was';
}

export const hourlyBucket = (bucket: string): string => `${bucket}-hourly`;

/** Hours looked at again by every run, and by the daily one for readings that came late. */
const TASKS = [
  { name: 'hours', every: '1h', offset: '5m', span: '3h' },
  { name: 'late hours', every: '1d', offset: '25m', span: '7d' },
] as const;

/** Hour means of one property, each under its box's own time (slot in the nanoseconds, as in `schema.ts`). Raw ones of flag 1 and 2, corrected ones that were not taken back, as the API counts them. */
function hoursOf(num: number, from: string, to: string): string {
  const name = (aspect: Parameters<typeof fieldName>[1]): string => fieldName(num, aspect);
  const key = name('');
  const rows = `rows_${num}`;
  const fields = [key, name('flag'), name('corrected'), name('lo90'), name('hi90'), name('withdrawn')];
  const good = `exists r.${key} and (r.${name('flag')} == 1.0 or r.${name('flag')} == 2.0)`;
  const given = (aspect: 'corrected' | 'lo90' | 'hi90'): string =>
    `exists r.${name(aspect)} and (not exists r.${name('withdrawn')} or r.${name('withdrawn')} == 0.0)`;
  const mean = (field: string, condition: string, as = field, fn = 'mean'): string => `${rows}
  |> filter(fn: (r) => ${condition})
  |> aggregateWindow(every: 1h, fn: ${fn}, column: "${field}", createEmpty: false, timeSrc: "_start")
  |> map(fn: (r) => ({_time: time(v: int(v: r._time) + r.slot), _measurement: "hour", box: r.box, _field: "${as}", _value: float(v: r.${field})}))
  |> group(columns: ["_measurement", "box", "_field"])
  |> to(bucket: ${to})
  |> yield(name: "${as}")`;
  return `${rows} = from(bucket: ${from})
  |> range(start: start, stop: stop)
  |> filter(fn: (r) => r._measurement == "${MEASUREMENT}" and (${fields.map((f) => `r._field == "${f}"`).join(' or ')}))
  |> pivot(rowKey: ["_time"], columnKey: ["_field"], valueColumn: "_value")
  |> map(fn: (r) => ({r with slot: int(v: r._time) % ${SLOTS}}))
  |> group(columns: ["box", "slot"])
  |> sort(columns: ["_time"])
${[
  mean(key, good),
  mean(key, good, `${key}_values`, 'count'),
  ...(['corrected', 'lo90', 'hi90'] as const).map((aspect) => mean(name(aspect), given(aspect))),
].join('\n')}`;
}

/** The Flux of one task. */
export function taskText(bucket: string, task: (typeof TASKS)[number]): string {
  const from = flux`${bucket}`.toString();
  const to = flux`${hourlyBucket(bucket)}`.toString();
  return flux`import "date"
option task = {name: ${taskName(bucket, task)}, every: ${fluxExpression(task.every)}, offset: ${fluxExpression(task.offset)}}
stop = date.truncate(t: now(), unit: 1h)
start = date.sub(d: ${fluxExpression(task.span)}, from: stop)
${fluxExpression(PROPERTIES.map((p) => hoursOf(p.num, from, to)).join('\n'))}
`.toString();
}

const taskName = (bucket: string, task: (typeof TASKS)[number]): string => `lamppost ${task.name} of ${bucket}`;

interface Bucket {
  readonly id: string;
  readonly name: string;
  readonly retentionRules?: readonly { readonly everySeconds?: number }[];
}

/** @throws StoreUnavailable or an Error in InfluxDB's words */
export async function setup(address: InfluxAddress, options: SetupOptions = {}): Promise<SetupStep[]> {
  const connection = new Connection(address);
  const org = encodeURIComponent(address.org);
  const steps: SetupStep[] = [];
  try {
    const { orgs = [] } = (await connection.call('GET', `/api/v2/orgs?org=${org}`)) as { orgs?: { id: string }[] };
    const orgID = orgs[0]?.id;
    if (!orgID) throw new Error(`InfluxDB at ${address.url} knows no organisation "${address.org}"`);

    const bucket = async (name: string, keep: number | undefined): Promise<void> => {
      // A bucket that is not there is an empty list for some tokens and 404 for others.
      const path = `/api/v2/buckets?orgID=${orgID}&name=${encodeURIComponent(name)}`;
      const { buckets = [] } = (await connection.call('GET', path).catch((error: unknown) => {
        if (error instanceof Error && /not found/.test(error.message)) return {};
        throw error;
      })) as { buckets?: Bucket[] };
      const found = buckets.find((b) => b.name === name);
      const seconds = Math.round((keep ?? 0) / SECOND);
      const retentionRules = seconds > 0 ? [{ type: 'expire', everySeconds: seconds }] : [];
      if (!found) {
        await connection.call('POST', '/api/v2/buckets', { orgID, name, retentionRules });
        steps.push({ what: 'bucket', name, done: 'made' });
      } else if (keep !== undefined && (found.retentionRules?.[0]?.everySeconds ?? 0) !== seconds) {
        await connection.call('PATCH', `/api/v2/buckets/${found.id}`, {
          retentionRules: retentionRules.length > 0 ? retentionRules : [{ type: 'expire', everySeconds: 0 }],
        });
        steps.push({ what: 'bucket', name, done: 'changed' });
      } else steps.push({ what: 'bucket', name, done: 'as it was' });
    };
    await bucket(address.bucket, options.retention);
    await bucket(hourlyBucket(address.bucket), options.hourlyRetention);

    for (const task of TASKS) {
      const name = taskName(address.bucket, task);
      const text = taskText(address.bucket, task);
      const { tasks = [] } = (await connection.call(
        'GET',
        `/api/v2/tasks?orgID=${orgID}&name=${encodeURIComponent(name)}&limit=500`,
      )) as { tasks?: { id: string; name: string; flux: string; status: string }[] };
      const found = tasks.find((t) => t.name === name);
      if (!found) {
        await connection.call('POST', '/api/v2/tasks', { orgID, flux: text, status: 'active' });
        steps.push({ what: 'task', name, done: 'made' });
      } else if (found.flux.trim() !== text.trim()) {
        await connection.call('PATCH', `/api/v2/tasks/${found.id}`, { flux: text });
        steps.push({ what: 'task', name, done: 'changed' });
      } else steps.push({ what: 'task', name, done: 'as it was' });
    }
    return steps;
  } finally {
    connection.close();
  }
}
