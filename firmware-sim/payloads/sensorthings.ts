/**
 * A page of a SensorThings server as Civil IoT Taiwan's answers look (format document §6.1): every property a string, one stream
 * for each quantity with a clock of its own (humidity a minute later), μ as U+03BC.
 */
import type { Measurement, SimBox } from '../box.ts';
import type { PayloadWriter } from './writer.ts';

const station = (box: SimBox): string => String(99_900_000_000 + box.index);

export const sensorthings: PayloadWriter = {
  format: 'sensorthings',
  openTopic: () => 'feeds/sensorthings/simulated',
  write(box, measurements) {
    const stream = (name: string, symbol: string, of: (m: Measurement) => number, lateMs: number): unknown => ({
      name,
      unitOfMeasurement: { symbol },
      Observations: measurements.map((m) => ({
        phenomenonTime: new Date((m.time ?? m.trueTime) + lateMs).toISOString(),
        result: of(m),
        resultTime: null,
      })),
    });
    return JSON.stringify({
      value: [
        {
          '@iot.id': box.index + 1,
          name: `智慧城鄉空品微型感測器-${station(box)}`,
          properties: { isMobile: 'false', isOutdoor: 'true', stationID: station(box), authority: '模擬測試' },
          Locations: [{ location: { type: 'Point', coordinates: [box.lon, box.lat] } }],
          Datastreams: [
            stream('PM2.5', '\u03bcg/m3', (m) => m.pm25, 0),
            stream('Temperature', '°C', (m) => m.temperature, 0),
            stream('Relative humidity', '%', (m) => m.humidity, 60_000),
          ],
        },
      ],
    });
  },
};
