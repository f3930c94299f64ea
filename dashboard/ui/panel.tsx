/** What one box or station says, and why. */
import { useEffect, useRef, useState } from 'preact/hooks';
import { isPropertyKey, property } from '../../model/properties.ts';
import { details, HttpError, observations, ownLevel, type BoxDetails } from '../values/api.ts';
import { HOUR } from '../../model/time.ts';
import { table, tableVersion } from '../values/feed.ts';
import { KIND } from '../values/table.ts';
import { ago, day, fullTime, clock, num, t, words, type Key } from '../i18n/index.ts';
import { inkOn, classOf } from '../scales/scales.ts';
import { currentPalette, go, lang, mapHref, view } from '../state/app.ts';
import { minute } from '../state/time.ts';
import { formatWas, MAX_COMPARE } from '../state/url.ts';
import { rowView } from '../map/marks.ts';
import { Evidence } from './evidence.tsx';
import { History } from './history.tsx';
import { Why } from './why.tsx';

/** The current value, large, with its interval; or in words why there is none. */
export function Now({ row }: { row: number }) {
  void tableVersion.value;
  const at = view.value.time ?? minute.value;
  const level = view.value.level;
  const p = property(view.value.property);
  const v = rowView(table, row, level, at);
  const pal = currentPalette.value;
  const shown = v.status === 'ok' || v.status === 'suspect';
  const c = shown ? pal.classes[classOf(pal, v.value)] : undefined;
  const station = table.kind[row] === KIND.station;
  return (
    <div class={`now ${v.status}`}>
      <div class="coin big" style={c ? { background: c.color, color: inkOn(c.color) } : {}}>
        <b>{shown ? num(v.value, p.resolution) : '—'}</b>
        <small>{p.unitLabel}</small>
      </div>
      <div>
        <p class="what">
          {words(p.name)}・{station ? t('panel.station') : t(`level.${level}` as Key)}
          {c && words(c.name) !== '' && <strong> {words(c.name)}</strong>}
        </p>
        <p>
          {v.status === 'silent'
            ? Number.isNaN(v.time)
              ? t('panel.novalue')
              : t('panel.silent', { age: ago(at - v.time) })
            : v.status === 'uncorrected'
              ? t('panel.uncorrected')
              : v.status === 'refused'
                ? t('panel.novalue')
                : Number.isNaN(v.lo90)
                  ? t('panel.nointerval')
                  : t('panel.interval', { lo: num(v.lo90, p.resolution), hi: num(v.hi90, p.resolution) })}
        </p>
        {!Number.isNaN(v.time) && (
          <p class="small">
            {station
              ? t('panel.hour', { time: clock(v.time) })
              : t('panel.measured', { time: clock(v.time), age: ago(at - v.time) })}
          </p>
        )}
      </div>
    </div>
  );
}

export function useDetails(
  id: string,
  kind: 'box' | 'station' | undefined,
): { details: BoxDetails | null; problem: 'missing' | 'failed' | null; retry: () => void } {
  const [state, setState] = useState<{ id: string; details: BoxDetails | null; problem: 'missing' | 'failed' | null }>({
    id,
    details: null,
    problem: null,
  });
  const [attempt, setAttempt] = useState(0);
  useEffect(() => {
    const abort = new AbortController();
    details(id, kind, abort.signal)
      .then((d) => setState({ id, details: d, problem: null }))
      .catch((error: unknown) => {
        if (abort.signal.aborted) return;
        setState({
          id,
          details: null,
          problem: error instanceof HttpError && error.status === 404 ? 'missing' : 'failed',
        });
      });
    return () => abort.abort();
  }, [id, attempt]);
  return { ...(state.id === id ? state : { details: null, problem: null }), retry: () => setAttempt((n) => n + 1) };
}

