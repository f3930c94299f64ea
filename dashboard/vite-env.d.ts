/// <reference types="vite/client" />

declare module 'virtual:towns' {
  import type { PlaceRow } from './places/atlas.ts';
  const places: PlaceRow[];
  export default places;
}
declare module 'virtual:villages' {
  import type { PlaceRow } from './places/atlas.ts';
  const places: PlaceRow[];
  export default places;
}
declare module 'esp-web-tools/dist/web/install-button.js';
