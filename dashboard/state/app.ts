/** The state of the page as signals, kept in step with the address bar. */
import { computed, signal } from '@preact/signals';
import { property } from '../../model/properties.ts';
import { palette, SCALES } from '../scales/scales.ts';
import type { DataLevel } from '../values/table.ts';
import { formatView, LANGS, parseView, START, type Lang, type ViewState } from './url.ts';

const scaleIds = SCALES.map((s) => s.id);
const first = parseView(location.search, scaleIds);

export const view = signal<ViewState>(first.view);
/** Parts of the address that were not understood; shown once, then cleared. */
export const ignored = signal<readonly string[]>(first.ignored);

function remembered(key: string): string | null {
  try {
    return localStorage.getItem(key);
  } catch {
    return null; // Storage may be switched off; then nothing is remembered.
  }
}
export function remember(key: string, value: string): void {
  try {
    localStorage.setItem(key, value);
  } catch {
    return;
  }
}

const preferred = (): Lang => {
  const kept = LANGS.find((l) => l === remembered('lamppost.lang'));
  return kept ?? (navigator.languages.some((l) => l.toLowerCase().startsWith('zh')) ? 'zh-TW' : 'en');
};
const fallback = preferred();
export const lang = computed<Lang>(() => view.value.lang ?? fallback);

export const currentProperty = computed(() => property(view.value.property));
export const currentPalette = computed(() =>
  palette(view.value.scale, view.value.property, view.value.level === 'difference', view.value.safe),
);
export const dataLevels = computed<readonly DataLevel[]>(() =>
  view.value.level === 'corrected' ? ['corrected'] : ['corrected', 'raw'],
);

/** On pages other than the map the address holds other things. */
const onMap = (): boolean => location.pathname === '/' || location.pathname.startsWith('/embed/map');

/** Changes the view; `push` makes a step for the back button, otherwise the address is corrected in place. */
export function go(change: Partial<ViewState>, push = true): void {
  view.value = { ...view.value, ...change };
  if (!onMap()) {
    if ('lang' in change) {
      const url = new URL(location.href);
      if (change.lang) url.searchParams.set('lang', change.lang);
      history.replaceState(null, '', url);
    }
    return;
  }
  const url = location.pathname + formatView(view.value);
  if (url === location.pathname + location.search) return;
  if (push) history.pushState(null, '', url);
  else history.replaceState(null, '', url);
}

addEventListener('popstate', () => {
  if (!onMap()) return;
  const parsed = parseView(location.search, scaleIds);
  view.value = parsed.view;
  ignored.value = parsed.ignored;
});

/** Address of the map with a change, for links. */
export const mapHref = (change: Partial<ViewState>): string =>
  `/${formatView({ ...START, lang: view.value.lang, ...change })}`;
