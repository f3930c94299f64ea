/**
 * AirGradient over MQTT (format document §4): what the local server says. Every third box is an Open Air with two PM sensors:
 * the mean at the top and both channels below it. No time.
 */
import type { Measurement, SimBox } from '../box.ts';
import { mac } from './wire.ts';
import type { PayloadWriter } from './writer.ts';

const serial = (box: SimBox): string => mac(box, 'ecda3b');

export const airgradient: PayloadWriter = {
  format: 'airgradient',
  openTopic: (box) => `airgradient/readings/${serial(box)}`,
  write(box, measurements) {
    const m = measurements[0] as Measurement;
    const dual = box.index % 3 === 2;
    // Two sensors of one kind agree to a few per cent.
    const channels = dual ? { 1: { pm02: m.pm25 }, 2: { pm02: Number((m.pm25 * 1.04).toFixed(2)) } } : undefined;
    const pm02 = channels ? Number(((channels[1].pm02 + channels[2].pm02) / 2).toFixed(2)) : m.pm25;
    return JSON.stringify({
      wifi: -46,
      serialno: serial(box),
      rco2: 447,
      pm01: m.pm1,
      pm02,
      pm10: m.pm10,
      pm003Count: Math.round(m.pm25 * 60),
      atmp: m.temperature,
      atmpCompensated: Number((m.temperature - 1.4).toFixed(2)),
      rhum: m.humidity,
      rhumCompensated: Math.min(100, Number((m.humidity * 1.1).toFixed(2))),
      tvocIndex: 100,
      tvocRaw: 33051,
      noxIndex: 1,
      noxRaw: 16307,
      boot: 6,
      bootCount: 6,
      ...(dual ? { channels } : { ledMode: 'pm' }),
      firmware: '3.1.3',
      model: dual ? 'O-1PPT' : 'I-9PSL',
    });
  },
};
