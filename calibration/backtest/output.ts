/** The corrected file of a backtest: written beside its place and put there in one move, so nothing half-written is ever left. */
import { randomBytes } from 'node:crypto';
import { closeSync, fsyncSync, openSync, renameSync, rmSync, writeSync } from 'node:fs';
import type { ReadingTable } from './input.ts';
import type { BacktestOutput } from './run.ts';

const HEADER = 'box,time,raw,corrected,lo90,hi90,flag,reasons,level,model\n';
const FLUSH = 1 << 20;

const quote = (text: string): string => (/[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text);
const cell = (v: number): string => (Number.isNaN(v) ? '' : String(v));

export function writeOutput(file: string, readings: ReadingTable, out: BacktestOutput): void {
  const beside = `${file}.${randomBytes(6).toString('hex')}.part`;
  const fd = openSync(beside, 'wx');
  try {
    let text = HEADER;
    for (let i = 0; i < readings.length; i++) {
      const box = quote(readings.boxes[readings.box[i] as number] as string);
      text += `${box},${readings.timeText[i]},${cell(out.raw[i] as number)},${cell(out.corrected[i] as number)},${cell(out.lo90[i] as number)},${cell(out.hi90[i] as number)},${out.flag[i]},${out.reasons[i]},${out.level[i]},${out.model[i]}\n`;
      if (text.length > FLUSH) {
        writeSync(fd, text);
        text = '';
      }
    }
    writeSync(fd, text);
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
