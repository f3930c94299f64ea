/** `lamppost backtest`: the stage measured on anybody's data. */
import { accessSync, constants, realpathSync, statSync } from 'node:fs';
import { dirname } from 'node:path';
import { parseArgs } from 'node:util';
import { HOUR, MINUTE, SECOND, DAY, parseTime } from '../../model/time.ts';
import { InputError } from './csv.ts';
import { readInput } from './input.ts';
import { isStream, writeOutput } from './output.ts';
import { runBacktest as run } from './run.ts';

export const BACKTEST_HELP = `lamppost backtest --boxes boxes.csv --readings readings.csv[.gz] --out corrected.csv
    [--stations stations.csv --reference reference.csv[.gz]] [--colocation colocation.csv]
    [--reference-step PT1H] [--reference-lag PT1H] [--fit-until TIME]

Runs quality control and correction over recorded data in time order, as it would have run live.

  --boxes           box,lat,lon,sensor[,field]
  --readings        box,time,pm25[,pm25_b][,pm10][,pm1][,temperature][,humidity]; plain or gzipped
  --stations        station,lat,lon
  --reference       station,time,pm25; averages, time = start of the interval
  --colocation      box,station[,from,to]; without it pairs are found by distance
  --reference-step  length of a reference interval, ISO 8601 (default PT1H; P1D for daily means)
  --reference-lag   how long after its interval a reference value is known (default PT1H)
  --fit-until       reference that starts at or after this time has no effect
  --out             box,time,raw,corrected,lo90,hi90,flag,reasons,level,model; one row per reading, same order

Times are RFC 3339; units µg/m³, °C, %. Empty cell = missing. The case of column names does not count;
other columns are not used. What was not used, or is named in one file only, is noted on stderr.
`;

class UsageError extends Error {}

/** `PT1H`, `PT30M`, `P1D`, `PT0S`, … Months and years have no fixed length and are refused. */
export function parseDuration(text: string): number | null {
  const m = /^P(?:(\d+)W)?(?:(\d+)D)?(?:T(?:(\d+)H)?(?:(\d+)M)?(?:(\d+(?:\.\d+)?)S)?)?$/.exec(text);
  if (!m || text === 'P' || text.endsWith('T')) return null;
  const [w, d, h, min, s] = m.slice(1).map((v) => Number(v ?? 0)) as [number, number, number, number, number];
  return w * 7 * DAY + d * DAY + h * HOUR + min * MINUTE + s * SECOND;
}

/**
 * @param args what stands behind `lamppost backtest`
 * @returns exit code: 0 done, 1 failed, 2 wrong use
 */
export async function runBacktest(args: string[]): Promise<number> {
  const say = (text: string): void => void process.stderr.write(`${text}\n`);
  try {
    const options = readOptions(args);
    if (options === null) {
      process.stdout.write(BACKTEST_HELP);
      return 0;
    }
    checkOut(options.out, Object.values(options.files));
    const progress = progressLine();
    const size = fileSize(options.files.readings);
    let bytes = 0;
    const notes: string[] = [];
    const input = await readInput(
      options.files,
      (more) => {
        bytes += more;
        progress.show('reading', size > 0 ? bytes / size : 1);
      },
      (note) => void notes.push(note),
    );
    progress.clear();
    for (const note of notes) say(`note: ${note}`);
    const out = run(input, { ...options, onProgress: (share) => progress.show('correcting', share) });
    progress.clear();
    writeOutput(options.out, input.readings, out);
    let corrected = 0;
    for (const v of out.corrected) if (!Number.isNaN(v)) corrected++;
    say(
      `${input.readings.length} readings of ${input.readings.boxes.length} boxes, ${corrected} corrected: ${options.out}`,
    );
    return 0;
  } catch (error) {
    if (error instanceof UsageError) {
      say(`lamppost backtest: ${error.message}\n\n${BACKTEST_HELP}`);
      return 2;
    }
    if (error instanceof InputError || (error as NodeJS.ErrnoException).code !== undefined) {
      say(`lamppost backtest: ${(error as Error).message}`);
      return 1;
    }
    throw error;
  }
}

