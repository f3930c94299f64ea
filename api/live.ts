/**
 * The live stream: rows that became the newest of their datastream, numbered, kept for a while for clients that come back, and
 * sent to whoever asked for them. A client that reads too slowly is let go; it resumes where it was.
 */
import type { ServerResponse } from 'node:http';
import { datastreamId, thingNumOf } from '../model/datastream.ts';
import { PROPERTY_SLOTS, propertyByNum, type PropertyKey } from '../model/properties.ts';
import { SECOND, type EpochMs } from '../model/time.ts';
import type { ObservationColumns } from '../store/store.ts';
import { allocateColumns } from '../store/store.ts';
import type { Context } from './context.ts';
import { observationText, type Level } from './observation.ts';
import type { Bbox } from './parameters.ts';
import { editionOf, rowView, slotView } from './rows.ts';
import { presenceView } from './thing-view.ts';

export interface StreamFilter {
  readonly properties: ReadonlySet<PropertyKey> | null;
  /** Numbers of Things. */
  readonly things: ReadonlySet<number> | null;
  readonly bbox: Bbox | null;
  readonly level: Level;
}

interface Client {
  readonly filter: StreamFilter;
  readonly response: ServerResponse;
}

/** Bytes waiting for a client beyond which it counts as too slow. */
const MAX_WAITING = 4 << 20;
/** Written at once to a client that catches up. */
const BURST = 1 << 18;
export const HEARTBEAT = 15 * SECOND;

/** `<run>.<server time>.<number>`, the latter two in base 36: within one run of the server the number finds the row, else the time says since when. */
const ID = /^([a-z0-9]{1,20})\.([0-9a-z]{1,9})\.([0-9a-z]{1,10})$/;

export function parseEventId(text: string): { run: string; at: EpochMs; n: number } | null {
  const m = ID.exec(text);
  return m
    ? { run: m[1] as string, at: Number.parseInt(m[2] as string, 36), n: Number.parseInt(m[3] as string, 36) }
    : null;
}

export class LiveStream {
  readonly #context: Context;
  readonly #clients = new Set<Client>();
  /** Still being sent what they missed. */
  readonly #joining = new Set<Client>();
  /** Ring of the last rows: number n lies at n % length. */
  readonly #ring: ObservationColumns;
  readonly #arrived: Float64Array;
  #last = 0;
  readonly #heartbeat: NodeJS.Timeout;
  /** Let go because they read too slowly. */
  dropped = 0;

