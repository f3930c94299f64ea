import { feedState, loaded, table, tableVersion } from '../values/feed.ts';
import { ago, clock, t } from '../i18n/index.ts';
import { ignored, view } from '../state/app.ts';
import { minute } from '../state/time.ts';
import { KIND } from '../values/table.ts';

/** How live the map is; says so when the server is away, and that it tries again. */
export function Connection() {
  void tableVersion.value;
  const s = feedState.value;
  if (s.state === 'away')
    return (
      <div class="banner warn" role="alert">
        {navigator.onLine ? t('state.away', { since: clock(s.since) }) : t('state.offline')}
      </div>
    );
  return null;
}

export function Freshness() {
  void tableVersion.value;
  let newest = 0;
  let stations = 0;
  let boxes = 0;
  const raw = view.value.level === 'raw';
  const { time, value } = table.levels[raw ? 'raw' : 'corrected'];
  for (let row = 0; row < table.length; row++) {
    if (Number.isNaN(time[row])) continue;
    if ((time[row] as number) > newest) newest = time[row] as number;
    const known = !Number.isNaN(value[row]);
    if (table.kind[row] === KIND.station) stations += known ? 1 : 0;
    else if (known) boxes++;
  }
  const s = feedState.value.state;
  return (
    <p class={`freshness ${s}`}>
      <i aria-hidden="true" />
      {s === 'loading' && !loaded.value ? (
        t('state.loading')
      ) : (
        <>
          {s === 'live' && view.value.time === null ? `${t('state.live')}・` : ''}
          {newest === 0
            ? t('state.empty')
            : `${t('state.counts', { boxes, stations })}・${t('state.updated', { age: ago(minute.value - newest) })}`}
        </>
      )}
    </p>
  );
}

export function Ignored() {
  if (ignored.value.length === 0) return null;
  return (
    <div class="banner" role="status">
      <span>
        {t('ignored.title')} <code>{ignored.value.slice(0, 5).join(' ')}</code>
      </span>
      <button type="button" class="quiet" onClick={() => (ignored.value = [])}>
        {t('ignored.close')}
      </button>
    </div>
  );
}
