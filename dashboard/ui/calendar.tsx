/** A year as a calendar: one square a day, its mean; and how many days lay above a guideline. */
import { useEffect, useRef, useState } from 'preact/hooks';
import { property, type PropertyKey } from '../../model/properties.ts';
import { DAY } from '../../model/time.ts';
import type { DataLevel } from '../values/table.ts';
import { observations, type Observation } from '../values/api.ts';
import { day, num, t, TIME_ZONE, words } from '../i18n/index.ts';
import { classOf, effectiveScale, palette } from '../scales/scales.ts';
import { currentPalette } from '../state/app.ts';

const WEEKS = 53;
/** The whole year fits beside the other column of the page. */
const CELL = 12;

/** Whole days since 1970 in local time. */
const localDay = (ms: number): number => {
  const [y, m, d] = new Intl.DateTimeFormat('sv-SE', { timeZone: TIME_ZONE }).format(ms).split('-').map(Number) as [
    number,
    number,
    number,
  ];
  return Date.UTC(y, m - 1, d) / DAY;
};

export function Calendar({ id, property: key, level }: { id: string; property: PropertyKey; level: DataLevel }) {
  const [days, setDays] = useState<Observation[] | null>(null);
  useEffect(() => {
    const abort = new AbortController();
    const to = Date.now();
    observations(id, key, level, { from: to - 365 * DAY, to, interval: 'P1D', timezone: TIME_ZONE }, abort.signal)
      .then(setDays)
      .catch(() => undefined); // The chart above says when the server does not answer.
    return () => abort.abort();
  }, [id, key, level]);
  const scroll = useRef<HTMLDivElement>(null);
  // On a narrow screen the latest weeks are what is looked for.
  useEffect(() => {
    if (scroll.current) scroll.current.scrollLeft = scroll.current.scrollWidth;
  }, [days]);
  if (!days) return <p class="small">{t('panel.loading')}</p>;
  const p = property(key);
  const pal = currentPalette.value;
  const byDay = new Map(days.flatMap((o) => (o.value === null ? [] : [[localDay(o.time), o.value] as const])));
  const today = localDay(Date.now());
  // Columns are weeks that begin on Monday (1970-01-01 was a Thursday).
  const firstMonday = today - ((today + 3) % 7) - (WEEKS - 1) * 7;
  const cells = [];
  const months: { x: number; label: string }[] = [];
  for (let n = firstMonday; n <= today; n++) {
    const week = Math.floor((n - firstMonday) / 7);
    const value = byDay.get(n);
    const date = new Date(n * DAY);
    if (date.getUTCDate() === 1) months.push({ x: week * CELL, label: String(date.getUTCMonth() + 1) });
    cells.push(
      <rect
        key={n}
        x={week * CELL}
        y={((n - firstMonday) % 7) * CELL + 14}
        width={CELL - 2}
        height={CELL - 2}
        rx="2"
        class={value === undefined ? 'none' : ''}
        style={value === undefined ? {} : { fill: pal.classes[classOf(pal, value)]?.color }}
      >
        <title>{`${day(n * DAY)} ${value === undefined ? '–' : `${num(value, p.resolution)} ${p.unitLabel}`}`}</title>
      </rect>,
    );
  }
  // Limits that are defined on means of a day: the guideline and the interim targets on the way to it.
  const who = effectiveScale('who', key).id === 'who' ? palette('who', key, false, false).classes : [];
  const values = [...byDay.values()];
  return (
    <>
      <div ref={scroll} class="scroll" tabIndex={0} role="region" aria-label={t('box.calendar')}>
        <svg
          class="calendar"
          width={WEEKS * CELL}
          height={7 * CELL + 14}
          role="img"
          aria-label={`${t('box.calendar')}, ${words(p.name)}`}
        >
          {months.map((m) => (
            <text key={m.x} x={m.x} y="10">
              {m.label}
            </text>
          ))}
          {cells}
        </svg>
      </div>
      <p class="small">{t('box.calendar.note')}</p>
      {who.length > 1 && values.length > 0 && (
        <table class="exceed">
          <caption>{t('box.exceed', { of: values.length })}</caption>
          <tbody>
            {who.slice(0, -1).map((c, i) => {
              const above = values.filter((v) => v > c.to).length;
              return (
                <tr key={c.to}>
                  <th scope="row">
                    {t(i === 0 ? 'box.exceed.who' : 'box.exceed.interim', {
                      limit: `${num(c.to, Number.isInteger(c.to) ? 1 : 0.1)} ${p.unitLabel}`,
                      n: 5 - i,
                    })}
                  </th>
                  <td>
                    <b>{t('box.exceed.days', { n: above })}</b>
                  </td>
                  <td>{Math.round((100 * above) / values.length)} %</td>
                </tr>
              );
            })}
          </tbody>
        </table>
      )}
    </>
  );
}
