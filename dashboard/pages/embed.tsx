/** Small pieces for other people's pages: a map, one value, one chart; always with where the data come from. */
import { effect } from '@preact/signals';
import { useEffect, useRef } from 'preact/hooks';
import { follow, onRows, table, tableVersion } from '../values/feed.ts';
import { t } from '../i18n/index.ts';
import { MapView, type Shown } from '../map/view.ts';
import { currentPalette, dataLevels, lang, mapHref, view } from '../state/app.ts';
import { dark } from '../state/theme.ts';
import { minute } from '../state/time.ts';
import { Strip } from '../ui/controls.tsx';
import { History } from '../ui/history.tsx';
import { Now, useDetails } from '../ui/panel.tsx';
import type { PageProps } from './index.ts';

export default function EmbedPage({ params: [kind] }: PageProps) {
  return kind === 'map' ? <EmbedMap /> : <EmbedBox chart={kind === 'chart'} />;
}

function By({ href, who }: { href: string; who?: string }) {
  return (
    <p class="by small">
      <a href={href} target="_blank" rel="noopener">
        {t('embed.by')}
      </a>
      {who ? ` · ${who}` : ''}
    </p>
  );
}

function EmbedMap() {
  const host = useRef<HTMLDivElement>(null);
  useEffect(() => {
    const shown = (): Shown => ({
      view: view.value,
      palette: currentPalette.value,
      lang: lang.value,
      dark: dark.value,
      now: minute.value,
    });
    const m = new MapView(host.current as HTMLElement, table, shown(), {
      moved: () => undefined,
      picked: (row) => void window.open(mapHref({ box: table.ids[row] ?? '' }), '_blank', 'noopener'),
      hovered: () => undefined,
    });
    Object.assign(window, { lamppostMap: m });
    const stops = [
      onRows((rows) => m.changed(rows)),
      effect(() => follow(view.value.property, dataLevels.value)),
      effect(() => m.show(shown())),
    ];
    return () => {
      for (const stop of stops) stop();
      m.close();
    };
  }, []);
  const v = view.value;
  return (
    <main class="embed map-embed">
      <h1 class="hidden">{t('app.name')}</h1>
      <div class="mapscreen">
        <div ref={host} class="map" />
        <div class="foot-tools">
          <Strip />
        </div>
      </div>
      <By
        href={mapHref({
          lat: v.lat,
          lon: v.lon,
          zoom: v.zoom,
          property: v.property,
          level: v.level,
          scale: v.scale,
          layer: v.layer,
        })}
      />
    </main>
  );
}

const AROUND = 0.02;

function EmbedBox({ chart }: { chart: boolean }) {
  void tableVersion.value;
  const id = view.value.box;
  const { details: d, problem } = useDetails(id, undefined);
  useEffect(() => {
    if (d?.lat === null || d?.lon === null || !d) return;
    follow(
      view.value.property,
      ['corrected'],
      [d.lon - AROUND, d.lat - AROUND, d.lon + AROUND, d.lat + AROUND].map((x) => x.toFixed(4)).join(','),
    );
  }, [d]);
  const row = table.row(id);
  return (
    <main class="embed">
      {problem && <p>{t(problem === 'missing' ? 'panel.notfound' : 'panel.failed', { id })}</p>}
      {d && (
        <>
          <h1>
            <bdi>{d.name.trim() || d.id}</bdi>
          </h1>
          {row >= 0 && <Now row={row} />}
          {chart && (
            <History
              station={d.kind === 'station'}
              id={id}
              property={view.value.property}
              now={minute.value}
              height={150}
              bare
            />
          )}
          <By
            href={`/boxes/${id}?p=${view.value.property}&lang=${lang.value}`}
            who={d.attributionText ?? d.attribution ?? ''}
          />
        </>
      )}
    </main>
  );
}
