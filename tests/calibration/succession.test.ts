/** Models over weeks: what runs in the shadow, what takes over, what an operator puts back. */
import { describe, expect, it } from 'vitest';
import { createStage } from '../../calibration/create.ts';
import type { ModelCard } from '../../calibration/correction/models.ts';
import type { CalibrationStage, ModelDecision, ModelTurn, PutBackModel } from '../../calibration/stage.ts';
import type { RawReading } from '../../model/observation.ts';
import { DAY, HOUR, smallCity, START, type City } from './small_city.ts';

const city = smallCity(24, { seed: 5 });

interface Run {
  readonly stage: CalibrationStage;
  readonly answers: Map<string, string>;
  /** By id of the box that has no station, the model behind each answer. */
  readonly modelOf: (box: string, time: number) => string | undefined;
}

/** The city through a stage, hour by hour; with `resumeAt` it is put away and taken up again there. */
function run(
  of: City,
  decisions: readonly ModelDecision[] = [],
  resumeAt = NaN,
  spoil: (time: number) => number = () => 1,
): Run {
  let stage = createStage({ lagMs: HOUR });
  const equip = (s: CalibrationStage): void => {
    for (const station of of.input.stations) s.setStation(station);
    for (const box of of.input.boxes) s.setBox(box);
    s.setColocations(of.input.colocations);
    s.setDecisions(decisions);
  };
  equip(stage);
  const byTime = Map.groupBy(of.rows, (r) => r.time);
  const reference = Map.groupBy(of.input.reference, (r) => r.time);
  const numOf = new Map(of.input.boxes.map((b) => [b.id, b.num]));
  const answers = new Map<string, string>();
  const models = new Map<string, string>();
  for (const [time, rows] of [...byTime].sort(([a], [b]) => a - b)) {
    if (time === resumeAt) {
      const saved = stage.snapshot();
      stage = createStage({ lagMs: HOUR });
      stage.restore(saved);
      stage.setDecisions(decisions);
    }
    const known = (reference.get(time - 2 * HOUR) ?? []).map((r) => ({ ...r, pm25: r.pm25 * spoil(r.time) }));
    if (known.length > 0) stage.reference(known);
    stage.advance(time);
    const readings = rows.map((r): RawReading => ({
      stage: 'raw',
      thing: r.box,
      thingNum: numOf.get(r.box) as number,
      phenomenonTime: time,
      resultTime: time,
      clock: 'box',
      seq: 0,
      values: [
        { property: 'pm25', raw: r.pm25 },
        { property: 'temperature', raw: r.temperature },
        { property: 'humidity', raw: r.humidity },
      ],
    }));
    for (const reading of stage.correct(stage.check(readings))) {
      const v = reading.values[0];
      answers.set(`${reading.thing} ${time}`, `${v?.corrected} ${v?.lo90} ${v?.hi90} ${v?.level} ${v?.model}`);
      models.set(`${reading.thing} ${time}`, v?.model ?? '');
    }
  }
  return { stage, answers, modelOf: (box, time) => models.get(`${box} ${time}`) };
}

const turnsOf = (r: Run, turn: ModelTurn['turn']): ModelTurn[] => r.stage.turns.filter((t) => t.turn === turn);
const plain = run(city);
const cards = new Map((plain.stage.cards as readonly ModelCard[]).map((c) => [c.id, c]));

function cardOf(id: string): PutBackModel {
  const card = cards.get(id) as ModelCard & { from: number; to: number };
  return card as unknown as PutBackModel;
}

