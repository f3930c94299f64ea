/**
 * Level L2: equations from the literature, for the Plantower class. x = raw PM2.5 [µg/m³], rh = relative humidity inside the
 * box [%], t = temperature inside the box [°C]; all return µg/m³, signed (no clipping) unless their source clips.
 *
 * Only `barkjohn2021` is used for correcting: no other fixed equation was better on several sets at once (docs/methods.md).
 * The others are here to be compared with, and for the smoke case.
 */

/**
 * Barkjohn, Gantt & Clements 2021, AMT 14:4617, doi 10.5194/amt-14-4617-2021, in the form EPA publishes.
 * Fitted on 24 h means of PurpleAir (PMS5003, CF=1 field) at 16 US states, 0–250 µg/m³.
 */
export const barkjohn2021 = (x: number, rh: number): number => 0.524 * x - 0.0862 * rh + 5.75;

/**
 * US EPA Fire and Smoke Map, five pieces (AirSensor2 `pat_applyCorrection.R`; AirGradient firmware `PMS.cpp`). Wants the ATM
 * field; made for smoke, and far too high in other dirty air, so never a default. Negative results become 0 there.
 */
export function fireAndSmokeMap(x: number, rh: number): number {
  const humid = -0.0862 * rh;
  let y: number;
  if (x < 30) y = 0.524 * x + humid + 5.75;
  else if (x < 50) {
    const w = x / 20 - 3 / 2;
    y = (0.786 * w + 0.524 * (1 - w)) * x + humid + 5.75;
  } else if (x < 210) y = 0.786 * x + humid + 5.75;
  else if (x < 260) {
    const w = x / 50 - 21 / 5;
    y = (0.69 * w + 0.786 * (1 - w)) * x + humid * (1 - w) + 2.966 * w + 5.75 * (1 - w) + 8.84e-4 * x * x * w;
  } else y = 2.966 + 0.69 * x + 8.84e-4 * x * x;
  return Math.max(0, y);
}

/**
 * Barkjohn et al. 2022 (Sensors 22:9669), extended to very high concentrations, CF=1 field. The quadratic piece is recalled,
 * not read in the source; it joins the linear piece within 0.3 µg/m³ at 611.
 */
export function barkjohn2022Extended(x: number, rh: number): number {
  if (x < 570) return barkjohn2021(x, rh);
  const q = 4.21e-4 * x * x + 0.392 * x + 3.44;
  if (x >= 611) return q;
  const w = 0.0244 * x - 13.9;
  return w * q + (1 - w) * barkjohn2021(x, rh);
}

/** Mathieu-Campbell et al. 2024, AMT 17:6735: humid south-east of the USA, daily means, CF=1. */
export const mathieuCampbell2024 = (x: number, rh: number, t: number): number =>
  rh <= 50
    ? 2.738732 + 0.425834 * x - 0.008944 * rh + 0.07921 * t
    : 7.230374 + 0.412683 * x - 0.085278 * rh + 0.070655 * t;

/**
 * Hygroscopic growth of particle mass, Crilley et al. 2018, AMT 11:709: C = 1 + (κ/1.65)/(1/a_w − 1). It diverges at saturation,
 * so humidity is capped at 95 %. A candidate regressor only: dividing by it unfitted is worse than Barkjohn everywhere we looked.
 */
export function hygroscopicGrowth(rh: number, kappa = 0.3): number {
  const activity = Math.min(Math.max(rh, 0), 95) / 100;
  return activity <= 0 ? 1 : 1 + kappa / 1.65 / (1 / activity - 1);
}

/** Cards of the equations that values may name as their model. */
export const PUBLISHED_CARDS: Readonly<Record<string, Record<string, unknown>>> = {
  'barkjohn-2021': {
    kind: 'published',
    subject: 'Plantower PMS5003 class',
    equation: '0.524·x − 0.0862·RH + 5.75 [µg/m³, %]',
    source: 'Barkjohn, Gantt & Clements 2021, Atmos. Meas. Tech. 14:4617',
    doi: '10.5194/amt-14-4617-2021',
    fittedOn: '24 h means of PurpleAir (CF=1 field) beside reference monitors, 16 US states, 0–250 µg/m³',
  },
};
