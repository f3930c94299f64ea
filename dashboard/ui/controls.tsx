/** What is shown: quantity, layer, level, filters; and the legend, which is the same table the map is drawn from. */
import { PROPERTIES, type PropertyKey } from '../../model/properties.ts';
import { num, t, words, type Key } from '../i18n/index.ts';
import { effectiveScale, inkOn, scalesFor, type Palette } from '../scales/scales.ts';
import { EVENT_COLOUR } from '../map/labels.ts';
import { HEALTH } from '../map/marks.ts';
import { currentPalette, currentProperty, go, view } from '../state/app.ts';
import { formatView, HIDEABLE, LAYERS, LEVELS, type Hideable } from '../state/url.ts';
import { ShapeIcon } from './shape.tsx';

/** Quantities people look for first; the rest follows in the table's order. */
const FIRST: readonly PropertyKey[] = [
  'pm25',
  'pm10',
  'pm1',
  'temperature',
  'humidity',
  'co2',
  'noise_laeq',
  'water_level',
  'rain',
  'tvoc',
  'o3',
  'no2',
];

export function Controls() {
  const v = view.value;
  const ordered = [
    ...FIRST.map((k) => PROPERTIES.find((p) => p.key === k)),
    ...PROPERTIES.filter((p) => !FIRST.includes(p.key)),
  ].filter((p) => p !== undefined);
  return (
    <div class="controls">
      <div class="row">
        <label class="field grow">
          <span>{t('controls.property')}</span>
          <select value={v.property} onChange={(e) => go({ property: e.currentTarget.value as PropertyKey })}>
            {ordered.map((p) => (
              <option key={p.key} value={p.key}>
                {words(p.name)}
              </option>
            ))}
          </select>
        </label>
        <fieldset class="segments">
          <legend>{t('controls.level')}</legend>
          {LEVELS.map((level) => (
            <label key={level} title={t(`level.${level}.hint` as Key)}>
              <input
                type="radio"
                name="level"
                value={level}
                checked={v.level === level}
                onChange={() => go({ level })}
              />
              <span>{t(`level.${level}` as Key)}</span>
            </label>
          ))}
        </fieldset>
      </div>
      <fieldset class="segments layers">
        <legend>{t('controls.layer')}</legend>
        {LAYERS.map((layer) => (
          <label key={layer} title={t(`layer.${layer}.hint` as Key)}>
            <input type="radio" name="layer" value={layer} checked={v.layer === layer} onChange={() => go({ layer })} />
            <span>{t(`layer.${layer}` as Key)}</span>
          </label>
        ))}
      </fieldset>
      <p class="small hint">
        {t(`layer.${v.layer}.hint` as Key)}
        <br />
        {t(`level.${v.level}.hint` as Key)}
      </p>
      <fieldset class="checks">
        <legend>{t('controls.show')}</legend>
        {HIDEABLE.map((h: Hideable) => (
          <label key={h}>
            <input
              type="checkbox"
              checked={!v.hide.includes(h)}
              onChange={(e) =>
                go(
                  {
                    hide: e.currentTarget.checked
                      ? v.hide.filter((x) => x !== h)
                      : HIDEABLE.filter((x) => x === h || v.hide.includes(x)),
                  },
                  false,
                )
              }
            />
            <span>{t(`show.${h}` as Key)}</span>
          </label>
        ))}
      </fieldset>
    </div>
  );
}

/** Limits under the colours, words beside them where the scale has any. */
function Ramp({ p, resolution }: { p: Palette; resolution: number }) {
  const limit = (x: number): string => num(x, Number.isInteger(x) ? 1 : Math.max(resolution, 0.001));
  const named = (p.classes[0]?.name.zh ?? '') !== '' && p.classes.length <= 7;
  if (named)
    return (
      <ol class="ramp words">
        {p.classes.map((c, i) => (
          <li key={i}>
            <i style={{ background: c.color }} />
            <span>{words(c.name)}</span>
            <b>{c.to === Infinity ? `> ${limit(p.classes[i - 1]?.to ?? 0)}` : `≤ ${limit(c.to)}`}</b>
          </li>
        ))}
      </ol>
    );
  return (
    <ol class="ramp strip">
      {p.classes.map((c, i) => (
        <li key={i}>
          <i style={{ background: c.color }} title={words(c.name)} />
          <b>{c.to === Infinity ? '' : limit(c.to)}</b>
        </li>
      ))}
    </ol>
  );
}

