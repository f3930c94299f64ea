/**
 * The cards of correction models, one file a model: what it was fitted on, its coefficients, how well it did. A model never
 * changes, so a card is written once.
 */
import { mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

/** Ids are hashes or names of published equations; anything else is no file name of ours. */
const ID = /^[a-z0-9][a-z0-9.+-]{0,80}$/;

export function modelCardKeeper(folder: string): (cards: readonly { readonly id: string }[]) => void {
  const kept = new Set<string>();
  return (cards) => {
    // The list grows at its end and is cut at its front: whatever is new stands behind everything known.
    for (let i = cards.length - 1; i >= 0; i--) {
      const card = cards[i] as { readonly id: string };
      if (kept.has(card.id)) break;
      kept.add(card.id);
      if (!ID.test(card.id)) continue;
      mkdirSync(folder, { recursive: true });
      const file = join(folder, `${card.id}.json`);
      writeFileSync(`${file}.new`, `${JSON.stringify(card, null, 1)}\n`);
      renameSync(`${file}.new`, file);
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
