/**
 * A link to a moment: what it says was shown then, and what the record says now. The link's own figure is the word of whoever
 * made the link; the record is the server's.
 */
import { useEffect, useState } from 'preact/hooks';
import { property } from '../../model/properties.ts';
import { observations, ownLevel, revisionsOf, type Observation, type Revision } from '../values/api.ts';
import { fullTime, num, t, type Key } from '../i18n/index.ts';
import { view } from '../state/app.ts';
import { parseWas } from '../state/url.ts';

export function Evidence({ id, kind }: { id: string; kind: 'box' | 'station' | undefined }) {
  const { time, property: key, was } = view.value;
  const [found, setFound] = useState<
    { raw: Observation | undefined; corrected: Observation | undefined } | 'failed' | null
  >(null);
  useEffect(() => {
    if (time === null) return undefined;
    const abort = new AbortController();
    const at = { from: time, to: time + 1, interval: '' };
    Promise.all([
      observations(id, key, 'raw', at, abort.signal),
      observations(id, key, ownLevel(kind), at, abort.signal),
    ])
      .then(([raw, corrected]) => setFound({ raw: raw[0], corrected: corrected[0] }))
      .catch(() => {
        if (!abort.signal.aborted) setFound('failed');
      });
    return () => abort.abort();
  }, [id, key, time, kind]);
  const [revisions, setRevisions] = useState<readonly Revision[]>([]);
  useEffect(() => {
    setRevisions([]);
    if (time === null) return undefined;
    const abort = new AbortController();
    revisionsOf(id, key, time, abort.signal)
      .then(setRevisions)
      .catch(() => undefined); // A server without a changelog: the two values stand for themselves.
    return () => abort.abort();
  }, [id, key, time]);
  const claim = parseWas(was);
  if (time === null || !claim) return null;
  const p = property(key);
  const value = (x: number | null | undefined): string =>
    x === null || x === undefined ? '—' : `${num(x, p.resolution)} ${p.unitLabel}`;
  const now = found === null || found === 'failed' ? null : found;
  const same = now?.corrected?.value === claim.value && (now.corrected.model || '') === claim.model;
  const edition = (product: string, revision: number): string =>
    product === '' ? '' : t(`edition.${product}` as Key, { n: revision });
  return (
    <section class="evidence">
      <p>{t('evidence.title', { time: fullTime(time) })}</p>
      <dl class="about">
        <div>
          <dt>{t('evidence.then')}</dt>
          <dd>
            <b>{value(claim.value)}</b> {edition(claim.product, claim.revision)} <code>{claim.model}</code>
          </dd>
        </div>
        <div>
          <dt>{t('evidence.now')}</dt>
          <dd>
            {found === 'failed' ? (
              t('panel.failed')
            ) : found === null ? (
              t('panel.loading')
            ) : now?.corrected === undefined ? (
              t('evidence.gone')
            ) : (
              <>
                <b>{value(now.corrected.value)}</b> {edition(now.corrected.product, now.corrected.revision)}{' '}
                <code>{now.corrected.model}</code>
              </>
            )}
          </dd>
        </div>
        <div>
          <dt>{t('evidence.raw')}</dt>
          <dd>{value(now?.raw?.value)}</dd>
        </div>
      </dl>
      {now && (
        <p class="small">{t(same ? 'evidence.same' : now.corrected ? 'evidence.changed' : 'evidence.nothing')}</p>
      )}
      {revisions.length > 0 && (
        <details>
          <summary>{t('evidence.revisions', { n: revisions.length })}</summary>
          <ul class="small">
            {revisions.map((r) => (
              <li key={r.number}>
                {t('evidence.revision', {
                  edition: edition(r.product, r.number),
                  time: fullTime(r.issuedAt),
                })}{' '}
                {r.moved === 0
                  ? t('evidence.unmoved')
                  : t('evidence.moved', {
                      moved: r.moved,
                      values: r.values,
                      mean: value(r.meanShift),
                      max: value(r.maxShift),
                    })}
              </li>
            ))}
          </ul>
        </details>
      )}
    </section>
  );
}
