/**
 * A broker in a process of its own (`--roles broker`) and the rest of the server see different things: boxes say `online` to the one,
 * keys end in the other. They tell each other through the local sockets in the data folder (control.ts).
 */
import { askServer } from './control.ts';

/** Statuses in one request: 300 ids of 40 characters are far below what a line may hold. */
const AT_ONCE = 300;
/** How many boxes' words are kept, as in api/presence.ts. */
const MAX_KEPT = 200_000;
/** How often the rest is told what is new, and asked whether it is a new process that knows nothing yet [ms]. */
export const TELL_EVERY = 1000;

/** [box id, 'online' | 'offline' | ''] */
type Said = readonly [string, string];

export class StatusTeller {
  readonly #path: string;
  /** The last word of each box, and those not told yet. */
  readonly #said = new Map<string, string>();
  readonly #untold = new Set<string>();
  #listener: number | null = null;

  constructor(controlPath: string) {
    this.#path = controlPath;
  }

  note(box: string, status: string): void {
    const plain = status.trim().toLowerCase();
    this.#said.delete(box);
    this.#said.set(box, plain === 'online' || plain === 'offline' ? plain : '');
    this.#untold.add(box);
    if (this.#said.size <= MAX_KEPT) return;
    const oldest = this.#said.keys().next().value as string;
    this.#said.delete(oldest);
    this.#untold.delete(oldest);
  }

  /** Tells what is new; all of it to a process that has just started. Call every second. @throws Error when it is refused */
  async tell(): Promise<void> {
    do {
      const some = [...this.#untold].slice(0, AT_ONCE);
      const statuses = some.map((box): Said => [box, this.#said.get(box) ?? '']);
      const answer = await askServer(this.#path, { command: 'box-status', statuses });
      if (!answer) return;
      // What a box said meanwhile is told the next time.
      for (const [box, status] of statuses) if (this.#said.get(box) === status) this.#untold.delete(box);
      const { pid } = answer.result as { pid: number };
      if (pid !== this.#listener && this.#listener !== null) for (const box of this.#said.keys()) this.#untold.add(box);
      this.#listener = pid;
    } while (this.#untold.size > 0);
  }
}

/** @throws Error when the request holds no such list */
export function saidIn(statuses: unknown): Said[] {
  const right = (s: unknown): s is Said => Array.isArray(s) && typeof s[0] === 'string' && typeof s[1] === 'string';
  if (!Array.isArray(statuses) || !statuses.every(right)) throw new Error('statuses: pairs of box id and word');
  return statuses;
}
