/** Web Mercator in world units (the whole world is 1 wide), relative to an origin in Taiwan so that 32-bit floats stay exact. */
const mercatorX = (lon: number): number => (lon + 180) / 360;
const mercatorY = (lat: number): number => (1 - Math.log(Math.tan(Math.PI / 4 + (lat * Math.PI) / 360)) / Math.PI) / 2;

export const ORIGIN = { lon: 121, lat: 24, x: mercatorX(121), y: mercatorY(24) } as const;
export const relativeX = (lon: number): number => mercatorX(lon) - ORIGIN.x;
export const relativeY = (lat: number): number => mercatorY(lat) - ORIGIN.y;
