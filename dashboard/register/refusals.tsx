/** What was refused, in words: the same fault once, however often it came. */
import { dayAndClock } from '../i18n/index.ts';
import { isVKey, v } from '../i18n/volunteers.ts';
import { lang } from '../state/app.ts';
import { call } from './calls.ts';
import { grouped, split, type Refusal, type Split } from './refused.ts';

/** What was refused of one box; for its owner. @throws Refused */
export async function refusalsOf(id: string, token: string, limit: number): Promise<Split> {
  const [{ items }, { lastSeen }] = await Promise.all([
    call<{ items: Refusal[] }>('GET', `rejects?box=${id}&limit=${limit}`, token),
    call<{ lastSeen: string | null }>('GET', `boxes/${id}`, ''),
  ]);
  return split(items, () => lastSeen);
}

/** What is wrong now in full, what has been put right folded away below. */
export function RefusalHistory({ found, nameOf }: { found: Split; nameOf?: (id: string) => string }) {
  const { current, past } = found;
  const names = nameOf ? { nameOf } : {};
  return (
    <>
      {current.length > 0 ? (
        <Refusals refusals={current} {...names} />
      ) : (
        <p>{v(past.length > 0 ? 'own.rejects.right' : 'own.rejects.none')}</p>
      )}
      {past.length > 0 && (
        <details class="past">
          <summary>{v('own.rejects.past', { n: past.length })}</summary>
          <Refusals refusals={past} {...names} />
        </details>
      )}
    </>
  );
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
              {dayAndClock(Date.parse(r.receivedAt))}
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