/** How the number on show was made, out of the table (live) and the box's own answer. */
export function Story({ row }: { row: number }) {
  void tableVersion.value;
  const c = table.levels.corrected;
  const key = view.value.property;
  const id = table.ids[row] as string;
  const time = c.time[row] ?? NaN;
  const [raw, setRaw] = useState<{ of: string; value: number | null }>({ of: '', value: null });
  const of = `${id} ${key} ${time}`;
  useEffect(() => {
    if (Number.isNaN(time)) return undefined;
    const abort = new AbortController();
    // The raw value of the same moment: levels are never mixed up across times.
    observations(id, key, 'raw', { from: time, to: time + 1, interval: '' }, abort.signal)
      .then((list) => setRaw({ of, value: list[0]?.value ?? null }))
      .catch(() => undefined); // The step then says that the raw value is not at hand.
    return () => abort.abort();
  }, [of]);
  const number = (x: number | undefined): number | null => (x === undefined || Number.isNaN(x) ? null : x);
  const model = c.model[row] ?? '';
  return (
    <Why
      story={{
        property: key,
        kind: table.kind[row] === KIND.station ? 'station' : 'box',
        raw: raw.of === of ? raw.value : null,
        corrected: number(c.value[row]),
        lo90: number(c.lo90[row]),
        hi90: number(c.hi90[row]),
        flag: c.flag[row] ?? 2,
        reasons: (c.reasons[row] ?? '').split(';').filter(Boolean),
        model,
        correctionLevel: /^L[0-5]/.exec(c.level[row] ?? '')?.[0] ?? '',
      }}
    />
  );
}

export function About({ d }: { d: BoxDetails }) {
  const since = d.places?.at(-1)?.from;
  const rows: [Key, preact.ComponentChildren][] = [
    ['panel.sensors', (d.sensors ?? []).join(t('list.comma'))],
    ['panel.project', d.project ?? ''],
    ['panel.licence', d.licenceDetail ? <a href={d.licenceDetail.url}>{d.licenceDetail.name}</a> : (d.licence ?? '')],
    ['panel.attribution', d.attribution ?? ''],
    ['panel.since', since ? day(Date.parse(since)) : ''],
    ['panel.native', d.nativeId],
    ['panel.id', <code>{d.id}</code>],
  ];
  return (
    <dl class="about">
      {rows
        .filter(([, value]) => value !== '' && value !== null && value !== undefined)
        .map(([key, value]) => (
          <div key={key}>
            <dt>{t(key)}</dt>
            <dd>{value}</dd>
          </div>
        ))}
    </dl>
  );
}

export function kindWords(kind: 'box' | 'station', claimed: boolean, exposure: string): string {
  const first = kind === 'station' ? t('panel.station') : claimed ? t('panel.box') : t('panel.box.unclaimed');
  const where = (['indoor', 'outdoor', 'mobile'] as const).find((e) => e === exposure);
  return kind === 'station' ? first : `${first}・${t(`panel.${where ?? 'unknown'}` as Key)}`;
}

