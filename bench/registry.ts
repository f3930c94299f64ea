/** The registry at a million boxes: adding, opening, authenticating, one page of a bbox. `node bench/registry.ts [boxes]` */
import { mkdtempSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { openRegistry } from '../registry/sqlite.ts';
import { figure, whole as grouped } from './figures.ts';

const boxes = Number(process.argv[2] ?? 1_000_000);
const folder = mkdtempSync(join(tmpdir(), 'bench-registry-'));
const path = join(folder, 'registry.sqlite');
const timed = <T>(work: () => T): [T, number] => {
  const start = performance.now();
  const result = work();
  return [result, performance.now() - start];
};
try {
  // mulberry32: the same city at every run.
  let seed = 7;
  const random = (): number => {
    seed = (seed + 0x6d2b79f5) | 0;
    let t = Math.imul(seed ^ (seed >>> 15), 1 | seed);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
  function* city(): Generator<{ name: string; lat: number; lon: number; sensors: string[] }> {
    for (let i = 0; i < boxes; i++) {
      yield { name: `box ${i}`, lat: 22 + random() * 3.2, lon: 120.2 + random() * 1.7, sensors: ['PMS5003'] };
    }
  }
  const first = openRegistry(path);
  const [keys, adding] = timed(() => first.addMany(city(), Date.UTC(2026, 10, 21)));
  first.close();
  const [registry, opening] = timed(() => openRegistry(path));
  const rounds = 200_000;
  const [ok, authenticating] = timed(() => {
    let right = 0;
    for (let i = 0; i < rounds; i++) {
      const k = keys[Math.floor(random() * boxes)];
      if (k && registry.authenticate(k.id, k.key) === 'ok') right++;
    }
    return right;
  });
  const [, byNum] = timed(() => {
    for (let i = 0; i < rounds; i++) registry.byNum(1 + Math.floor(random() * boxes));
  });
  const [district, small] = timed(() => registry.list({ bbox: [121.5, 25, 121.55, 25.05], limit: 1000 }));
  const [, whole] = timed(() => registry.list({ bbox: [119, 21, 123, 26], limit: 1000 }));
  console.table({
    'add many [s]': +(adding / 1000).toFixed(1),
    'open [ms]': +opening.toFixed(1),
    'authenticate [µs]': +((authenticating / rounds) * 1000).toFixed(1),
    'by number [µs]': +((byNum / rounds) * 1000).toFixed(1),
    [`bbox of a district, ${district.length} boxes [ms]`]: +small.toFixed(1),
    'bbox of everything, first 1,000 [ms]': +whole.toFixed(1),
    'file [MB]': +(statSync(path).size / 1e6).toFixed(0),
  });
  figure(`${grouped(boxes)} boxes added; opened`, `${(adding / 1000).toFixed(1)} s; ${opening.toFixed(1)} ms`);
  figure('a key checked; a box looked up by number', `${((authenticating / rounds) * 1000).toFixed(1)} µs; ${((byNum / rounds) * 1000).toFixed(1)} µs`); // prettier-ignore
  console.log(`${boxes} boxes, ${ok} of ${rounds} keys right, Node ${process.version}`);
  registry.close();
} finally {
  rmSync(folder, { recursive: true });
}
