/** Names of correction models by the number that rows carry. */
import type { ObservationStore } from '../store/store.ts';

export class ModelNames {
  readonly #store: Pick<ObservationStore, 'models'>;
  #names: readonly string[] = [];
  #asking: Promise<void> | null = null;

  constructor(store: Pick<ObservationStore, 'models'>) {
    this.#store = store;
  }

  /** '' = none, or not known before `learn` has resolved. */
  name(num: number): string {
    return num === 0 ? '' : (this.#names[num - 1] ?? '');
  }

  knows(nums: Int32Array, length = nums.length): boolean {
    for (let i = 0; i < length; i++) if ((nums[i] as number) > this.#names.length) return false;
    return true;
  }

  /** Asks the store; several callers at once share one question. */
  learn(): Promise<void> {
    this.#asking ??= this.#store
      .models()
      .then((names) => {
        this.#names = names;
        return undefined;
      })
      .finally(() => {
        this.#asking = null;
      });
    return this.#asking;
  }

  async all(): Promise<readonly string[]> {
    await this.learn();
    return this.#names;
  }
}