export function Panel({ id, place, onClose }: { id: string; place: string; onClose: () => void }) {
  void tableVersion.value;
  const row = table.row(id);
  const kind = row < 0 ? undefined : table.kind[row] === KIND.station ? 'station' : 'box';
  const { details: d, problem, retry } = useDetails(id, kind);
  const [copied, setCopied] = useState(false);
  const [link, setLink] = useState('');
  useEffect(() => {
    setCopied(false);
    setLink('');
  }, [id, view.value.property, view.value.time]);
  const heading = useRef<HTMLHeadingElement>(null);
  // Keyboard and screen reader land where the news is.
  useEffect(() => heading.current?.focus({ preventScroll: true }), [id]);
  const share = async (): Promise<void> => {
    try {
      const made = await shareLink(id, kind);
      setLink(made);
      await navigator.clipboard?.writeText(made);
      setCopied(true);
    } catch {
      setCopied(false); // Without the right to write to the clipboard the link stands there to be copied by hand.
    }
  };
  const compared = view.value.compare.includes(id);
  const name = d?.name || (row >= 0 ? table.names[row] : '') || id;
  const others = (d?.properties ?? []).filter((k) => k !== view.value.property && isPropertyKey(k));
  return (
    <aside
      class="panel"
      aria-labelledby="panel-name"
      onKeyDown={(e) => {
        if (e.key === 'Escape') onClose();
      }}
    >
      <div class="grip" aria-hidden="true" />
      <header>
        <div>
          <p class="kind">{[d ? kindWords(d.kind, d.claimed, d.exposure) : '', place].filter(Boolean).join('・')}</p>
          <h2 id="panel-name" ref={heading} tabIndex={-1}>
            <bdi>{problem === 'missing' ? t('panel.notfound', { id }) : name}</bdi>
          </h2>
        </div>
        <button type="button" class="close" onClick={onClose} aria-label={t('panel.close')}>
          ×
        </button>
      </header>
      {problem === 'failed' && (
        <p role="alert">
          {t('panel.failed')}{' '}
          <button type="button" class="link" onClick={retry}>
            {t('panel.again')}
          </button>
        </p>
      )}
      {problem !== 'missing' && (
        <>
          <Evidence id={id} kind={kind} />
          {row >= 0 && <Now row={row} />}
          {d && (
            <History
              id={id}
              property={view.value.property}
              now={view.value.time ?? minute.value}
              station={d.kind === 'station'}
            />
          )}
          {row >= 0 && <Story row={row} />}
          {others.length > 0 && (
            <section class="others">
              <h3>{t('panel.other')}</h3>
              <p>
                {others.filter(isPropertyKey).map((k) => (
                  <button key={k} type="button" class="chip" onClick={() => go({ property: k })}>
                    {words(property(k).name)}
                  </button>
                ))}
              </p>
            </section>
          )}
          {d && (
            <section>
              <h3>{t('panel.about')}</h3>
              <About d={d} />
            </section>
          )}
          <p class="actions">
            <a class="button" href={`/boxes/${id}?lang=${lang.value}&p=${view.value.property}`}>
              {t('panel.page')}
            </a>
            <button
              type="button"
              class="button quiet"
              disabled={compared || view.value.compare.length >= MAX_COMPARE}
              onClick={() => go({ compare: [...view.value.compare, id] })}
            >
              {t(compared ? 'panel.compared' : 'panel.compare')}
            </button>
            <button
              type="button"
              class="button quiet"
              onClick={() => {
                void share();
              }}
            >
              {t(copied ? 'panel.shared' : 'panel.share')}
            </button>
          </p>
          {link !== '' && (
            <label class="field">
              <span>{t('panel.evidence')}</span>
              <input type="text" readOnly value={link} onFocus={(e) => e.currentTarget.select()} />
            </label>
          )}
          <p class="small">{fullTime(minute.value)}</p>
        </>
      )}
    </aside>
  );
}

/**
 * A link that fixes the moment: time, value, model and edition as the record has them now, so that a later change can be seen.
 * While the past is looked at, the reading nearest to that moment within its hour.
 */
async function shareLink(id: string, kind: 'box' | 'station' | undefined): Promise<string> {
  const { property: key, time } = view.value;
  const row = table.row(id);
  const at = time ?? (row < 0 ? NaN : (table.levels.corrected.time[row] ?? NaN));
  if (Number.isNaN(at)) return location.href;
  const hour = Math.floor(at / HOUR) * HOUR;
  const span = time === null ? { from: at, to: at + 1, interval: '' } : { from: hour, to: hour + HOUR, interval: '' };
  const list = (await observations(id, key, ownLevel(kind), span)).filter((o) => o.value !== null);
  const nearest = list.sort((a, b) => Math.abs(a.time - at) - Math.abs(b.time - at))[0];
  if (!nearest) return location.href;
  const { value, model, product, revision } = nearest;
  const digits = Math.max(0, Math.round(-Math.log10(property(key).resolution)));
  const was = formatWas({ value: Number((value as number).toFixed(digits)), model, product, revision });
  return `${location.origin}${mapHref({ ...view.value, box: id, time: nearest.time, was })}`;
}
