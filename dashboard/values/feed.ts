/** The main-thread end of the live feed: one worker for the life of the page, one table, and how the connection is. */
import { signal } from '@preact/signals';
import type { PropertyKey } from '../../model/properties.ts';
import type { FeedMessage, FeedRequest } from './feed.worker.ts';
import { BoxTable, type DataLevel } from './table.ts';

export interface FeedState {
  readonly state: 'loading' | 'live' | 'away';
  readonly since: number;
  readonly detail: string;
}

export const table = new BoxTable();
export const feedState = signal<FeedState>({ state: 'loading', since: Date.now(), detail: '' });
/** Grows with every change of the table; what shows values reads it. */
export const tableVersion = signal(0);
/** Whether a snapshot of the wished property has arrived. */
export const loaded = signal(false);

type Listener = (rows: Int32Array | null) => void;
const listeners = new Set<Listener>();
/** `rows` = the rows that changed, null = everything may have. */
export function onRows(listener: Listener): () => void {
  listeners.add(listener);
  return () => listeners.delete(listener);
}

/** Says that everything may have changed (a moment of the past was chosen). */
export function announce(): void {
  for (const l of listeners) l(null);
  tableVersion.value++;
}

let worker: Worker | null = null;
let wished: FeedRequest | null = null;

let near = '';

/** Live values only of this square (it is loaded first, too); '' = of everything. */
export function watch(bbox: string): void {
  if (bbox === near) return;
  near = bbox;
  if (!wished || !worker) return;
  wished = { ...wished, near };
  worker.postMessage(wished);
}
export const watched = (): string => near;

/** @param bbox west,south,east,north; '' = everywhere */
export function follow(property: PropertyKey, levels: readonly DataLevel[], bbox = ''): void {
  if (wished?.property === property && wished.levels.join() === levels.join() && wished.bbox === bbox) return;
  if (wished?.property !== property) {
    table.clearValues();
    loaded.value = false;
    for (const l of listeners) l(null);
  }
  wished = { property, levels, bbox, near };
  if (!worker) {
    worker = new Worker(new URL('./feed.worker.ts', import.meta.url), { type: 'module' });
    worker.addEventListener('message', (e: MessageEvent<FeedMessage>) => receive(e.data));
  }
  worker.postMessage(wished);
}

function receive(m: FeedMessage): void {
  if (m.kind === 'state') {
    const now = feedState.value;
    // "Away" is counted from the first failure, however often a new try fails.
    if (now.state !== m.state) feedState.value = { state: m.state, since: m.at, detail: m.detail };
    return;
  }
  table.addThings(m.things);
  if (m.property !== wished?.property) return;
  table.apply(m.values);
  if (m.snapshot) loaded.value = true;
  for (const l of listeners) l(m.snapshot ? null : m.values.row);
  tableVersion.value++;
}
