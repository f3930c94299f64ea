/**
 * Changing relations by their addresses (18-088 §9.3.2, after OData 4.0 part 1 §11.4.6): POST to `Things(1)/Locations/$ref`
 * adds a link, DELETE takes it away, PUT to `Datastreams(1)/Thing/$ref` sets the one there is.
 */
import { entity, type EntityType, type Navigation } from './entities.ts';
import type { Json } from './entity-json.ts';
import { parsePath, type EntityId, type PathStep, type ResourcePath } from './path.ts';
import { badRequest, StaProblem } from './problem.ts';
import { resolve, type ReadContext } from './read.ts';
import type { Writer } from './write.ts';

/** `{"@iot.id": 1}`, or an address as `@iot.selfLink`, `@odata.id` or `url`. */
function targetId(body: Json, type: EntityType, base: string): number {
  const value = typeof body === 'object' && body !== null && !Array.isArray(body) ? body : {};
  const id = value['@iot.id'] ?? value['id'];
  if (typeof id === 'number') return id;
  const url = value['@iot.selfLink'] ?? value['@odata.id'] ?? value['@id'] ?? value['url'];
  if (typeof url !== 'string') throw badRequest('a reference is {"@iot.id": 1} or {"@iot.selfLink": "…/Things(1)"}');
  return idIn(url, type, base);
}

function idIn(url: string, type: EntityType, base: string): number {
  const path = parsePath(url.startsWith(base) ? url.slice(base.length) : url.replace(/^.*\/v1\.1\//, '/'));
  const [step] = path.steps;
  if (path.steps.length !== 1 || step?.type !== type || typeof step.id !== 'number')
    throw badRequest(`"${url.slice(0, 80)}" is no address of a ${type.name}, such as ${base}/${type.set}(1)`);
  return step.id;
}

/** The set or entity that the path names, and whose relation it is. */
async function relation(
  ctx: ReadContext,
  path: ResourcePath,
): Promise<{ type: EntityType; id: number; navigation: Navigation; last: PathStep }> {
  const last = path.steps.at(-1) as PathStep;
  if (!last.navigation)
    throw new StaProblem(405, '$ref of a whole set cannot be changed; name a relation of an entity');
  const { type, row } = await resolve(ctx, { ...path, steps: path.steps.slice(0, -1), ref: false });
  const id = row?.['id'] as EntityId;
  if (typeof id !== 'number') throw new StaProblem(403, 'observations of boxes do not change');
  return { type, id, navigation: last.navigation, last };
}

/** @throws StaProblem 400, 403, 404, 405 */
export async function changeReference(
  ctx: ReadContext,
  writer: Writer,
  method: string,
  path: ResourcePath,
  query: string,
  body: () => Json,
): Promise<void> {
  const { type, id, navigation, last } = await relation(ctx, path);
  const target = entity(navigation.target);
  const many = navigation.many && last.id === null;
  if (method === 'POST' && many) {
    const other = targetId(body(), target, ctx.base);
    writer.transaction(() => writer.addLink(type, id, navigation, other));
  } else if (method === 'PUT' && !navigation.many) {
    const other = targetId(body(), target, ctx.base);
    writer.transaction(() => writer.update(type, id, { [navigation.name]: { '@iot.id': other } }, false));
  } else if (method === 'DELETE' && navigation.many) {
    const named = new URLSearchParams(query).get('$id');
    const other = typeof last.id === 'number' ? last.id : named === null ? null : idIn(named, target, ctx.base);
    if (other === null) throw badRequest(`say which one: …/${navigation.name}(1)/$ref, or …/$ref?$id=<its address>`);
    writer.transaction(() => writer.removeLink(type, id, navigation, other));
  } else if (method === 'DELETE')
    throw badRequest(`a ${type.name} must have its ${navigation.name}; PUT another in its place`);
  else
    throw new StaProblem(
      405,
      navigation.many ? 'POST adds to this relation, DELETE takes from it' : 'PUT sets this relation',
    );
}
