/** Zod schemas as OpenAPI 3.1. Zod leaves examples out where a schema transforms its input, so those travel as `sample`. */
import type { SwaggerTransform } from '@fastify/swagger';
import { jsonSchemaTransform } from 'fastify-type-provider-zod';

interface Described {
  properties?: Record<string, { type?: string; default?: unknown; sample?: unknown; examples?: unknown[] }>;
}

export const describeSchema: SwaggerTransform = (document) => {
  const out = jsonSchemaTransform(document) as { schema: { querystring?: Described }; url: string };
  for (const parameter of Object.values(out.schema?.querystring?.properties ?? {})) {
    if (parameter.type === 'integer' && typeof parameter.default === 'string')
      parameter.default = Number(parameter.default);
    if (parameter.sample === undefined) continue;
    parameter.examples = [parameter.sample];
    delete parameter.sample;
  }
  return out;
};

/** OpenAPI 3.1 is JSON Schema 2020-12: positions of an array are `prefixItems`, where the generator writes the older `items: […]`. */
export function withTuples(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(withTuples);
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(
    Object.entries(value).map(([key, inner]) => [
      key === 'items' && Array.isArray(inner) ? 'prefixItems' : key,
      withTuples(inner),
    ]),
  );
}
