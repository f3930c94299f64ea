/** Where everything lies in the data folder. */
import { createHash } from 'node:crypto';
import { accessSync, constants, existsSync, mkdirSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';

export interface DataFolder {
  readonly root: string;
  readonly registry: string;
  readonly journal: string;
  readonly store: string;
  /** Catalogue of SensorThings entities. */
  readonly sta: string;
  /** State of the pipeline. */
  readonly pipeline: string;
  /** Below the store: DuckDB may write nowhere else. */
  /** Cards of correction models. */
  readonly models: string;
  /** The changelog of values, and the state of the products. */
  readonly revisions: string;
  readonly dumps: string;
  /** Local socket of the running server, and of a broker that runs apart from it. */
  readonly control: string;
  readonly brokerControl: string;
}

/** Longest path of a Unix socket that every system takes [bytes]; sun_path has 104 on macOS, 108 on Linux. */
const MAX_SOCKET_PATH = 100;

export function dataFolder(root: string): DataFolder {
  const hash = createHash('sha256').update(root).digest('hex').slice(0, 16);
  const socket = (program: string): string => {
    const inside = join(root, `${program}.sock`);
    const name = `${program}-${hash}`;
    if (process.platform === 'win32') return `\\\\.\\pipe\\${name}`;
    return Buffer.byteLength(inside) <= MAX_SOCKET_PATH ? inside : join(tmpdir(), `${name}.sock`);
  };
  return {
    root,
    registry: join(root, 'registry.sqlite'),
    journal: join(root, 'journal'),
    store: join(root, 'store'),
    sta: join(root, 'sta.sqlite'),
    pipeline: join(root, 'pipeline'),
    models: join(root, 'models'),
    revisions: join(root, 'revisions'),
    dumps: join(root, 'store', 'dumps'),
    control: socket('lamppost'),
    brokerControl: socket('broker'),
  };
}

/**
 * Makes a folder and those above it, one at a time: where making one ends with ENOENT although the one above is there, as below
 * /proc, `mkdirSync(…, { recursive: true })` of Node 24 tries for ever.
 */
function makeFolder(path: string): void {
  if (existsSync(path)) return;
  const above = dirname(path);
  if (above !== path) makeFolder(above);
  try {
    mkdirSync(path, { mode: 0o700 });
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
  }
}

/** @throws Error that says what to do when the folder cannot be made */
export function makeDataFolder(root: string): DataFolder {
  try {
    makeFolder(resolve(root));
  } catch (cause) {
    throw new Error(
      `cannot make the data folder ${root}: ${(cause as Error).message}; set LAMPPOST_DATA_DIR to a folder this user may write`,
      { cause },
    );
  }
  try {
    accessSync(root, constants.W_OK | constants.X_OK);
  } catch (cause) {
    const { code, message } = cause as NodeJS.ErrnoException;
    const why = code === 'EROFS' ? 'it lies on a read-only file system' : message;
    throw new Error(
      `the data folder ${root} cannot be written: ${why}; make it writable or set LAMPPOST_DATA_DIR to a folder this user may write`,
      { cause },
    );
  }
  return dataFolder(root);
}
