/** Which square live values are asked for when the map is zoomed in: what is in sight, and what the sentence about its middle needs. */

/** Below this zoom everything is followed. */
const FROM_ZOOM = 10;
/** The sentence reaches 10 km from the middle of the map. */
const REACH = 0.11;
const SPARE = 0.6;

const parse = (bbox: string): [number, number, number, number] =>
  bbox.split(',').map(Number) as [number, number, number, number];

/**
 * @param width,height of the map [px]
 * @param old the square of now: kept while it still covers what is needed and is not far too large
 * @returns west,south,east,north or '' = everything
 */
export function nearBox(
  at: { readonly lat: number; readonly lon: number; readonly zoom: number },
  width: number,
  height: number,
  old: string,
): string {
  if (at.zoom < FROM_ZOOM) return '';
  const degrees = 360 / (512 * 2 ** at.zoom);
  const w = (width / 2) * degrees;
  const h = (height / 2) * degrees * Math.cos((at.lat * Math.PI) / 180);
  const [needW, needH] = [Math.max(w, REACH), Math.max(h, REACH)];
  if (old !== '') {
    const [west, south, east, north] = parse(old);
    const covers =
      west <= at.lon - needW && east >= at.lon + needW && south <= at.lat - needH && north >= at.lat + needH;
    if (covers && east - west < 2 * needW * 4) return old;
  }
  const [outW, outH] = [needW + w * SPARE + 0.05, needH + h * SPARE + 0.05];
  return [at.lon - outW, at.lat - outH, at.lon + outW, at.lat + outH].map((x) => x.toFixed(3)).join(',');
}
