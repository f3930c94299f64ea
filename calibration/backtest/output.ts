/**
 * The corrected file of a backtest: written beside its place and put there in one move, so nothing half-written is ever left.
 * A pipe or a device (`/dev/stdout`, `/dev/null`) is written to: a file put in its place would take it away from everybody.
 */
import { randomBytes } from 'node:crypto';
import { closeSync, fsyncSync, openSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs';
import type { ReadingTable } from './input.ts';
import type { BacktestOutput } from './run.ts';

const HEADER = 'box,time,raw,corrected,lo90,hi90,flag,reasons,level,model\n';
const FLUSH = 1 << 20;

const quote = (text: string): string => (/[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text);
const cell = (v: number): string => (Number.isNaN(v) ? '' : String(v));

/** Whether there is something at this path that is neither a file nor a folder. */
export function isStream(path: string): boolean {
  const there = statSync(path, { throwIfNoEntry: false });
  return there !== undefined && !there.isFile() && !there.isDirectory();
}

export function writeOutput(file: string, readings: ReadingTable, out: BacktestOutput): void {
  if (isStream(file)) {
    const fd = openSync(file, 'w');
    try {
      writeRows(fd, readings, out);
    } finally {
      closeSync(fd);
    }
    return;
  }
  const beside = `${file}.${randomBytes(6).toString('hex')}.part`;
  const fd = openSync(beside, 'wx');
  try {
    writeRows(fd, readings, out);
    fsyncSync(fd);
  } catch (error) {
    closeSync(fd);
    rmSync(beside, { force: true });
    throw error;
  }
  closeSync(fd);
  try {
    renameSync(beside, file);
  } catch (error) {
    rmSync(beside, { force: true });
    throw error;
  }
}

function writeRows(fd: number, readings: ReadingTable, out: BacktestOutput): void {
  let text = HEADER;
  for (let i = 0; i < readings.length; i++) {
    const box = quote(readings.boxes[readings.box[i] as number] as string);
    text += `${box},${readings.timeText[i]},${cell(out.raw[i] as number)},${cell(out.corrected[i] as number)},${cell(out.lo90[i] as number)},${cell(out.hi90[i] as number)},${out.flag[i]},${out.reasons[i]},${out.level[i]},${out.model[i]}\n`;
    if (text.length > FLUSH) {
      writeFileSync(fd, text); // all of it: `writeSync` may stop short on a pipe or a full disk
      text = '';
    }
  }
  writeFileSync(fd, text);
}
