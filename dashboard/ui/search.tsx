/** Place search as a combobox (ARIA 1.2), and the browser's own position. */
import { useEffect, useId, useRef, useState } from 'preact/hooks';
import towns from 'virtual:towns';
import { t, type Key } from '../i18n/index.ts';
import { table } from '../values/feed.ts';
import { lang } from '../state/app.ts';
import { search, type Hit } from '../places/search.ts';
import type { PlaceRow } from '../places/atlas.ts';

let places: readonly PlaceRow[] = towns;
let villages: Promise<PlaceRow[]> | null = null;
/** The 7,700 villages are fetched when somebody starts to search. */
async function loadVillages(then: () => void): Promise<void> {
  villages ??= import('virtual:villages').then((m) => m.default);
  try {
    places = [...towns, ...(await villages)];
    then();
  } catch {
    villages = null; // Offline: townships are still found, villages with the next try.
  }
}

export function Search({ onPlace, onPosition }: { onPlace: (hit: Hit) => void; onPosition: () => void }) {
  const id = useId();
  const [query, setQuery] = useState('');
  const [open, setOpen] = useState(false);
  const [active, setActive] = useState(0);
  const [, redraw] = useState(0);
  const input = useRef<HTMLInputElement>(null);
  const hits = open ? search(query, lang.value, places, table) : [];
  useEffect(() => setActive(0), [query]);

  const take = (hit: Hit | undefined): void => {
    if (!hit) return;
    setOpen(false);
    setQuery(hit.name);
    onPlace(hit);
  };
  return (
    <div class="search" role="search">
      <label class="hidden" for={`${id}-q`}>
        {t('search.label')}
      </label>
      <svg class="glass" width="18" height="18" viewBox="0 0 20 20" aria-hidden="true">
        <circle cx="8.5" cy="8.5" r="5.5" fill="none" stroke="currentColor" stroke-width="2" />
        <path d="M13 13l5 5" stroke="currentColor" stroke-width="2" stroke-linecap="round" />
      </svg>
      <input
        id={`${id}-q`}
        ref={input}
        type="text"
        role="combobox"
        autocomplete="off"
        spellcheck={false}
        maxLength={60}
        aria-autocomplete="list"
        aria-expanded={open && query.trim() !== ''}
        aria-controls={`${id}-list`}
        {...(open && hits[active] ? { 'aria-activedescendant': `${id}-${active}` } : {})}
        placeholder={t('search.placeholder')}
        value={query}
        onFocus={() => void loadVillages(() => redraw((n) => n + 1))}
        onInput={(e) => {
          setQuery(e.currentTarget.value);
          setOpen(true);
        }}
        onBlur={() => setTimeout(() => setOpen(false), 150)}
        onKeyDown={(e) => {
          if (e.isComposing) return;
          if (e.key === 'ArrowDown' || e.key === 'ArrowUp') {
            e.preventDefault();
            setOpen(true);
            setActive((a) =>
              hits.length === 0 ? 0 : (a + (e.key === 'ArrowDown' ? 1 : hits.length - 1)) % hits.length,
            );
          } else if (e.key === 'Enter') take(hits[active]);
          else if (e.key === 'Escape') setOpen(false);
        }}
      />
      <button
        type="button"
        class="locate"
        onClick={onPosition}
        title={t('position.use')}
        aria-label={t('position.use')}
      >
        <svg width="20" height="20" viewBox="0 0 20 20" aria-hidden="true">
          <circle cx="10" cy="10" r="5.5" fill="none" stroke="currentColor" stroke-width="1.8" />
          <circle cx="10" cy="10" r="1.8" fill="currentColor" />
          <path d="M10 1v3M10 16v3M1 10h3M16 10h3" stroke="currentColor" stroke-width="1.8" stroke-linecap="round" />
        </svg>
      </button>
      <div class="hidden" role="status">
        {open && query.trim() !== ''
          ? hits.length === 0
            ? t('search.none', { q: query })
            : t('search.results', { n: hits.length })
          : ''}
      </div>
      {open && query.trim() !== '' && (
        <ul class="hits" id={`${id}-list`} role="listbox" aria-label={t('search.label')}>
          {hits.map((hit, i) => (
            <li
              key={`${hit.kind}${hit.box}${hit.name}${hit.within}${i}`}
              id={`${id}-${i}`}
              role="option"
              aria-selected={i === active}
              onPointerDown={(e) => {
                e.preventDefault();
                take(hit);
              }}
            >
              <span class="name">{hit.name}</span>
              <span class="within">{hit.within}</span>
              <span class="kind">{t(`search.kind.${hit.kind}` as Key)}</span>
            </li>
          ))}
          {hits.length === 0 && (
            <li role="option" aria-selected="false" aria-disabled="true" class="none">
              {t('search.none', { q: query })}
            </li>
          )}
        </ul>
      )}
    </div>
  );
}
