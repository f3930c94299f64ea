/** What the owner of a box may do with the token behind the owner link: see it exactly, change it, new keys, retire it. */
import { z } from 'zod';
import { formatTime } from '../../model/time.ts';
import type { Thing } from '../../registry/registry.ts';
import { isSensorIdProperty, sensorIdProperties, sensorIdsOf } from '../../registry/sensor-ids.ts';
import type { App, Context } from '../context.ts';
import { time } from '../parameters.ts';
import { Problem } from '../problem.ts';
import { newSecret, ownerView, thingDetail } from '../schemas.ts';
import { thingDetailView } from '../thing-view.ts';
import { fieldProblem, ownedThing, ownerCall } from './owned.ts';
import { FACTS, registration } from './readings.ts';

const change = z.strictObject({
  ...registration.partial().shape,
  // Defaults belong to registering; a member that is absent here stays as it is.
  placePrecision: registration.shape.placePrecision.unwrap().optional(),
  exposure: registration.shape.exposure.unwrap().optional(),
  sensors: registration.shape.sensors.unwrap().optional(),
  field: registration.shape.field.unwrap().optional(),
  format: registration.shape.format.unwrap().optional(),
  project: registration.shape.project.unwrap().optional(),
  licence: registration.shape.licence.unwrap().optional(),
  attribution: registration.shape.attribution.unwrap().optional(),
  lampPost: registration.shape.lampPost.unwrap().optional(),
  side: registration.shape.side.unwrap().optional(),
  batch: registration.shape.batch.unwrap().optional(),
  from: time.optional().describe('With lat and lon: since when it hangs there; default now'),
});
type Change = z.output<typeof change>;

export function ownerRoutes(app: App, context: Context): void {
  const { registry } = context;

  app.get(
    '/api/v1/boxes/:id/owner',
    {
      schema: ownerCall('getBoxAsOwner', 'The box with its exact places, for its owner', { 200: ownerView }),
    },
    async (request, reply) => {
      const thing = ownedThing(context, request);
      const exact = registry.places(thing.id);
      reply.header('cache-control', 'no-store');
      return {
        ...thingDetailView(context, thing),
        lampPost: thing.properties['lampPost'] ?? '',
        side: thing.properties['side'] ?? '',
        batch: thing.properties['batch'] ?? '',
        sensorIds: Object.fromEntries(sensorIdsOf(thing.properties)),
        exactPlaces: exact.map((p) => ({ lat: p.lat, lon: p.lon, height: p.height, from: formatTime(p.from) })),
      };
    },
  );

  function apply(thing: Thing, { from, lat, lon, height, sensorIds, ...rest }: Change): Thing {
    const now = context.clock();
    if ((lat === undefined) !== (lon === undefined)) {
      throw new Problem('invalid-body', 'lat and lon belong together: give both or neither', {
        errors: [{ field: lat === undefined ? 'lat' : 'lon', detail: 'is missing' }],
      });
    }
    if (from !== undefined && (lat === undefined || from > now)) {
      throw new Problem('invalid-body', 'from goes with lat and lon, and lies not in the future', {
        errors: [{ field: 'from', detail: 'goes with lat and lon, and lies not in the future' }],
      });
    }
    const told = FACTS.filter((key) => rest[key] !== undefined);
    const given: Record<string, unknown> = Object.fromEntries(
      Object.entries(rest).filter(([key, v]) => v !== undefined && !FACTS.some((fact) => fact === key)),
    );
    if (told.length > 0 || sensorIds) {
      const kept = Object.entries(thing.properties).filter(([name]) => !(sensorIds && isSensorIdProperty(name)));
      const facts = {
        ...Object.fromEntries(kept),
        ...sensorIdProperties(sensorIds ?? {}),
        ...Object.fromEntries(told.map((key) => [key, rest[key] as string])),
      };
      given['properties'] = Object.fromEntries(Object.entries(facts).filter(([, v]) => v !== ''));
    }
    const changed = Object.keys(given).length > 0 ? registry.update(thing.id, given, now) : thing;
    if (lat === undefined || lon === undefined) {
      if (height === undefined || !changed.place) return changed;
      return registry.move(thing.id, { ...changed.place, height });
    }
    const there = height === undefined ? (changed.place?.height ?? null) : height;
    return registry.move(thing.id, { lat, lon, height: there, from: from ?? now });
  }

  app.patch(
    '/api/v1/boxes/:id',
    {
      bodyLimit: 64 * 1024,
      schema: ownerCall(
        'changeBox',
        'Change what is said of a box; a new place keeps the former one in its history',
        { 200: thingDetail },
        { body: change },
      ),
    },
    async (request, reply) => {
      const thing = ownedThing(context, request);
      reply.header('cache-control', 'no-store');
      try {
        return thingDetailView(context, apply(thing, request.body));
      } catch (error) {
        fieldProblem(error);
      }
    },
  );

  app.post(
    '/api/v1/boxes/:id/key',
    {
      config: { budget: 'register' },
      schema: ownerCall('rotateKey', 'A new key for the box; the former one stops at once', { 200: newSecret }),
    },
    async (request, reply) => {
      const thing = ownedThing(context, request);
      reply.header('cache-control', 'no-store');
      const key = registry.rotateKey(thing.id);
      context.options.onKeyEnded?.(thing.id);
      return { key };
    },
  );

  app.post(
    '/api/v1/boxes/:id/owner-token',
    {
      config: { budget: 'register' },
      schema: ownerCall(
        'rotateOwnerToken',
        'A new owner link, as when the box is handed over; the former one stops at once',
        { 200: newSecret },
      ),
    },
    async (request, reply) => {
      const thing = ownedThing(context, request);
      const ownerToken = registry.rotateOwnerToken(thing.id);
      reply.header('cache-control', 'no-store');
      return { ownerToken, ownerUrl: `${context.baseUrl(request)}/boxes/${thing.id}#owner=${ownerToken}` };
    },
  );

  app.delete(
    '/api/v1/boxes/:id',
    {
      schema: ownerCall('retireBox', 'Retire the box: it sends no more, its history stays', { 204: z.undefined() }),
    },
    async (request, reply) => {
      const { id } = ownedThing(context, request);
      registry.retire(id, context.clock());
      context.options.onKeyEnded?.(id);
      return reply.code(204).send();
    },
  );
}