describe('a pooled model', () => {
  it('is taken at once for a fortnight, then each fit runs a day in the shadow', () => {
    const first = turnsOf(plain, 'in force');
    const shadows = turnsOf(plain, 'shadow');
    expect(first.length).toBeGreaterThan(8);
    expect(shadows.length).toBeGreaterThan(5);
    expect(Math.max(...first.map((t) => t.time))).toBeLessThan(Math.min(...shadows.map((t) => t.time)));
    for (const shadow of shadows.slice(0, -1)) {
      const end = plain.stage.turns.find((t) => t.model === shadow.model && t.turn !== 'shadow');
      expect(end?.turn).toMatch(/promoted|declined/);
      expect((end as ModelTurn).time - shadow.time).toBe(DAY);
      expect((end as ModelTurn).pairs).toBeGreaterThan(50);
      expect(end?.turn === 'promoted').toBe((end?.other as number) <= (end?.force as number));
    }
  });

  it('answers only when it is in force', () => {
    for (const { model, time } of turnsOf(plain, 'shadow')) {
      for (let t = START + Math.ceil((time - START) / HOUR) * HOUR; t < time + DAY - HOUR; t += HOUR)
        expect(plain.modelOf('b4', t)).not.toBe(model);
    }
  });

  it('has a card that says how it does at stations it has not seen', () => {
    const [{ model }] = turnsOf(plain, 'shadow') as [ModelTurn];
    const { validation } = cards.get(model) as ModelCard;
    expect(validation).toMatchObject({ stations: 3 });
    expect(validation?.rmse).toBeLessThan((validation?.raw as number) / 2);
    expect(validation?.worst).toBeGreaterThanOrEqual(validation?.rmse as number);
  });

  it('does not follow a day on which all stations were wrong', () => {
    const badDay = START + 20 * DAY;
    const spoilt = run(city, [], NaN, (t) => (t >= badDay && t < badDay + DAY ? 3 : 1));
    const after = turnsOf(spoilt, 'declined').filter((t) => t.time > badDay + DAY);
    expect(after.length).toBeGreaterThan(0);
  });

  it('is the same on every run, and when the stage is put away in between', () => {
    const again = run(city, [], START + 19 * DAY + 5 * HOUR);
    expect(again.answers).toEqual(plain.answers);
    expect(again.stage.turns).toEqual(plain.stage.turns);
  });
});

describe('an operator', () => {
  const [early] = turnsOf(plain, 'in force').slice(2) as [ModelTurn];
  const at = START + 18 * DAY + 6 * HOUR;
  const decision = (hold: boolean): ModelDecision => ({
    number: 1,
    at,
    pool: early.subject,
    model: cardOf(early.model),
    hold,
  });

  it('puts an earlier model back from a moment on, and nothing before it changes', () => {
    const held = run(city, [decision(true)]);
    for (const [key, answer] of held.answers) {
      const time = Number(key.split(' ')[1]);
      if (time < at) expect(answer).toBe(plain.answers.get(key));
    }
    expect(turnsOf(held, 'put back')).toMatchObject([{ model: early.model, subject: early.subject }]);
    expect(held.stage.inForce()).toMatchObject([{ model: early.model, held: true, putBack: true }]);
    for (let t = at; t < START + 24 * DAY; t += HOUR) {
      const model = held.modelOf('b4', t) as string;
      expect(cards.get(model)?.kind === 'network' || model === early.model).toBe(true);
    }
  });

  it('may let later fits take over again, which have to win a day in the shadow', () => {
    const free = run(city, [decision(false)]);
    const later = free.stage.turns.filter((t) => t.time > at);
    expect(later.some((t) => /promoted|declined/.test(t.turn) && t.pairs > 50)).toBe(true);
    expect(later.some((t) => t.turn === 'in force')).toBe(false);
    const released = run(city, [
      decision(true),
      { number: 2, at: at + 2 * DAY, pool: early.subject, model: null, hold: false },
    ]);
    expect(turnsOf(released, 'released')).toHaveLength(1);
    expect(released.stage.inForce()[0]?.held).toBe(false);
  });

  it('may change his mind for an earlier time: the later word holds', () => {
    const later = turnsOf(plain, 'in force').at(-1) as ModelTurn;
    const second: ModelDecision = { number: 2, at: at - DAY, pool: early.subject, model: cardOf(later.model), hold: true }; // prettier-ignore
    const both = run(city, [decision(true), second]);
    expect(turnsOf(both, 'put back').map((t) => t.model)).toEqual([later.model]);
    expect(both.stage.inForce()[0]?.model).toBe(later.model);
  });

  it('has decided once: a stage taken up later does not apply it again', () => {
    const once = run(city, [decision(true)]);
    const resumed = run(city, [decision(true)], at + DAY);
    expect(resumed.answers).toEqual(once.answers);
    expect(turnsOf(resumed, 'put back')).toHaveLength(1);
  });
});
