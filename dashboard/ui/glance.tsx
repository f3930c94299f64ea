/** The one sentence. */
import type { ComponentChildren } from 'preact';
import { useEffect, useState } from 'preact/hooks';
import { property } from '../../model/properties.ts';
import { HOUR } from '../../model/time.ts';
import { glance } from '../values/glance.ts';
import { loadLately, since, trend, type Lately } from '../values/lately.ts';
import { loaded, table, tableVersion } from '../values/feed.ts';
import { ago, clock, dayAndClock, distance, notBelowZero, num, t, words, type Key } from '../i18n/index.ts';
import { classOf, inkOn, palette, scalesFor, type Palette } from '../scales/scales.ts';
import { view } from '../state/app.ts';
import { minute } from '../state/time.ts';

export interface Focus {
  readonly lat: number;
  readonly lon: number;
  readonly name: string;
}

/** A scale with words for this quantity: the chosen one, else the first that has any. */
function worded() {
  const { property: key, scale, safe } = view.value;
  const ids = [scale, ...scalesFor(key).map((s) => s.id)];
  for (const id of ids) {
    const p = palette(id, key, false, safe);
    if (p.classes[0]?.name.zh) return p;
  }
  return palette('plain', key, false, safe);
}

/** The day before, asked for when the place rests. */
const SETTLE_MS = 700;
function useLately(focus: Focus | null): Lately | null {
  const { property: key, level, time } = view.value;
  const wanted = focus && time === null && level !== 'difference';
  const of = wanted
    ? `${key} ${level} ${focus.lat.toFixed(2)} ${focus.lon.toFixed(2)} ${Math.floor(minute.value / HOUR)}`
    : '';
  const [found, setFound] = useState<{ of: string; lately: Lately } | null>(null);
  useEffect(() => {
    if (of === '' || !focus || !loaded.value) return undefined;
    const abort = new AbortController();
    const timer = setTimeout(() => {
      loadLately(table, key, level === 'raw' ? 'raw' : 'corrected', focus.lat, focus.lon, Date.now(), abort.signal)
        .then((lately) => setFound({ of, lately }))
        .catch(() => undefined); // The sentence stands without its past.
    }, SETTLE_MS);
    return () => {
      clearTimeout(timer);
      abort.abort();
    };
  }, [of, loaded.value]);
  return found && found.of === of ? found.lately : null;
}

/** A bar an hour, in the colours of the scale. */
function Day({ lately, pal, resolution, unit }: { lately: Lately; pal: Palette; resolution: number; unit: string }) {
  const known = lately.means.filter((m) => !Number.isNaN(m));
  if (known.length < 4) return null;
  const [min, max] = [Math.min(...known), Math.max(...known)];
  const when = (x: number): string => clock(lately.start + lately.means.indexOf(x) * HOUR);
  const said = t('glance.day', {
    min: num(min, resolution),
    mintime: when(min),
    max: num(max, resolution),
    maxtime: when(max),
    unit,
  });
  const [w, h] = [13, 40];
  const low = Math.min(0, min);
  const top = Math.max(max * 1.1, low + 1);
  return (
    <figure class="day24">
      <svg viewBox={`0 0 ${lately.means.length * w} ${h}`} role="img" aria-label={said} preserveAspectRatio="none">
        {lately.means.map((m, i) => {
          if (Number.isNaN(m)) return null;
          const height = Math.max(2, ((m - low) / (top - low)) * h);
          return (
            <rect
              key={i}
              x={i * w + 1}
              y={h - height}
              width={w - 2}
              height={height}
              fill={pal.classes[classOf(pal, m)]?.color}
            />
          );
        })}
      </svg>
      <figcaption class="small">{said}</figcaption>
    </figure>
  );
}

const lower = (word: string): string => word.charAt(0).toLowerCase() + word.slice(1);