export function Legend() {
  const v = view.value;
  const p = currentPalette.value;
  const prop = currentProperty.value;
  const difference = v.level === 'difference';
  const fallback = !difference && effectiveScale(v.scale, v.property).id !== v.scale;
  const wished = scalesFor('pm25').find((s) => s.id === v.scale);
  const unit = { unit: prop.unitLabel || '—' };
  const chosen = effectiveScale(v.scale, v.property);
  return (
    <section class="legend" aria-label={t('legend.title')}>
      <div class="row">
        <label class="field grow">
          <span>{t('controls.scale')}</span>
          <select value={chosen.id} disabled={difference} onChange={(e) => go({ scale: e.currentTarget.value })}>
            {scalesFor(v.property).map((s) => (
              <option key={s.id} value={s.id}>
                {words(s.name)}
                {s.id === 'plain' ? ` ${prop.unitLabel}` : ''}
              </option>
            ))}
          </select>
        </label>
        <label class="check">
          <input type="checkbox" checked={v.safe} onChange={(e) => go({ safe: e.currentTarget.checked }, false)} />
          <span>{t('controls.safe')}</span>
        </label>
      </div>
      {v.layer === 'health' ? (
        <ol class="ramp words" aria-label={t('health.legend')}>
          {(Object.keys(HEALTH) as (keyof typeof HEALTH)[]).map((status) => (
            <li key={status}>
              <i style={{ background: HEALTH[status] }} />
              <span>
                {t(`status.${status}`)}
                {status === 'suspect' && ` / ${t('health.score')}`}
              </span>
            </li>
          ))}
          <li class="small">{t('health.site')}</li>
        </ol>
      ) : (
        <Ramp p={p} resolution={prop.resolution} />
      )}
      <p class="small">
        {difference
          ? t('legend.difference', unit)
          : p.scale.id === 'plain'
            ? t('legend.plain', unit)
            : `${t('legend.latest', { name: words(p.scale.name) })}${t('legend.averaging', { averaging: words(p.rule.averaging) })}`}
        {fallback && wished ? ` ${t('legend.noscale', { name: words(wished.name) })}` : ''}
        {p.scale.source !== '' && <span class="source"> {p.scale.source}</span>}
      </p>
      <ul class="shapes">
        <li>
          <ShapeIcon shape="circle" colour={p.classes[0]?.color ?? ''} /> {t('legend.box')}
        </li>
        <li>
          <ShapeIcon shape="diamond" colour={p.classes[0]?.color ?? ''} /> {t('legend.station')}
        </li>
        <li>
          <ShapeIcon shape="square" colour={p.classes[0]?.color ?? ''} /> {t('legend.indoor')}
        </li>
        <li>
          <ShapeIcon shape="circle" hollow colour={p.classes[0]?.color ?? ''} /> {t('legend.unclaimed')}
        </li>
        <li>
          <ShapeIcon shape="triangle" colour={p.classes[1]?.color ?? ''} /> {t('legend.suspect')}
        </li>
        <li>
          <ShapeIcon shape="cross" /> {t('legend.refused')}
        </li>
        <li>
          <ShapeIcon shape="dot" /> {t('legend.uncorrected')}
        </li>
        <li>
          <ShapeIcon shape="ring" /> {t('legend.silent')}
        </li>
        <li>
          <svg class="shape" width="18" height="18" viewBox="0 0 20 20" aria-hidden="true">
            <circle cx="10" cy="10" r="8.5" fill="none" stroke={EVENT_COLOUR} stroke-width="2" />
            <circle cx="10" cy="10" r="5" fill="none" stroke={EVENT_COLOUR} stroke-width="2" />
          </svg>{' '}
          {t('legend.event')}
        </li>
        <li>
          <svg class="shape" width="18" height="18" viewBox="0 0 20 20" aria-hidden="true">
            <path d="M2 17 9 11" stroke={EVENT_COLOUR} stroke-width="2.5" />
            <circle
              cx="13"
              cy="7"
              r="5.5"
              fill={EVENT_COLOUR}
              fill-opacity="0.2"
              stroke={EVENT_COLOUR}
              stroke-width="2"
            />
          </svg>{' '}
          {t('legend.hotspot')}
        </li>
        {v.layer === 'hotspots' && (
          <li>
            <svg class="shape" width="18" height="18" viewBox="0 0 20 20" aria-hidden="true">
              <path d="M2 10h15M17 10l-6-5M17 10l-6 5" fill="none" stroke="#2b6287" stroke-width="2" />
            </svg>{' '}
            {t('legend.wind')}
          </li>
        )}
        <li>
          <ShapeIcon shape="cluster" colour={p.classes[0]?.color ?? ''} /> {t('legend.cluster')}
        </li>
      </ul>
      <p class="small">{t('legend.fade')}</p>
      <EmbedMap />
    </section>
  );
}

/** This map for other people's pages. */
function EmbedMap() {
  const v = view.value;
  const query = formatView({ ...v, box: '', compare: [], was: '' });
  return (
    <details class="small">
      <summary>{t('embed.map')}</summary>
      <label class="field">
        <span>{t('box.embed.note')}</span>
        <textarea
          readOnly
          rows={4}
          value={`<iframe src="${location.origin}/embed/map${query}" width="640" height="460" style="border:0" loading="lazy" title="${t('app.name')}"></iframe>`}
          onFocus={(e) => e.currentTarget.select()}
        />
      </label>
    </details>
  );
}

/** The colours alone, for the narrow bar on a phone. */
export function MiniRamp() {
  const p = currentPalette.value;
  if (view.value.layer === 'health')
    return (
      <span class="mini" aria-hidden="true">
        {Object.entries(HEALTH).map(([status, colour]) => (
          <i key={status} style={{ background: colour, color: inkOn(colour) }}>
            {t(`status.${status}` as Key)}
          </i>
        ))}
      </span>
    );
  return (
    <span class="mini" aria-hidden="true">
      {p.classes.map((c, i) => (
        <i key={i} style={{ background: c.color, color: inkOn(c.color) }}>
          {c.to === Infinity ? '' : num(c.to, 1)}
        </i>
      ))}
    </span>
  );
}

/** What the colours mean, always in sight on a wide screen. */
export function Strip() {
  const health = view.value.layer === 'health';
  const p = currentPalette.value;
  const prop = currentProperty.value;
  return (
    <div class="strip card">
      <p>
        {health ? (
          <b>{t('health.legend')}</b>
        ) : (
          <b>{p.scale.id === 'plain' || p.scale.id === 'difference' ? words(prop.name) : words(p.scale.name)}</b>
        )}{' '}
        {!health &&
          t(
            p.scale.id === 'difference'
              ? 'legend.difference'
              : view.value.time === null
                ? 'legend.plain'
                : 'legend.past',
            {
              unit: prop.unitLabel || '—',
            },
          )}
      </p>
      <MiniRamp />
    </div>
  );
}
