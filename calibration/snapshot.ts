/**
 * A state as bytes in parts: its large arrays as they lie in memory, everything else in V8's serialisation before them. A million boxes have
 * some 700 MB of arrays; serialised in one piece they would be in memory a second and, while that buffer grows, a third time.
 *
 * Layout: 8 bytes `LAMPPRT1`, length of the serialised rest (u32 LE), that rest padded to 8 bytes, then the arrays, each padded to 8 bytes.
 */
import { deserialize, serialize } from 'node:v8';

const MAGIC = Buffer.from('LAMPPRT1');
const HEADER = MAGIC.length + 4;
/** Smaller arrays go along with the rest [bytes]. */
const LARGE = 4096;

const KINDS = { Float64Array, Float32Array, Int32Array, Uint32Array, Uint16Array, Uint8Array } as const;
type Kind = keyof typeof KINDS;

/** Stands for an array in the rest; no state has a member of this name. */
interface Placeholder {
  readonly lamppostPart: number;
  readonly kind: Kind;
  readonly length: number;
}

const isPlaceholder = (value: object): value is Placeholder => 'lamppostPart' in value;
const padded = (bytes: number): number => (bytes + 7) & ~7;
const isPlain = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && Object.getPrototypeOf(value) === Object.prototype;

/** The parts are live: write them before the state changes. */
export function encodeParts(state: unknown): Uint8Array[] {
  const arrays: ArrayBufferView[] = [];
  const without = (value: unknown): unknown => {
    if (ArrayBuffer.isView(value)) {
      const kind = value.constructor.name as Kind;
      if (value.byteLength < LARGE || !Object.hasOwn(KINDS, kind)) return value;
      arrays.push(value);
      const { length } = value as Uint8Array;
      return { lamppostPart: arrays.length - 1, kind, length } satisfies Placeholder;
    }
    // Lists of arrays; other lists are long and hold none.
    if (Array.isArray(value)) return ArrayBuffer.isView(value[0]) ? value.map(without) : value;
    if (!isPlain(value)) return value;
    return Object.fromEntries(Object.entries(value).map(([name, member]) => [name, without(member)]));
  };
  const rest = serialize(without(state));
  const head = Buffer.alloc(padded(HEADER + rest.length));
  head.set(MAGIC);
  head.writeUInt32LE(rest.length, MAGIC.length);
  head.set(rest, HEADER);
  const parts: Uint8Array[] = [head];
  for (const { buffer, byteOffset, byteLength } of arrays) {
    parts.push(new Uint8Array(buffer, byteOffset, byteLength));
    const gap = padded(byteLength) - byteLength;
    if (gap > 0) parts.push(new Uint8Array(gap));
  }
  return parts;
}

/**
 * The state of these parts put together. Its large arrays are views of these bytes where they lie so that they can be: whoever takes it over copies.
 * Takes what plain serialisation made, too.
 */
export function decodeParts(bytes: Uint8Array): unknown {
  if (!MAGIC.equals(bytes.subarray(0, MAGIC.length))) return deserialize(bytes);
  const { buffer, byteOffset } = bytes;
  const length = new DataView(buffer, byteOffset).getUint32(MAGIC.length, true);
  let at = padded(HEADER + length);
  const found = new Map<number, ArrayBufferView>();
  const take = ({ lamppostPart, kind, length: n }: Placeholder): ArrayBufferView => {
    const Kind = KINDS[kind];
    const size = n * Kind.BYTES_PER_ELEMENT;
    if (lamppostPart !== found.size || at + size > bytes.length) throw new Error('a saved state is cut short');
    let array: ArrayBufferView;
    if ((byteOffset + at) % Kind.BYTES_PER_ELEMENT === 0) array = new Kind(buffer as ArrayBuffer, byteOffset + at, n);
    else {
      array = new Kind(n);
      new Uint8Array(array.buffer).set(bytes.subarray(at, at + size));
    }
    at += padded(size);
    found.set(lamppostPart, array);
    return array;
  };
  const whole = (value: unknown): unknown => {
    if (Array.isArray(value)) {
      if (!isPlain(value[0]) && !ArrayBuffer.isView(value[0])) return value;
      // A list of arrays of which only large ones were taken out.
      return value.some((v) => isPlain(v) && isPlaceholder(v)) ? value.map(whole) : value;
    }
    if (!isPlain(value)) return value;
    if (isPlaceholder(value)) return take(value);
    for (const name of Object.keys(value)) value[name] = whole(value[name]);
    return value;
  };
  return whole(deserialize(bytes.subarray(HEADER, HEADER + length)));
}