export function Glance({
  focus,
  brief,
  onBoxes,
}: {
  focus: Focus | null;
  /** Another card of the page wants the room. */
  brief: boolean;
  onBoxes: (rows: readonly number[]) => void;
}) {
  void tableVersion.value;
  const now = table.past?.time ?? view.value.time ?? minute.value;
  const p = property(view.value.property);
  const lately = useLately(focus);
  if (!loaded.value) return <Card sentence={t('glance.loading')} />;
  if (!focus) return <Card sentence={t('glance.zoomed')} />;
  const pal = worded();
  const g = glance(table, focus.lat, focus.lon, now, pal);
  if (!g) return <Card sentence={t('glance.none', { place: focus.name })} sub={t('glance.none.sub')} />;
  const at = pal.classes[g.classAt];
  const shown = notBelowZero(g.value, p.key);
  const name = at ? words(at.name) : '';
  const say =
    name === ''
      ? t('glance.say.plain', {
          place: focus.name,
          property: words(p.name),
          value: `${num(shown, p.resolution)} ${p.unitLabel}`,
        })
      : t('glance.say', { place: focus.name, class: lower(name) });
  const other = pal.classes[g.otherClass];
  const advice = ['tw_aqi', 'us_aqi'].includes(pal.scale.id) ? t(`advice.${g.classAt}` as Key) : '';
  const whole = Math.abs(g.value) >= 10 ? 1 : p.resolution;
  const from = lately && name !== '' ? since(lately, pal, g.classAt) : null;
  const going = lately ? trend(lately, g.value, p.resolution * 30) : null;
  return (
    <Card
      sentence={say}
      brief={brief}
      colour={at?.color ?? ''}
      value={num(shown, whole)}
      unit={p.unitLabel}
      first={
        <>
          {view.value.time !== null && <p>{t('time.frame', { time: dayAndClock(now) })}</p>}
          {advice !== '' && <p class="advice">{advice}</p>}
          {(from !== null || going !== null) && (
            <p class="since">
              {from !== null && (from.whole ? t('glance.since.day') : t('glance.since', { time: clock(from.time) }))}{' '}
              {going !== null && t(`glance.${going}` as Key)}
            </p>
          )}
          <p class={`sure ${g.sure}`}>
            <span class="bars" aria-hidden="true">
              <i />
              <i />
              <i />
            </span>
            {t(`glance.sure.${g.sure}` as Key, {
              other: other ? lower(words(other.name)) || num(other.to, 1) : '',
            })}
          </p>
        </>
      }
    >
      <p>
        {t('glance.value', {
          property: words(p.name),
          value: num(g.value, whole),
          lo: num(Math.max(p.gross[0], g.lo), whole),
          hi: num(g.hi, whole),
          unit: p.unitLabel,
        })}
      </p>
      <p class="from">
        {t(view.value.time === null ? 'glance.from' : 'glance.from.past', {
          radius: distance(g.radiusM),
          boxes: g.boxes,
          stations: g.stations,
          newest: ago(now - g.newest),
          oldest: ago(now - g.oldest),
        })}{' '}
        <button type="button" class="link" onClick={() => onBoxes(g.rows)}>
          {t('glance.which')}
        </button>
      </p>
      {lately && <Day lately={lately} pal={pal} resolution={whole} unit={p.unitLabel} />}
      {name !== '' && <p class="small">{t('glance.latest')}</p>}
    </Card>
  );
}

interface CardProps {
  readonly sentence: string;
  readonly sub?: string;
  readonly brief?: boolean;
  readonly colour?: string;
  readonly value?: string;
  readonly unit?: string;
  readonly first?: ComponentChildren;
  readonly children?: ComponentChildren;
}

function Card({ sentence, sub, brief = false, colour = '', value, unit, first, children }: CardProps) {
  return (
    <section class="glance card" aria-label={t('glance.title')}>
      <div class="say">
        {value !== undefined && (
          <div class="coin" style={{ background: colour, color: inkOn(colour) }}>
            <b>{value}</b>
            <small>{unit}</small>
          </div>
        )}
        <h1>{sentence}</h1>
      </div>
      {sub && <p>{sub}</p>}
      {first}
      {children && (
        <details
          key={String(brief)}
          class="more"
          open={!brief && matchMedia('(min-width: 760px) and (min-height: 900px)').matches}
        >
          <summary>{t('glance.which.more')}</summary>
          {children}
        </details>
      )}
    </section>
  );
}
