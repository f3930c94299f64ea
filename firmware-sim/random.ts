/**
 * Seeded randomness for the simulator: the same seed gives the same city on every machine, and a value at one moment does
 * not depend on which moments were asked before (so a fleet may start, stop and replay anywhere in time).
 */

/** mulberry32 (Tommy Ettinger, public domain): uniform numbers in [0, 1). */
export function mulberry32(seed: number): () => number {
  let a = seed >>> 0;
  return () => {
    a = (a + 0x6d2b79f5) >>> 0;
    let t = a;
    t = Math.imul(t ^ (t >>> 15), t | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
}

/** A uniform number in [0, 1) that belongs to these integers alone (murmur3 finaliser over the mixed keys). */
export function hash01(seed: number, a: number, b = 0): number {
  let h = (seed ^ Math.imul(a | 0, 0x9e3779b1) ^ Math.imul(b | 0, 0x85ebca77)) | 0;
  h = Math.imul(h ^ (h >>> 16), 0x85ebca6b);
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35);
  return ((h ^ (h >>> 16)) >>> 0) / 4294967296;
}

/** A standard normal number that belongs to these integers (Box–Muller). */
export function hashNormal(seed: number, a: number, b = 0): number {
  const u = Math.max(hash01(seed, a, b), 1e-12);
  const v = hash01(seed ^ 0x5bd1e995, a, b);
  return Math.sqrt(-2 * Math.log(u)) * Math.cos(2 * Math.PI * v);
}

/** Smooth noise of unit variance order along `x`, one knot per unit, cosine-interpolated: weather that changes, not flickers. */
export function smoothNoise(seed: number, x: number): number {
  const i = Math.floor(x);
  const w = (1 - Math.cos(Math.PI * (x - i))) / 2;
  return hashNormal(seed, i) * (1 - w) + hashNormal(seed, i + 1) * w;
}

/** A stable 31-bit integer from a word, for naming seeds. */
export function seedOf(word: string): number {
  let h = 2166136261;
  for (let i = 0; i < word.length; i++) h = Math.imul(h ^ word.charCodeAt(i), 16777619);
  return h >>> 1;
}
