/** What the nights say of the boxes in sight: health score and site class, for the layer of those who look after them. */
import { signal } from '@preact/signals';
import { get } from './api.ts';
import { nearBox } from './near.ts';

export interface Judged {
  readonly score: number;
  /** '' = nothing to say of the place. */
  readonly siteClass: '' | 'indoor' | 'near_source';
  readonly words: { readonly zh: string; readonly en: string };
}

/** By id; grows while the map is moved. */
export const judged = signal<ReadonlyMap<string, Judged>>(new Map());

let asked = '';
let abort = new AbortController();

/** Asks for the boxes in sight; a square of too many boxes is not answered, then the live state stands alone. */
export async function judge(
  at: { readonly lat: number; readonly lon: number; readonly zoom: number },
  width: number,
  height: number,
): Promise<void> {
  const bbox = nearBox(at, width, height, asked);
  if (bbox === asked || bbox === '') return;
  asked = bbox;
  abort.abort();
  abort = new AbortController();
  const { signal: mine } = abort;
  try {
    const answer = await get<{ items: (Judged & { id: string })[] }>(
      `/api/v1/quality?bbox=${encodeURIComponent(bbox)}`,
      mine,
    );
    const all = new Map(judged.value);
    for (const { id, score, siteClass, words } of answer.items) all.set(id, { score, siteClass, words });
    judged.value = all;
  } catch {
    if (!mine.aborted) asked = ''; // Asked again with the next move.
  }
}

/** Below this a box wants a look (its parts: flags, correlation with neighbours, completeness, drift). */
export const LOW_SCORE = 60;
