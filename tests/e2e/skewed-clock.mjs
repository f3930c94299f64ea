// Preloaded into a server under test: its clock is off by the milliseconds that stand in the file CLOCK_SKEW_FILE.
import { readFileSync } from 'node:fs';

const file = process.env.CLOCK_SKEW_FILE;
const now = Date.now.bind(Date);
let skew = 0;
const look = () => {
  try {
    skew = Number(readFileSync(file, 'utf8')) || 0;
  } catch {
    // not written yet
  }
};
if (file) {
  look();
  setInterval(look, 20).unref();
  Date.now = () => now() + skew;
}
