/**
 * The cards of correction models, one file a model: what it was fitted on, its coefficients, how well it did, and the version of the code that
 * made it (`code`): with that anybody can work out a card's id, the SHA-256 of the rest. A model never changes, so a card is written once.
 */
import { existsSync, mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { CODE_VERSION } from '../calibration/correction/models.ts';

/** Ids are hashes or names of published equations; anything else is no file name of ours. */
const ID = /^[a-z0-9][a-z0-9.+-]{0,80}$/;

/** `onNew` hears of each card once, also over restarts, in the order they were made. */
export function modelCardKeeper<Card extends { readonly id: string }>(
  folder: string,
  onNew: (card: Card) => void = () => undefined,
): (cards: readonly Card[]) => void {
  const kept = new Set<string>();
  return (cards) => {
    // The list grows at its end and is cut at its front: whatever is new stands behind everything known.
    let first = cards.length;
    while (first > 0 && !kept.has((cards[first - 1] as Card).id)) first--;
    for (const card of cards.slice(first)) {
      kept.add(card.id);
      if (!ID.test(card.id)) continue;
      const file = join(folder, `${card.id}.json`);
      if (existsSync(file)) continue;
      mkdirSync(folder, { recursive: true });
      writeFileSync(`${file}.new`, `${JSON.stringify({ ...card, code: CODE_VERSION }, null, 1)}\n`);
      renameSync(`${file}.new`, file);
      onNew(card);
    }
  };
}

/** null = no card of that id is kept. */
export function readModelCard(folder: string, id: string): Record<string, unknown> | null {
  if (!ID.test(id)) return null;
  try {
    return JSON.parse(readFileSync(join(folder, `${id}.json`), 'utf8')) as Record<string, unknown>;
  } catch {
    return null;
  }
}
