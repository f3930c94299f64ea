/**
 * The files `last-all-*.json` of the LASS portal (pm25.lass-net.org), polled as a feed: AirBox records with the portal's
 * attribution. No licence text stands in its repositories; third parties cite OGDL-Taiwan 1.0 and CC BY-SA.
 */
import type { Decoder } from '../decoder.ts';
import { decodePortal } from './airbox.ts';

const FROM_PORTAL = {
  licence: 'LicenseRef-unstated',
  attribution: 'LASS, Academia Sinica IIS-NRL (pm25.lass-net.org)',
} as const;

export const lassPortal: Decoder = {
  format: 'lass-portal',
  openTopics: ['feeds/lass-portal/#'],
  decode(payload, topic) {
    const decoded = decodePortal(payload, topic);
    if (!decoded.ok) return decoded;
    return { ok: true, readings: decoded.readings.map((r) => ({ ...r, hints: { ...r.hints, ...FROM_PORTAL } })) };
  },
};