  constructor(context: Context, keep: number) {
    this.#context = context;
    this.#ring = allocateColumns(keep);
    this.#arrived = new Float64Array(keep);
    this.#heartbeat = setInterval(() => {
      for (const client of this.#clients) this.#send(client, ': \n\n');
    }, HEARTBEAT);
    this.#heartbeat.unref();
  }

  get clients(): number {
    return this.#clients.size + this.#joining.size;
  }

  /** Rows of which these indices became the newest. */
  publish(rows: ObservationColumns, indices: readonly number[]): void {
    const now = this.#context.clock();
    const first = this.#last + 1;
    for (const i of indices) this.#keep(++this.#last % this.#ring.length, rows, i, now);
    if (this.#clients.size === 0) return;
    this.#context.things.refresh();
    const edition = editionOf(this.#context);
    const from = Math.max(first, this.#last - this.#ring.length + 1);
    const outgoing = new Map<Client, string>();
    for (let n = from; n <= this.#last; n++) {
      const texts: Partial<Record<Level, string>> = {};
      for (const client of this.#clients) {
        if (!this.#wants(client.filter, this.#ring.datastream[n % this.#ring.length] as number)) continue;
        const text = (texts[client.filter.level] ??= this.#event(n, client.filter.level, edition));
        if (text !== '') outgoing.set(client, (outgoing.get(client) ?? '') + text);
      }
    }
    for (const [client, text] of outgoing) this.#send(client, text);
  }

  /** A box was heard of without a reading: told to those who follow it by its id, and to nobody else. */
  presence(num: number): void {
    let text = '';
    for (const client of this.#clients) {
      if (!client.filter.things?.has(num)) continue;
      if (text === '') {
        const thing = this.#context.registry.byNum(num);
        if (!thing) return;
        text = `event: presence\ndata: ${JSON.stringify({ id: thing.id, ...presenceView(this.#context, num) })}\n\n`;
      }
      this.#send(client, text);
    }
  }

  /** Begins to stream; with an id, first what that client missed. Resolves when it is up to date or gone. */
  async join(response: ServerResponse, filter: StreamFilter, lastId: string | null): Promise<void> {
    const client: Client = { filter, response };
    const leave = (): void => {
      this.#joining.delete(client);
      this.#clients.delete(client);
    };
    response.once('close', leave);
    response.once('error', leave);
    this.#joining.add(client);
    const mark = lastId === null ? null : parseEventId(lastId);
    // The id lets a client that was sent nothing yet resume from this moment.
    this.#send(client, `retry: 3000\nid: ${mark && lastId ? lastId : this.#id(this.#context.clock(), this.#last)}\n\n`);
    if (mark) await this.#resume(client, mark);
    if (this.#joining.delete(client)) this.#clients.add(client);
  }

  close(): void {
    clearInterval(this.#heartbeat);
    for (const client of [...this.#clients, ...this.#joining]) client.response.end();
    this.#clients.clear();
    this.#joining.clear();
  }

  /** Column by column by name: a loop over names would look each array up anew for every row. */
  #keep(at: number, rows: ObservationColumns, i: number, now: EpochMs): void {
    const ring = this.#ring;
    ring.datastream[at] = rows.datastream[i] as number;
    ring.phenomenonTime[at] = rows.phenomenonTime[i] as number;
    ring.resultTime[at] = rows.resultTime[i] as number;
    ring.raw[at] = rows.raw[i] as number;
    ring.corrected[at] = rows.corrected[i] as number;
    ring.lo90[at] = rows.lo90[i] as number;
    ring.hi90[at] = rows.hi90[i] as number;
    ring.flag[at] = rows.flag[i] as number;
    ring.reasons[at] = rows.reasons[i] as number;
    ring.level[at] = rows.level[i] as number;
    ring.model[at] = rows.model[i] as number;
    this.#arrived[at] = now;
  }

  /** Cheap tests first: most rows are for nobody. */
  #wants({ properties, things, bbox }: StreamFilter, datastream: number): boolean {
    const num = thingNumOf(datastream);
    return (
      (!properties || properties.has(propertyByNum(datastream % PROPERTY_SLOTS).key)) &&
      (!things || things.has(num)) &&
      (!bbox || this.#context.things.inBbox(num, bbox))
    );
  }

  /** The event of a row; '' when its box is gone. */
  #event(n: number, level: Level, editionAt: ReturnType<typeof editionOf>): string {
    const at = n % this.#ring.length;
    const id = this.#ring.datastream[at] as number;
    const thing = this.#context.things.get(thingNumOf(id));
    if (!thing || thing.retired) return '';
    const [time, known] = [this.#ring.phenomenonTime[at] as number, this.#ring.resultTime[at] as number];
    const edition = editionAt(thingNumOf(id), time, known);
    const text = observationText(propertyByNum(id % PROPERTY_SLOTS), level, rowView(this.#context, this.#ring, at), edition); // prettier-ignore
    return `event: observation\nid: ${this.#id(this.#arrived[at] as number, n)}\ndata: ${thing.head}${text}${thing.tail}\n\n`;
  }

  /** Sends the rows behind the mark; a row that comes in meanwhile is one of them. */
  async #resume(client: Client, mark: { run: string; at: EpochMs; n: number }): Promise<void> {
    this.#context.things.refresh();
    let next = mark.n + 1;
    const kept = (): boolean => next >= this.#last - this.#ring.length + 1 && next <= this.#last + 1;
    if (mark.run === this.#context.run) {
      const edition = editionOf(this.#context);
      let out = '';
      while (kept() && next <= this.#last) {
        const n = next++;
        if (this.#wants(client.filter, this.#ring.datastream[n % this.#ring.length] as number)) {
          out += this.#event(n, client.filter.level, edition);
        }
        if (out.length < BURST) continue;
        if (!(await this.#patient(client, out))) return;
        out = '';
      }
      if (out !== '' && !(await this.#patient(client, out))) return;
      if (kept()) {
        // Rows that came in while the last piece drained.
        if (next <= this.#last) return this.#resume(client, { ...mark, n: next - 1 });
        return;
      }
    }
    // A time that has not come yet was given by a clock that was ahead: it says nothing about what the client has.
    await this.#newest(client, mark.at > this.#context.clock() ? 0 : mark.at);
  }

  /** Too long ago to have every row: the newest of each datastream that changed since, after a word that some are left out. */
  async #newest(client: Client, since: EpochMs): Promise<void> {
    const id = this.#id(this.#context.clock(), this.#last);
    // From here on nothing is missed: live rows go out between the pieces, and each piece shows what is newest then.
    if (this.#joining.delete(client)) this.#clients.add(client);
    const edition = editionOf(this.#context);
    let out = `event: gap\ndata: ${JSON.stringify({ detail: 'rows between were not kept; what follows is the newest of each datastream' })}\n\n`;
    for (let num = 0; num < PROPERTY_SLOTS; num++) {
      const column = this.#context.latest.column(num);
      if (!column) continue;
      const p = propertyByNum(num);
      if (client.filter.properties && !client.filter.properties.has(p.key)) continue;
      for (let slot = 0; slot < column.size; slot++) {
        if ((column.time[slot] as number) < since - LATE) continue;
        const thingNum = column.thing[slot] as number;
        if (!this.#wants(client.filter, datastreamId(thingNum, p.key))) continue;
        const thing = this.#context.things.get(thingNum);
        if (!thing || thing.retired) continue;
        out += `event: observation\ndata: ${thing.head}${observationText(p, client.filter.level, slotView(this.#context, column, slot), edition(thingNum, column.time[slot] as number, column.resultTime[slot] as number))}${thing.tail}\n\n`;
        if (out.length < BURST) continue;
        if (!(await this.#patient(client, out))) return;
        out = '';
      }
    }
    await this.#patient(client, `${out}id: ${id}\n\n`);
  }

  /** Writes and waits until the client has taken it; false when it has gone. */
  async #patient({ response }: Client, text: string): Promise<boolean> {
    if (response.destroyed || response.writableEnded) return false;
    if (response.write(text)) return true;
    await new Promise<void>((resolve) => {
      const done = (): void => {
        response.off('drain', done);
        response.off('close', done);
        resolve();
      };
      response.once('drain', done);
      response.once('close', done);
    });
    return !response.destroyed;
  }

  #id(at: EpochMs, n: number): string {
    return `${this.#context.run}.${at.toString(36)}.${n.toString(36)}`;
  }

  #send(client: Client, text: string): boolean {
    const { response } = client;
    if (response.destroyed || response.writableEnded) return false;
    if (response.writableLength > MAX_WAITING) {
      this.dropped++;
      this.#clients.delete(client);
      response.destroy();
      return false;
    }
    response.write(text);
    return true;
  }
}

/** Rows may become known this much after the moment they are about and still count as news of a gap [ms]. */
const LATE = 15 * 60 * SECOND;
