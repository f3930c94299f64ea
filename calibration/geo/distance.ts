/** Mean radius of the Earth [km] (IUGG mean radius R1, 6371.009, rounded as the peers do). */
export const EARTH_RADIUS_KM = 6371;

const RAD = Math.PI / 180;

/** Great-circle distance between two places given in degrees [km], haversine formula; exact also for small distances. */
export function distanceKm(lat1: number, lon1: number, lat2: number, lon2: number): number {
  const dLat = Math.sin(((lat2 - lat1) * RAD) / 2);
  const dLon = Math.sin(((lon2 - lon1) * RAD) / 2);
  const h = dLat * dLat + Math.cos(lat1 * RAD) * Math.cos(lat2 * RAD) * dLon * dLon;
  return 2 * EARTH_RADIUS_KM * Math.asin(Math.min(1, Math.sqrt(h)));
}

/** A usable place: finite, on the globe, and not "null island" (0, 0), which is what a GPS without a fix reports. */
export function isPlace(lat: number | null, lon: number | null): boolean {
  return (
    lat !== null &&
    lon !== null &&
    Number.isFinite(lat) &&
    Number.isFinite(lon) &&
    Math.abs(lat) <= 90 &&
    Math.abs(lon) <= 180 &&
    (Math.abs(lat) > 1e-6 || Math.abs(lon) > 1e-6)
  );
}
