// Preloaded into a server under test: in all of its threads the clock (`Date.now()`, `new Date()`) is off by the milliseconds that stand
// in the file CLOCK_SKEW_FILE. What the main thread has taken over stands in `CLOCK_SKEW_FILE.seen`. Timers and monotonic clocks are
// not touched, as when somebody sets the clock of a machine.
import { readFileSync, writeFileSync } from 'node:fs';
import { isMainThread } from 'node:worker_threads';

const file = process.env.CLOCK_SKEW_FILE;
const RealDate = Date;
const now = Date.now.bind(Date);
let skew = 0;
const look = () => {
  try {
    const text = readFileSync(file, 'utf8');
    if (text === '' || Number(text) === skew) return;
    skew = Number(text) || 0;
    if (isMainThread) writeFileSync(`${file}.seen`, text);
  } catch {
    // not written yet
  }
};
if (file) {
  look();
  setInterval(look, 10).unref();
  RealDate.now = () => now() + skew;
  globalThis.Date = new Proxy(RealDate, {
    construct: (target, args, newTarget) =>
      Reflect.construct(target, args.length > 0 ? args : [now() + skew], newTarget),
    apply: () => new RealDate(now() + skew).toString(),
  });
}