function readOptions(args: string[]) {
  const text = { type: 'string' } as const;
  let values;
  try {
    ({ values } = parseArgs({
      args,
      strict: true,
      allowPositionals: false,
      options: {
        boxes: text,
        readings: text,
        stations: text,
        reference: text,
        colocation: text,
        out: text,
        'reference-step': text,
        'reference-lag': text,
        'fit-until': text,
        help: { type: 'boolean', short: 'h' },
      },
    }));
  } catch (cause) {
    throw new UsageError((cause as Error).message);
  }
  if (values.help) return null;
  const need = (name: 'boxes' | 'readings' | 'out'): string => {
    const value = values[name];
    if (!value) throw new UsageError(`--${name} is needed`);
    return value;
  };
  const duration = (name: 'reference-step' | 'reference-lag', least: number): number => {
    const given = values[name] ?? 'PT1H';
    const ms = parseDuration(given);
    if (ms === null || ms < least) {
      throw new UsageError(`--${name} ${given}: an ISO 8601 duration such as PT1H, PT30M or P1D is needed`);
    }
    return ms;
  };
  const until = values['fit-until'] === undefined ? null : parseTime(values['fit-until']);
  if (values['fit-until'] !== undefined && until === null) {
    throw new UsageError(`--fit-until ${values['fit-until']}: a time such as 2026-01-31T00:00:00Z is needed`);
  }
  if (values.reference !== undefined && values.stations === undefined) {
    throw new UsageError('--reference needs --stations');
  }
  return {
    files: {
      boxes: need('boxes'),
      readings: need('readings'),
      ...(values.stations === undefined ? {} : { stations: values.stations }),
      ...(values.reference === undefined ? {} : { reference: values.reference }),
      ...(values.colocation === undefined ? {} : { colocation: values.colocation }),
    },
    out: need('out'),
    stepMs: duration('reference-step', MINUTE),
    lagMs: duration('reference-lag', 0),
    fitUntil: until,
  };
}

/** Before anything is computed. @throws UsageError, InputError */
function checkOut(out: string, inputs: readonly string[]): void {
  try {
    if (isStream(out)) accessSync(out, constants.W_OK);
    else if (statSync(out, { throwIfNoEntry: false })?.isDirectory()) throw new Error('it is a folder');
    else accessSync(dirname(out), constants.W_OK);
  } catch (cause) {
    throw new InputError(`${out}: cannot be written (${(cause as Error).message})`, { cause });
  }
  const same = realPath(out);
  if (same !== '' && inputs.some((file) => realPath(file) === same)) {
    throw new UsageError(`--out ${out} is one of the files to be read, and would be lost`);
  }
}

/** '' = there is no such file. */
function realPath(file: string): string {
  try {
    return realpathSync(file);
  } catch {
    return '';
  }
}

function fileSize(file: string): number {
  try {
    return statSync(file).size;
  } catch {
    return 0; // reading it will say what is wrong
  }
}

/** How far it is, on stderr: on a terminal one line from the second second on, in a log a line every ten seconds. */
function progressLine() {
  let last = performance.now();
  let shown = false;
  const { isTTY } = process.stderr;
  let wait = isTTY ? 2000 : 10_000;
  return {
    show(what: string, share: number): void {
      const now = performance.now();
      if (now - last < wait) return;
      last = now;
      if (isTTY) wait = 200;
      shown = isTTY;
      const line = `${what} ${String(Math.floor(Math.min(1, share) * 100)).padStart(3)} %`;
      process.stderr.write(isTTY ? `\r${line}\x1b[K` : `${line}\n`);
    },
    clear(): void {
      if (shown) process.stderr.write('\r\x1b[K');
    },
  };
}
