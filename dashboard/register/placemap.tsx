/** A small map with one pin. The coordinate fields beside it are the way for keyboards and for who cannot see the map. */
import { AttributionControl, Map as MapLibre, Marker, NavigationControl, setWorkerUrl, type GeoJSONSource } from 'maplibre-gl'; // prettier-ignore
import workerUrl from 'maplibre-gl/dist/maplibre-gl-worker.mjs?worker&url';
import 'maplibre-gl/dist/maplibre-gl.css';
import { useEffect, useRef } from 'preact/hooks';
import { v } from '../i18n/volunteers.ts';
import { baseStyle, DARK, LIGHT, loadLand } from '../map/base.ts';
import { lang } from '../state/app.ts';
import { dark } from '../state/theme.ts';
import { START } from '../state/url.ts';

setWorkerUrl(workerUrl);

export interface Spot {
  readonly lat: number;
  readonly lon: number;
}

async function drawLand(map: MapLibre): Promise<void> {
  const set = (id: string, data: GeoJSON.GeoJSON): void => void map.getSource<GeoJSONSource>(id)?.setData(data);
  try {
    const land = await loadLand();
    set('nation', land.nation);
    set('county-lines', { type: 'Feature', properties: {}, geometry: land.countyLines });
    set('town-lines', { type: 'Feature', properties: {}, geometry: land.townLines });
  } catch {
    return; // The pin can be placed on an empty map too, and the fields work without any.
  }
}

export function PlaceMap({ spot, onSpot }: { spot: Spot | null; onSpot: (spot: Spot) => void }) {
  const container = useRef<HTMLDivElement>(null);
  const map = useRef<MapLibre | null>(null);
  const pin = useRef<Marker | null>(null);
  const tell = useRef(onSpot);
  tell.current = onSpot;

  useEffect(() => {
    const custom = document.querySelector<HTMLMetaElement>('meta[name="lamppost-map-style"]')?.content ?? '';
    const external = /^(https?:\/\/|\/)/.test(custom);
    const made = new MapLibre({
      container: container.current as HTMLElement,
      style: external ? custom : baseStyle(dark.value ? DARK : LIGHT, lang.value),
      center: spot ? [spot.lon, spot.lat] : [START.lon, START.lat],
      zoom: spot ? 13 : 5.7,
      dragRotate: false,
      pitchWithRotate: false,
      attributionControl: false,
      fadeDuration: 0,
      locale: {
        'CooperativeGesturesHandler.MobileHelpText': v('reg.map.touch'),
        'CooperativeGesturesHandler.WindowsHelpText': v('reg.map.wheel'),
        'CooperativeGesturesHandler.MacHelpText': v('reg.map.wheel'),
        'Map.Title': v('reg.map'),
        'NavigationControl.ZoomIn': v('reg.map.in'),
        'NavigationControl.ZoomOut': v('reg.map.out'),
      },
      // On a phone one finger scrolls the page on; two move the map.
      cooperativeGestures: matchMedia('(pointer: coarse)').matches,
    });
    made.addControl(new AttributionControl({ compact: true }), 'bottom-right');
    made.addControl(new NavigationControl({ showCompass: false }), 'top-right');
    made.on('click', (e) => tell.current({ lat: e.lngLat.lat, lon: e.lngLat.lng }));
    made.on('load', () => {
      if (external) return;
      void drawLand(made);
    });
    map.current = made;
    return () => {
      pin.current = null;
      made.remove();
    };
  }, []);

  useEffect(() => {
    if (!map.current || !spot) return;
    const at: [number, number] = [spot.lon, spot.lat];
    if (pin.current) pin.current.setLngLat(at);
    else {
      const made = new Marker({ draggable: true, color: '#b3401f' }).setLngLat(at).addTo(map.current);
      made.getElement().setAttribute('aria-label', v('reg.pin'));
      made.on('dragend', () => {
        const { lat, lng } = made.getLngLat();
        tell.current({ lat, lon: lng });
      });
      pin.current = made;
    }
    if (!map.current.getBounds().contains(at) || map.current.getZoom() < 10)
      map.current.jumpTo({ center: at, zoom: 13 });
  }, [spot?.lat, spot?.lon]);

  return <div class="placemap" ref={container} />;
}
