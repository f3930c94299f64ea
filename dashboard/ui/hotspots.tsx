/** Where is the purple panther: the hot spots of the last day in words, each a way to see it on the map. */
import { property } from '../../model/properties.ts';
import { active, hotspots, hotspotState, journey, peakOf, type Hotspot } from '../values/hotspots.ts';
import { clock, dayAndClock, num, t, type Key } from '../i18n/index.ts';
import { minute } from '../state/time.ts';
import { view } from '../state/app.ts';

const SHOWN = 12;
const WINDS = ['n', 'ne', 'e', 'se', 's', 'sw', 'w', 'nw'] as const;
export const compass = (bearing: number): Key =>
  `wind.${WINDS[Math.round(bearing / 45) % 8] as (typeof WINDS)[number]}`;

export function Hotspots({
  nameOf,
  onShow,
  onPlay,
}: {
  nameOf: (lat: number, lon: number) => string;
  onShow: (h: Hotspot, time: number | null) => void;
  onPlay: (h: Hotspot) => void;
}) {
  const now = view.value.time ?? minute.value;
  const live = view.value.time === null;
  const list = hotspots.value
    .filter((h) => h.start <= now)
    .sort((a, b) => Number(active(b, now)) - Number(active(a, now)) || b.end - a.end);
  const there = list.filter((h) => active(h, now)).length;
  const state = hotspotState.value;
  return (
    <section class="card hotspots" aria-labelledby="hotspots-title">
      <h2 id="hotspots-title">{t('hotspots.title')}</h2>
      <p class="small">{t('hotspots.note')}</p>
      <p role="status">
        {state === 'loading'
          ? t('hotspots.loading')
          : state === 'failed' || state === 'none'
            ? t('hotspots.failed')
            : there > 0
              ? t(live ? 'hotspots.there' : 'hotspots.were', { n: there })
              : t(live ? 'hotspots.none' : 'hotspots.nonethen')}
      </p>
      {list.length > 0 && (
        <details open={matchMedia('(min-width: 760px)').matches}>
          <summary>{t('hotspots.list', { n: list.length })}</summary>
          <ul>
            {list.slice(0, SHOWN).map((h) => (
              <Item
                key={h.id}
                h={h}
                now={now}
                name={nameOf(h.path[0].lat, h.path[0].lon)}
                nameOf={nameOf}
                onShow={onShow}
                onPlay={onPlay}
              />
            ))}
          </ul>
        </details>
      )}
    </section>
  );
}

function Item({
  h,
  now,
  name,
  nameOf,
  onShow,
  onPlay,
}: {
  h: Hotspot;
  now: number;
  name: string;
  nameOf: (lat: number, lon: number) => string;
  onShow: (h: Hotspot, time: number | null) => void;
  onPlay: (h: Hotspot) => void;
}) {
  const p = property('pm25');
  const peak = peakOf(h);
  const last = h.path.at(-1) ?? h.path[0];
  const on = active(h, now) && view.value.time === null;
  const way = journey(h);
  const to = nameOf(last.lat, last.lon);
  const whole = (x: number): string => num(x, 1);
  return (
    <li class={on ? 'on' : ''}>
      <button type="button" class="link where" onClick={() => onShow(h, on ? null : peak.time)}>
        <bdi>
          {to !== '' && to !== name && h.kind === 'moving' ? `${name} → ${to}` : name || t('hotspots.somewhere')}
        </bdi>
      </button>
      <p>
        <b>
          {on
            ? t('hotspots.since', { time: clock(h.start) })
            : t('hotspots.span', { from: dayAndClock(h.start), to: clock(h.end) })}
        </b>{' '}
        {t('hotspots.peak', {
          peak: whole(peak.peak),
          background: whole(peak.background),
          unit: p.unitLabel,
          boxes: Math.max(...h.path.map((s) => s.boxes)),
        })}
        {h.kind === 'moving'
          ? ` ${t('hotspots.moved', { km: num(way.km, 0.1), direction: t(compass(way.bearing)), kmh: num(way.kmh, way.kmh < 10 ? 0.1 : 1) })}`
          : ` ${t('hotspots.stood')}`}
      </p>
      <button
        type="button"
        class="chip"
        onClick={() => onPlay(h)}
        aria-label={`${t('hotspots.play')}: ${name}, ${dayAndClock(h.start)}`}
      >
        <span aria-hidden="true">▶</span> {t('hotspots.play')}
      </button>
    </li>
  );
}
