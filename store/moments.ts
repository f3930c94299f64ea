/** Raw values by datastream and time: what a store holds already, against which a batch is judged. */
export class Moments {
  readonly #values = new Map<number, Map<number, number>>();

  get(datastream: number, time: number): number | undefined {
    return this.#values.get(datastream)?.get(time);
  }

  set(datastream: number, time: number, raw: number): void {
    let series = this.#values.get(datastream);
    if (!series) this.#values.set(datastream, (series = new Map()));
    series.set(time, raw);
  }

  /** Only where nothing is known yet. */
  add(datastream: number, time: number, raw: number): void {
    if (this.get(datastream, time) === undefined) this.set(datastream, time, raw);
  }
}
