/** Which pooled model is in force: how a newer fit takes over, how the one before comes back, and what an operator has put back. */
import { DAY, type EpochMs } from '../../model/time.ts';
import type { Memory, NamedPooled, PoolState } from './memory.ts';
import type { PutBackModel } from './models.ts';
import { BETWEEN } from './pooled.ts';
import { comesBack, newTrial, TRIAL, trialErrors, verdict, type Trial } from './trial.ts';

/** Something happened between the models of a type of sensor. */
export interface ModelTurn {
  readonly time: EpochMs;
  /** The pool. */
  readonly subject: string;
  /**
   * `in force`: taken at once (first model, young, no reference, a clock or a station found wrong, another kind that has won over days).
   * `shadow`: runs beside the one in force from now on. `promoted`, `declined`: how that ended. `came back`: the one before did better by a
   * fifth. `put back`, `released`: by an operator.
   */
  readonly turn: 'in force' | 'shadow' | 'promoted' | 'declined' | 'came back' | 'put back' | 'released';
  readonly model: string;
  /** The model in force until then; '' = none. */
  readonly before: string;
  /** Pairs that judged, and weighted errors of the model in force and of the other one [µg/m³]; null = nothing was judged. */
  readonly pairs: number;
  readonly force: number | null;
  readonly other: number | null;
}

/** What an operator has decided (`lamppost models`); holds from `at` on, in data time, in every run over the same data. */
export interface ModelDecision {
  /** From 1, in the order in which they were made. */
  readonly number: number;
  readonly at: EpochMs;
  readonly pool: string;
  /** The model to put back; null = hold it no longer. */
  readonly model: PutBackModel | null;
  /** Whether no other model may take over before it is released. */
  readonly hold: boolean;
}

/** The models of a type, as they stand now. */
export interface PoolInForce {
  readonly subject: string;
  readonly model: string;
  readonly since: EpochMs;
  readonly held: boolean;
  /** An operator put it back. */
  readonly putBack: boolean;
  /** Runs beside it; '' = none. */
  readonly shadow: string;
  readonly shadowSince: EpochMs | null;
  readonly shadowPairs: number;
  /** Errors of the two so far [µg/m³]. */
  readonly force: number | null;
  readonly other: number | null;
}

const round = (v: number): number | null => (Number.isFinite(v) ? Math.round(v * 1000) / 1000 : null);

function turn(
  m: Memory,
  subject: string,
  what: ModelTurn['turn'],
  now: EpochMs,
  model: string,
  before: string,
  trial: Trial<unknown> | null = null,
): void {
  const { pairs, force, other } = trial ? trialErrors(trial) : { pairs: 0, force: NaN, other: NaN };
  m.s.turns.push({ time: now, subject, turn: what, model, before, pairs, force: round(force), other: round(other) });
}

/** Before tonight's fit: the model in the shadow takes over or goes; one that did badly gives way to the one before it. */
export function settleTrials(m: Memory, subject: string, pool: PoolState, now: EpochMs): void {
  const { pooled, former, shadow } = pool;
  if (!pooled) return;
  if (pool.held) {
    if (shadow && verdict(shadow, now) !== null) pool.shadow = null;
    return;
  }
  if (former && former.model.id !== pooled.id && comesBack(former, now)) {
    turn(m, subject, 'came back', now, former.model.id, pooled.id, former);
    install(pool, former.model, now);
    pool.former = null;
    return;
  }
  if (former && !isWatched(former, now)) pool.former = null;
  const told = shadow ? verdict(shadow, now) : null;
  if (!shadow || told === null) return;
  turn(m, subject, told, now, shadow.model.id, pooled.id, shadow);
  if (told === 'promoted') takeOver(pool, shadow.model, now);
  else pool.shadow = null;
}

const isWatched = (former: Trial<unknown>, now: EpochMs): boolean => now - former.since <= TRIAL.watched;

/** Tonight's fit: into force or into the shadow. */
export function succeed(
  m: Memory,
  subject: string,
  pool: PoolState,
  model: NamedPooled,
  atOnce: boolean,
  now: EpochMs,
): void {
  const before = pool.pooled;
  if (!before || (atOnce && !pool.held)) {
    takeOver(pool, model, now);
    turn(m, subject, 'in force', now, model.id, before?.id ?? '');
  } else if (!pool.shadow) {
    pool.shadow = newTrial(model, now);
    turn(m, subject, 'shadow', now, model.id, before.id);
  }
}

function takeOver(pool: PoolState, model: NamedPooled, now: EpochMs): void {
  // Not the one of yesterday: a week of small steps may lead astray, too.
  if (pool.pooled) pool.former ??= newTrial(pool.pooled, now);
  install(pool, model, now);
}

function install(pool: PoolState, model: NamedPooled, now: EpochMs): void {
  pool.pooled = model;
  pool.since = now;
  pool.shadow = null;
  pool.putBack = false;
}

/**
 * Applies what operators have decided and whose time has come. A later word for an earlier time takes the place of what had been decided for
 * times after it: so a run from the beginning ends where the live one does.
 */
export function decideByHand(m: Memory, decisions: readonly ModelDecision[], now: EpochMs): void {
  const { decided } = m.s;
  if (decided.length === decisions.length) return;
  for (const d of decisions.toSorted((a, b) => a.at - b.at || a.number - b.number)) {
    if (d.at > now || decided.includes(d.number)) continue;
    for (const { number, pool, at } of decisions)
      if (number <= d.number && pool === d.pool && at >= d.at && !decided.includes(number)) decided.push(number);
    const pool = m.pool(d.pool);
    const before = pool.pooled?.id ?? '';
    if (d.model) {
      const {
        id,
        coefficients,
        range,
        without,
        zones = [],
        between = BETWEEN.variance,
        scale,
        pairs,
        stations,
        guards,
        from,
        to,
      } = d.model;
      const days = Math.max(1, Math.round((to - from) / DAY));
      install(
        pool,
        {
          id,
          betas: coefficients,
          range,
          without,
          zones,
          between,
          scale,
          pairs,
          days,
          stations,
          guards,
          from,
          to,
          liars: [],
          validation: null,
        },
        now,
      );
      pool.growth = (coefficients.PR?.length ?? 3) > 3;
      pool.rival = null;
      pool.contest = [];
      pool.former = null;
      pool.putBack = true;
    }
    pool.held = d.model !== null && d.hold;
    turn(m, d.pool, d.model ? 'put back' : 'released', now, pool.pooled?.id ?? '', before);
  }
}

export function poolsInForce(m: Memory): PoolInForce[] {
  const found: PoolInForce[] = [];
  for (const [subject, pool] of m.s.pools) {
    if (!pool.pooled) continue;
    const { shadow } = pool;
    const errors = shadow ? trialErrors(shadow) : { pairs: 0, force: NaN, other: NaN };
    found.push({
      subject,
      model: pool.pooled.id,
      since: pool.since,
      held: pool.held,
      putBack: pool.putBack,
      shadow: shadow?.model.id ?? '',
      shadowSince: shadow?.since ?? null,
      shadowPairs: errors.pairs,
      force: round(errors.force),
      other: round(errors.other),
    });
  }
  return found.sort((a, b) => (a.subject < b.subject ? -1 : 1));
}
