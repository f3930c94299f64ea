/** The one sentence. */
import type { ComponentChildren } from 'preact';
import { property } from '../../model/properties.ts';
import { glance } from '../values/glance.ts';
import { loaded, table, tableVersion } from '../values/feed.ts';
import { ago, dayAndClock, distance, num, t, words, type Key } from '../i18n/index.ts';
import { inkOn, palette, scalesFor } from '../scales/scales.ts';
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

const lower = (word: string): string => word.charAt(0).toLowerCase() + word.slice(1);

export function Glance({ focus, onBoxes }: { focus: Focus | null; onBoxes: (rows: readonly number[]) => void }) {
  void tableVersion.value;
  const now = view.value.time ?? minute.value;
  const p = property(view.value.property);
  if (!loaded.value) return <Card sentence={t('glance.loading')} />;
  if (!focus) return <Card sentence={t('glance.zoomed')} />;
  const pal = worded();
  const g = glance(table, focus.lat, focus.lon, now, pal);
  if (!g) return <Card sentence={t('glance.none', { place: focus.name })} sub={t('glance.none.sub')} />;
  const at = pal.classes[g.classAt];
  const name = at ? words(at.name) : '';
  const say =
    name === ''
      ? t('glance.say.plain', {
          place: focus.name,
          property: words(p.name),
          value: `${num(g.value, p.resolution)} ${p.unitLabel}`,
        })
      : t('glance.say', { place: focus.name, class: lower(name) });
  const other = pal.classes[g.otherClass];
  const advice = ['tw_aqi', 'us_aqi'].includes(pal.scale.id) ? t(`advice.${g.classAt}` as Key) : '';
  const whole = Math.abs(g.value) >= 10 ? 1 : p.resolution;
  return (
    <Card
      sentence={say}
      colour={at?.color ?? ''}
      value={num(g.value, whole)}
      unit={p.unitLabel}
      first={
        <>
          {view.value.time !== null && <p>{t('time.frame', { time: dayAndClock(now) })}</p>}
          {advice !== '' && <p class="advice">{advice}</p>}
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
        {t('glance.from', {
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
      {name !== '' && <p class="small">{t('glance.latest')}</p>}
    </Card>
  );
}

interface CardProps {
  readonly sentence: string;
  readonly sub?: string;
  readonly colour?: string;
  readonly value?: string;
  readonly unit?: string;
  readonly first?: ComponentChildren;
  readonly children?: ComponentChildren;
}

function Card({ sentence, sub, colour = '', value, unit, first, children }: CardProps) {
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
        <details class="more" open={matchMedia('(min-width: 760px) and (min-height: 900px)').matches}>
          <summary>{t('glance.which.more')}</summary>
          {children}
        </details>
      )}
    </section>
  );
}
