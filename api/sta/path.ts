/**
 * Resource paths of SensorThings 1.1 (18-088 §9.3.2): `/Things(1)/Datastreams(2)/unitOfMeasurement/name/$value` as steps
 * from entity to entity, with what is asked of the last one.
 */
import { entity, entityBySet, navigationOf, propertyOf, type EntityType, type Navigation } from './entities.ts';
import { badRequest, notFound, StaProblem } from './problem.ts';

/** Ids are whole numbers made here, or text (box observations). */
export type EntityId = number | string;

export interface PathStep {
  readonly type: EntityType;
  /** How it is reached from the step before; null for the first. */
  readonly navigation: Navigation | null;
  /** Picks one of a set. */
  readonly id: EntityId | null;
}

export interface ResourcePath {
  readonly steps: readonly PathStep[];
  /** Of one entity: a property, and the way into its json. */
  readonly property: readonly string[] | null;
  /** The last step of that way as it was written: `intArray[1]`. */
  readonly propertyName: string;
  readonly value: boolean;
  readonly ref: boolean;
  readonly count: boolean;
}

export const MAX_PATH_STEPS = 16;

/** One entity, or a set of them? */
export const isCollection = (path: ResourcePath): boolean => {
  const last = path.steps.at(-1) as PathStep;
  return last.id === null && (last.navigation === null || last.navigation.many);
};

const SEGMENT = /^([A-Za-z]+)(?:\((.*)\))?$/s;

function parseId(text: string): EntityId {
  const t = text.trim().replace(/^(?:@iot\.)?id\s*=\s*/, '');
  if (/^-?\d{1,15}$/.test(t)) return Number(t);
  // A number that no entity has: not found, rather than misunderstood.
  if (/^-?\d{1,30}$/.test(t)) return t;
  const quoted = /^'((?:[^']|'')*)'$/s.exec(t);
  if (quoted) return (quoted[1] as string).replaceAll("''", "'");
  throw badRequest(`"${text}" is no id: expected a whole number or 'text'`);
}

/** Splits at slashes outside quotes: an id may hold one. */
function segments(path: string): string[] {
  const parts = [''];
  let inString = false;
  for (const c of path) {
    if (c === "'") inString = !inString;
    if (c === '/' && !inString) parts.push('');
    else parts[parts.length - 1] += c;
  }
  return parts.filter((s, i) => s !== '' || (i > 0 && i < parts.length - 1));
}

/** `intArray[0][1]` is three steps into a json value. */
function indexed(step: string): string[] {
  const m = /^([^[\]]+)((?:\[\d{1,9}\])+)$/.exec(step);
  return m ? [m[1] as string, ...(m[2] as string).slice(1, -1).split('][')] : [step];
}

/** `path` comes after `/v1.1`, percent-encoded as sent. @throws StaProblem 400, 404 */
export function parsePath(path: string): ResourcePath {
  let decoded: string;
  try {
    decoded = decodeURIComponent(path);
  } catch (cause) {
    throw Object.assign(new StaProblem(400, 'the path is not valid percent-encoding'), { cause });
  }
  const parts = segments(decoded.replace(/^\//, ''));
  if (parts.length > MAX_PATH_STEPS) throw badRequest(`the path has more than ${MAX_PATH_STEPS} steps`);
  const steps: PathStep[] = [];
  let i = 0;
  for (; i < parts.length; i++) {
    const part = parts[i] as string;
    if (part.startsWith('$')) break;
    const m = SEGMENT.exec(part);
    const before = steps.at(-1);
    const name = m?.[1] ?? part;
    if (!before) {
      const type = entityBySet(name);
      if (!type || !m)
        throw notFound(`there is no resource "${part.slice(0, 80)}"; see the service root for what there is`);
      steps.push({ type, navigation: null, id: m[2] === undefined ? null : parseId(m[2]) });
      continue;
    }
    const navigation = navigationOf(before.type, name);
    if (!navigation || !m) break;
    const many = before.id === null && (before.navigation === null || before.navigation.many);
    if (many) throw badRequest(`"${name}" of a set: name one of it first, such as ${before.type.set}(1)/${name}`);
    if (m[2] !== undefined && !navigation.many) throw badRequest(`${name} is one entity and takes no id`);
    steps.push({ type: entity(navigation.target), navigation, id: m[2] === undefined ? null : parseId(m[2]) });
  }
  const last = steps.at(-1);
  if (!last) throw notFound('the path names no resource');
  const rest = parts.slice(i);
  const tail = rest.at(-1);
  const value = tail === '$value';
  const ref = tail === '$ref';
  const count = tail === '$count';
  const written = value || ref || count ? rest.slice(0, -1) : rest;
  const property = written.flatMap(indexed);
  const collection = last.id === null && (last.navigation === null || last.navigation.many);
  if (property.length > 0) {
    const first = (property[0] as string).replace(/^@iot\./, '');
    if (collection) throw badRequest(`"${first}" of a set: name one of it first, such as ${last.type.set}(1)/${first}`);
    const found = propertyOf(last.type, first);
    if (!found && first !== 'id' && first !== 'selfLink')
      throw notFound(`${last.type.name} has no property "${first}"`);
    if (
      property.length > 1 &&
      (!found || found.type === 'string' || found.type === 'instant' || found.type === 'interval')
    )
      throw notFound(`"${first}" has nothing inside it`);
    if (ref || count) throw badRequest(`$ref and $count go with entities, not with properties`);
    property[0] = first;
  } else if (value) throw badRequest('$value goes with a property');
  if (count && !collection) throw badRequest('$count goes with a set');
  const propertyName = (written.at(-1) ?? '').replace(/^@iot\./, '');
  return { steps, property: property.length > 0 ? property : null, propertyName, value, ref, count };
}
