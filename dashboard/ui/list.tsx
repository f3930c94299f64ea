/** The boxes round a place as a table: for keyboards, screen readers and everybody who prefers a list. */
import { distanceM } from '../../model/geo.ts';
import { property } from '../../model/properties.ts';
import { table, tableVersion } from '../values/feed.ts';
import { KIND } from '../values/table.ts';
import { ago, distance, num, t, type Key } from '../i18n/index.ts';
import { isHidden, rowView, shapeOf } from '../map/marks.ts';
import { classOf } from '../scales/scales.ts';
import { currentPalette, view } from '../state/app.ts';
import { minute } from '../state/time.ts';
import { ShapeIcon } from './shape.tsx';

const LENGTH = 40;

/** The nearest rows, by a square that grows until it holds enough: most of a large network is never looked at closely. */
function nearest(lat: number, lon: number, taken: (row: number) => boolean): { row: number; d: number }[] {
  const wide = 1 / Math.max(0.2, Math.cos((lat * Math.PI) / 180));
  for (let half = 0.05; ; half *= 3) {
    const found: { row: number; d: number }[] = [];
    for (let row = 0; row < table.length; row++) {
      const [y, x] = [table.lat[row] as number, table.lon[row] as number];
      if (Math.abs(y - lat) > half || Math.abs(x - lon) > half * wide || !taken(row)) continue;
      found.push({ row, d: distanceM(lat, lon, y, x) });
    }
    const reach = half * 111_000;
    found.sort((a, b) => a.d - b.d);
    // Beyond the inscribed circle the square's corners would cut others off.
    if (half > 180 || found.filter((f) => f.d <= reach).length >= LENGTH) return found.slice(0, LENGTH);
  }
}

export function List({
  lat,
  lon,
  onPick,
  onClose,
}: {
  lat: number;
  lon: number;
  onPick: (id: string) => void;
  onClose: () => void;
}) {
  void tableVersion.value;
  const { level, hide } = view.value;
  const now = view.value.time ?? minute.value;
  const p = property(view.value.property);
  const near = nearest(lat, lon, (row) => !isHidden(table, row, rowView(table, row, level, now).status, hide));
  return (
    <section class="list card" aria-labelledby="list-title" onKeyDown={(e) => e.key === 'Escape' && onClose()}>
      <header>
        <div>
          <h2 id="list-title">{t('list.title')}</h2>
          <p class="small">{t('list.note')}</p>
        </div>
        <button type="button" class="close" onClick={onClose} aria-label={t('panel.close')}>
          ×
        </button>
      </header>
      <div class="scroll" tabIndex={0} role="region" aria-labelledby="list-title">
        <table>
          <thead>
            <tr>
              <th scope="col">{t('list.name')}</th>
              <th scope="col">{t('list.distance')}</th>
              <th scope="col">{p.unitLabel || t('list.value')}</th>
              <th scope="col">{t('list.status')}</th>
              <th scope="col">{t('list.age')}</th>
            </tr>
          </thead>
          <tbody>
            {near.map(({ row, d }) => {
              const v = rowView(table, row, level, now);
              const good = v.status === 'ok' || v.status === 'suspect';
              const pal = currentPalette.value;
              return (
                <tr key={row}>
                  <th scope="row">
                    <div class="who">
                      <ShapeIcon
                        shape={shapeOf(table, row, v.status)}
                        hollow={table.claimed[row] === 0 && good}
                        colour={good ? (pal.classes[classOf(pal, v.value)]?.color ?? '') : ''}
                        size={16}
                      />
                      <button type="button" class="link" onClick={() => onPick(table.ids[row] as string)}>
                        <bdi>{table.names[row] || table.ids[row]}</bdi>
                      </button>
                      {table.kind[row] === KIND.station && <span class="tag">{t('legend.station')}</span>}
                    </div>
                  </th>
                  <td>{distance(d)}</td>
                  <td>{good ? num(v.value, p.resolution) : '–'}</td>
                  <td>{t(`status.${v.status}` as Key)}</td>
                  <td>{Number.isNaN(v.time) ? '–' : ago(now - v.time)}</td>
                </tr>
              );
            })}
          </tbody>
        </table>
      </div>
    </section>
  );
}
