/** The card of a model says how it does on what it has not seen: stations, or days where there is one station. */
import { expect, it } from 'vitest';
import type { ModelCard } from '../../calibration/correction/models.ts';
import { fitOnce } from '../../calibration/correction/pooled.ts';
import { errorsOnOtherDays } from '../../calibration/correction/validation.ts';
import { SETTINGS } from '../../calibration/correction/settings.ts';
import { createStage } from '../../calibration/create.ts';
import { DAY, HOUR, smallCity } from './small_city.ts';

function cardOf(stations: number): ModelCard {
  const { input, rows } = smallCity(5);
  const stage = createStage();
  for (const box of input.boxes) stage.setBox(box);
  for (const station of input.stations.slice(0, stations)) stage.setStation(station);
  stage.setColocations((input.colocations ?? []).slice(0, stations));
  const nums = new Map(input.boxes.map((b) => [b.id, b.num]));
  const known = input.reference.filter((r) => Number(r.station.slice(1)) < stations);
  for (const [time, at] of Map.groupBy(rows, (r) => r.time)) {
    stage.reference(known.filter((r) => r.time === time - HOUR));
    stage.advance(time);
    const readings = at.map((r) => ({ stage: 'raw' as const, thing: r.box, thingNum: nums.get(r.box) as number, phenomenonTime: time, resultTime: time, clock: 'box' as const, seq: 0, values: [{ property: 'pm25' as const, raw: r.pm25 }, { property: 'temperature' as const, raw: r.temperature }, { property: 'humidity' as const, raw: r.humidity }] })); // prettier-ignore
    stage.correct(stage.check(readings));
  }
  return (stage.cards as readonly ModelCard[]).findLast((c) => c.kind === 'pooled') as ModelCard;
}

it('leaves days out where there is one station, and says so', () => {
  const { validation } = cardOf(1);
  expect(validation).toMatchObject({ kind: 'days', stations: 1 });
  expect(validation?.rmse).toBeLessThan((validation?.raw as number) / 2);
  expect(validation?.worst).toBeGreaterThanOrEqual(validation?.rmse as number);
});

it('leaves stations out where there are several', () => {
  expect(cardOf(3).validation).toMatchObject({ kind: 'stations', stations: 3 });
});

it('judges a day by the days around it, in blocks of days when there are many', () => {
  const pairs = (days: number, shiftOn: number) => {
    const time = Array.from({ length: 24 * days }, (_, h) => h * HOUR);
    const x = time.map((_, h) => 10 + (h % 17));
    const y = x.map((v, h) => 0.5 * v + (Math.floor(h / 24) === shiftOn ? 20 : 0));
    return { station: 's', time, x, y, rh: time.map(() => 60), temp: time.map(() => 20), weight: 1 };
  };
  const of = (days: number, shiftOn: number) => errorsOnOtherDays([pairs(days, shiftOn)], (left) => fitOnce('plantower', left, days * DAY, 6, SETTINGS)); // prettier-ignore
  expect(of(1, -1)).toBeNull();
  expect(of(6, -1)?.worst).toBeLessThan(3);
  // The day that is unlike all others is not seen when it is judged.
  expect(of(6, 3)?.worst).toBeGreaterThan(15);
  expect(of(40, -1)).toMatchObject({ kind: 'days', pairs: 40 * 24 });
});
