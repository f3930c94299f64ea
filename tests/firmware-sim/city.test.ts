import { describe, expect, it } from 'vitest';
import { createBox, growth } from '../../firmware-sim/box.ts';
import { createCity, distanceKm, moveKm } from '../../firmware-sim/city.ts';
import { createNeighbourhood, SCENARIOS, type ScenarioName } from '../../firmware-sim/scenarios.ts';
import { createStation } from '../../firmware-sim/station.ts';

const START = Date.UTC(2026, 10, 1);
const HOUR = 3_600_000;
const DAY = 24 * HOUR;

describe('the city', () => {
  it('is the same for the same seed, and does not depend on what was asked before', () => {
    const a = createCity({ seed: 7 });
    const b = createCity({ seed: 7 });
    for (let h = 0; h < 100; h++) a.at(a.centre, START + h * HOUR);
    expect(b.at(b.centre, START + 50 * HOUR)).toEqual(a.at(a.centre, START + 50 * HOUR));
    expect(createCity({ seed: 8 }).at(a.centre, START)).not.toEqual(a.at(a.centre, START));
  });

  it('keeps particle sizes in order and the weather possible', () => {
    const city = createCity({ seed: 3 });
    for (let k = 0; k < 500; k++) {
      const air = city.at(city.place(k, 1), START + k * HOUR);
      expect(air.pm1).toBeLessThanOrEqual(air.pm25);
      expect(air.pm25).toBeLessThanOrEqual(air.pm10);
      expect(air.pm1).toBeGreaterThan(0);
      expect(air.humidity).toBeGreaterThanOrEqual(30);
      expect(air.humidity).toBeLessThanOrEqual(98.5);
    }
  });

  it('has plumes that several places see and that drift away', () => {
    const city = createCity({ seed: 3, plumesPerDay: 12 });
    let found = 0;
    for (let t = START; t < START + DAY; t += 10 * 60_000) {
      for (const plume of city.plumesAt(t)) {
        const middle = plume.start + plume.durationMs / 2;
        if (Math.abs(t - middle) > 5 * 60_000) continue;
        const age = (t - plume.start) / HOUR;
        const here = moveKm(plume, plume.eastKmh * age, plume.northKmh * age);
        expect(city.plumePm25(here, t)).toBeGreaterThan(0.8 * plume.peak);
        expect(city.plumePm25(moveKm(here, 0.5, 0), t)).toBeGreaterThan(0.5 * plume.peak);
        found++;
      }
    }
    expect(found).toBeGreaterThan(3);
  });

  it('measures distances as the tables do', () => {
    // One degree of latitude on a sphere of 6371.0 km: 111.195 km.
    expect(distanceKm({ lat: 24, lon: 120 }, { lat: 25, lon: 120 })).toBeCloseTo(111.195, 2);
    const there = moveKm({ lat: 24, lon: 120 }, 3, -4);
    expect(distanceKm({ lat: 24, lon: 120 }, there)).toBeCloseTo(5, 1);
  });
});

describe('a box', () => {
  const city = createCity({ seed: 11, plumesPerDay: 0 });
  const plain = { id: 'box-000001', index: 1, place: city.centre };

  it('over-reads more when it is humid', () => {
    // kappa 0.3: 1.3 at aw 0.5, 3.7 at aw 0.9 (1 + 0.3·9).
    expect(growth(0.3, 50)).toBeCloseTo(1.3, 10);
    expect(growth(0.3, 90)).toBeCloseTo(3.7, 10);
    expect(growth(0.3, 100)).toBe(growth(0.3, 97));
  });

  it('without errors reports the truth', () => {
    const errors = { gain: 1, offset: 0, kappa: 0, noise: 0, noiseShare: 0, heating: 0, humidityOffset: 0 };
    const box = createBox(city, { ...plain, errors });
    for (let h = 0; h < 24; h++) {
      const truth = city.at(city.centre, START + h * HOUR);
      expect(box.measure(START + h * HOUR).pm25).toBe(Math.round(truth.pm25));
    }
  });

  it('shows its fault only from the given moment on', () => {
    const box = createBox(city, { ...plain, fault: 'dead-trh', faultFrom: START + HOUR });
    expect(box.measure(START).humidity).toBeGreaterThan(0);
    expect(box.measure(START + HOUR)).toMatchObject({ temperature: -4, humidity: 0 });
  });

  it('offline: is silent for two hours, then sends every measurement it made', () => {
    const box = createBox(city, { ...plain, fault: 'offline', faultFrom: START });
    const times: number[] = [];
    for (let t = START; t < START + 3 * HOUR; t += 5 * 60_000) {
      const { measurements, batch } = box.emit(t, 5 * 60_000);
      if (t < START + 2 * HOUR) expect(measurements).toEqual([]);
      if (t === START + 2 * HOUR) expect(batch).toBe(true);
      times.push(...measurements.map((m) => m.trueTime));
    }
    expect(times).toEqual(Array.from({ length: 36 }, (_, k) => START + k * 5 * 60_000));
  });
});

describe('a reference station', () => {
  const city = createCity({ seed: 5 });
  it('reports the mean of the hour, within a beta gauge’s noise', () => {
    const station = createStation(city, { id: 'station-1', index: 0, place: city.centre });
    let squares = 0;
    for (let h = 0; h < 200; h++) {
      const start = START + h * HOUR;
      let mean = 0;
      for (let k = 0; k < 60; k++) mean += city.at(city.centre, start + (k + 0.5) * 60_000).pm25 / 60;
      squares += (station.hourMean(start).pm25 - mean) ** 2 / 200;
    }
    expect(Math.sqrt(squares)).toBeGreaterThan(1);
    expect(Math.sqrt(squares)).toBeLessThan(2.2);
  });
  it('lies when told to', () => {
    const honest = createStation(city, { id: 'station-1', index: 0, place: city.centre });
    const liar = createStation(city, { id: 'station-1', index: 0, place: city.centre, liesBy: 2.5, liesFrom: START });
    expect(liar.hourMean(START - HOUR)).toEqual(honest.hourMean(START - HOUR));
    expect(liar.hourMean(START).pm25 / honest.hourMean(START).pm25).toBeGreaterThan(2);
  });
});

describe.each(Object.keys(SCENARIOS) as ScenarioName[])('scenario %s', (scenario) => {
  it('is fixed by its name and seed', () => {
    const make = (): unknown =>
      createNeighbourhood({ scenario, seed: 4, boxes: 60, start: START }).boxes.map((b) => [
        b.id,
        b.fault,
        b.measure(START),
      ]);
    expect(make()).toEqual(make());
  });
  it('says which boxes stand beside a station', () => {
    const { boxes, stations, colocated } = createNeighbourhood({ scenario, seed: 4, boxes: 60, start: START });
    expect(colocated.length).toBe(stations.length);
    for (const [boxId, stationId] of colocated) {
      const box = boxes.find((b) => b.id === boxId);
      const station = stations.find((s) => s.id === stationId);
      expect(box && station && distanceKm(box, station)).toBeLessThan(0.05);
    }
  });
});

it('the scenario "faults" holds every kind of fault', () => {
  const { boxes } = createNeighbourhood({ scenario: 'faults', seed: 1, boxes: 120, start: START });
  const kinds = new Set(boxes.map((b) => b.fault));
  expect(kinds.size).toBeGreaterThanOrEqual(17);
});
