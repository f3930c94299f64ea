/** RFC 6902 on an entity's JSON; only what the entity itself holds can be patched. */
import { badRequest } from './problem.ts';
import { parseExact, type Json } from './entity-json.ts';

/** Numbers that no double holds come through. */
const copy = (value: Json): Json => parseExact(JSON.stringify(value));

type Container = { [key: string]: Json } | Json[];
const isContainer = (value: Json | undefined): value is Container => typeof value === 'object' && value !== null;

/** RFC 6901 §4: `~1` is `/`, `~0` is `~`. */
function pointer(text: Json | undefined): string[] {
  if (typeof text !== 'string' || !text.startsWith('/')) throw badRequest('JSON Patch: "path" must begin with "/"');
  return text
    .slice(1)
    .split('/')
    .map((s) => s.replaceAll('~1', '/').replaceAll('~0', '~'));
}

function parentOf(document: Json, path: readonly string[]): Container {
  let at: Json | undefined = document;
  for (const key of path.slice(0, -1)) {
    if (!isContainer(at)) break;
    at = Array.isArray(at) ? at[Number(key)] : Object.hasOwn(at, key) ? at[key] : undefined;
  }
  if (!isContainer(at)) throw badRequest(`JSON Patch: /${path.join('/')} does not exist`);
  return at;
}

function getAt(document: Json, path: readonly string[]): Json {
  const parent = parentOf(document, path);
  const key = path.at(-1) as string;
  const value = Array.isArray(parent) ? parent[Number(key)] : Object.hasOwn(parent, key) ? parent[key] : undefined;
  if (value === undefined) throw badRequest(`JSON Patch: /${path.join('/')} does not exist`);
  return value;
}

function removeAt(document: Json, path: readonly string[]): void {
  getAt(document, path);
  const parent = parentOf(document, path);
  const key = path.at(-1) as string;
  if (Array.isArray(parent)) parent.splice(Number(key), 1);
  else delete parent[key];
}

function addAt(document: Json, path: readonly string[], value: Json, replace: boolean): void {
  const parent = parentOf(document, path);
  const key = path.at(-1) as string;
  if (Array.isArray(parent)) {
    const index = key === '-' ? parent.length : Number(key);
    if (!Number.isInteger(index) || index < 0 || index > parent.length)
      throw badRequest(`JSON Patch: /${path.join('/')} is outside the array`);
    parent.splice(index, replace ? 1 : 0, value);
  } else if (key === '__proto__') throw badRequest('JSON Patch: __proto__ is not a property');
  else parent[key] = value;
}

/** A changed copy. @throws StaProblem 400 for a malformed patch or a failed test */
export function applyPatch(document: Json, patch: Json): Json {
  if (!Array.isArray(patch)) throw badRequest('JSON Patch: the body must be an array of operations');
  const result = copy(document);
  for (const step of patch) {
    if (!isContainer(step) || Array.isArray(step)) throw badRequest('JSON Patch: each operation is an object');
    const path = pointer(step['path']);
    const value = step['value'];
    switch (step['op']) {
      case 'add':
      case 'replace':
        if (value === undefined) throw badRequest('JSON Patch: "value" is missing');
        if (step['op'] === 'replace') getAt(result, path);
        addAt(result, path, copy(value), step['op'] === 'replace');
        break;
      case 'remove':
        removeAt(result, path);
        break;
      case 'copy':
      case 'move': {
        const from = pointer(step['from']);
        const moved = copy(getAt(result, from));
        if (step['op'] === 'move') removeAt(result, from);
        addAt(result, path, moved, false);
        break;
      }
      case 'test':
        if (JSON.stringify(getAt(result, path)) !== JSON.stringify(value))
          throw badRequest(`JSON Patch: the test of /${path.join('/')} failed`);
        break;
      default:
        throw badRequest(`JSON Patch: "${JSON.stringify(step['op'])}" is no operation`);
    }
  }
  return result;
}
