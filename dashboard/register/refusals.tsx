/** What was refused, in words: the same fault once, however often it came. */
import { clock } from '../i18n/index.ts';
import { isVKey, v } from '../i18n/volunteers.ts';
import { lang } from '../state/app.ts';

export interface Refusal {
  readonly id: number;
  readonly receivedAt: string;
  readonly topic: string;
  readonly thing?: string | null;
  readonly code: string;
  /** The server's words, in English. */
  readonly detail: string;
  readonly payload: string;
}

/** Newest first; those of one box and one code together. */
export function grouped(refusals: readonly Refusal[]): { readonly newest: Refusal; readonly count: number }[] {
  const groups = new Map<string, { newest: Refusal; count: number }>();
  for (const r of refusals) {
    const key = `${r.thing ?? ''} ${r.code}`;
    const group = groups.get(key);
    if (group) group.count++;
    else groups.set(key, { newest: r, count: 1 });
  }
  return [...groups.values()];
}

/** `nameOf`: for a list of many boxes, which one it is about. */
export function Refusals({ refusals, nameOf }: { refusals: readonly Refusal[]; nameOf?: (id: string) => string }) {
  const english = lang.value === 'en';
  return (
    <ul class="refused">
      {grouped(refusals).map(({ newest: r, count }) => {
        const key = `fix.${r.code}`;
        return (
          <li key={r.id}>
            <p>
              <b>{isVKey(key) ? v(key) : v('fix.other')}</b>
            </p>
            <p class="small">
              {nameOf && r.thing && (
                <>
                  <a href={`/boxes/${r.thing}?lang=${lang.value}`}>
                    <bdi>{nameOf(r.thing)}</bdi>
                  </a>
                  {' · '}
                </>
              )}
              {clock(Date.parse(r.receivedAt))}
              {count > 1 && ` · ${v('fix.times', { n: count })}`}
              {english && ` · ${r.detail}`}
            </p>
            <details>
              <summary>{v('alive.what')}</summary>
              <p class="small">
                <code>{r.topic}</code>
              </p>
              <pre tabIndex={0}>{r.payload.slice(0, 600)}</pre>
              <p class="small">
                {!english && `${v('fix.words')} `}
                <code>{r.code}</code>
                {!english && <span lang="en"> {r.detail}</span>}
              </p>
            </details>
          </li>
        );
      })}
    </ul>
  );
}
