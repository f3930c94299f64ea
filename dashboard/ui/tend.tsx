/** For volunteers: which boxes in sight want a look, the worst first, and why. */
import { judged, LOW_SCORE } from '../values/health.ts';
import { table, tableVersion } from '../values/feed.ts';
import { KIND } from '../values/table.ts';
import { ago, num, t, words, type Key } from '../i18n/index.ts';
import { HEALTH, rowView, type Status } from '../map/marks.ts';
import { view } from '../state/app.ts';
import { minute } from '../state/time.ts';
import { reasonWords } from './why.tsx';

const SHOWN = 30;
/** The worse the state, the earlier in the list. */
const RANK: Record<Status, number> = { refused: 4, silent: 3, suspect: 2, uncorrected: 0, ok: 0 };

export function Tend({ inSight, onPick }: { inSight: () => readonly number[]; onPick: (id: string) => void }) {
  void tableVersion.value;
  const now = minute.value;
  const rows = inSight().filter((row) => table.kind[row] === KIND.box);
  const list = rows
    .map((row) => {
      const id = table.ids[row] as string;
      const v = rowView(table, row, view.value.level, now);
      const j = judged.value.get(id);
      const low = j !== undefined && j.score < LOW_SCORE;
      return { row, id, v, j, wants: RANK[v.status] > 0 || low || (j !== undefined && j.siteClass !== ''), low };
    })
    .filter((x) => x.wants)
    .sort((a, b) => RANK[b.v.status] - RANK[a.v.status] || (a.j?.score ?? 100) - (b.j?.score ?? 100));
  return (
    <section class="card hotspots tend" aria-labelledby="tend-title">
      <h2 id="tend-title">{t('tend.title')}</h2>
      <p role="status">
        {rows.length === 0
          ? t('tend.nobox')
          : list.length === 0
            ? t('tend.none', { of: rows.length })
            : t('tend.some', { n: list.length, of: rows.length })}
      </p>
      {list.length > 0 && (
        <details open={matchMedia('(min-width: 760px)').matches}>
          <summary>{t('tend.list')}</summary>
          <ul>
            {list.slice(0, SHOWN).map(({ row, id, v, j, low }) => (
              <li key={id} style={{ borderColor: HEALTH[v.status === 'ok' && low ? 'suspect' : v.status] }}>
                <button type="button" class="link where" onClick={() => onPick(id)}>
                  <bdi>{table.names[row]?.trim() || id}</bdi>
                </button>
                <p>
                  {v.status !== 'ok' && <b>{t(`status.${v.status}` as Key)} </b>}
                  {v.status === 'silent' &&
                    !Number.isNaN(v.time) &&
                    `${t('panel.silent', { age: ago(now - v.time) })} `}
                  {v.status !== 'silent' &&
                    v.reasons !== '' &&
                    `${v.reasons.split(';').map(reasonWords).join(t('list.comma'))} `}
                  {j ? words(j.words) : ''}
                </p>
              </li>
            ))}
          </ul>
          {list.length > SHOWN && <p class="small">{t('tend.more', { n: num(list.length - SHOWN, 1) })}</p>}
        </details>
      )}
    </section>
  );
}
