/** Who somebody is, and what they may publish and read (design §6). Pure but for the registry that is asked. */
import { createHash, timingSafeEqual } from 'node:crypto';
import type { Registry, TokenScope } from '../registry/registry.ts';
import type { Refusal } from './stats.ts';
import { covers, matches, parseTopic, validFilter } from './topic.ts';

/** Somebody behind a connection. */
export type User =
  | { readonly kind: 'anonymous' }
  | { readonly kind: 'box'; readonly id: string }
  | { readonly kind: 'token'; readonly name: string; readonly scope: TokenScope };

export const ANONYMOUS: User = { kind: 'anonymous' };

const BOX_ID = /^[a-z0-9-]{8,40}$/;

export interface Credentials {
  readonly username: string | undefined;
  readonly password: Uint8Array | undefined;
}

/**
 * `null` = refused (CONNACK return code 4): a known box with a wrong key, or a token that is none.
 * A user name that is no box is anonymous: MAPS6 fleets share one public name and password.
 */
export function identify(
  { username, password }: Credentials,
  registry: Pick<Registry, 'authenticate' | 'principal'>,
  adminToken: string,
): User | null {
  if (username === undefined) return ANONYMOUS;
  const secret = Buffer.from(password ?? []).toString('utf8');
  if (username === 'token') {
    if (adminToken !== '' && sameSecret(secret, adminToken)) return { kind: 'token', name: 'admin', scope: 'admin' };
    const principal = registry.principal(secret);
    return principal?.kind === 'token' ? { kind: 'token', name: principal.name, scope: principal.scope } : null;
  }
  if (!BOX_ID.test(username)) return ANONYMOUS;
  switch (registry.authenticate(username, secret)) {
    case 'ok':
      return { kind: 'box', id: username };
    case 'refused':
      return null;
    default:
      return ANONYMOUS;
  }
}

function sameSecret(a: string, b: string): boolean {
  const hash = (s: string): Buffer => createHash('sha256').update(s).digest();
  return timingSafeEqual(hash(a), hash(b));
}

/**
 * The client id as the broker keeps it: it belongs to its user, so nobody can kick off another's connection by taking its id.
 * Anonymous connections are strangers to each other even under one id (`connection` tells them apart): LASS boxes that were
 * flashed with the same id would otherwise kick each other off for ever. A dead one ends by its keep-alive.
 */
export function ownedClientId(user: User, clientId: string, connection: number): string {
  switch (user.kind) {
    case 'box':
      return `box:${user.id}:${clientId}`;
    case 'token':
      return `token:${user.name}:${clientId}`;
    default:
      return `anonymous:${connection}:${clientId}`;
  }
}

/** What everybody may do, set by the operator. */
export interface Openness {
  readonly topics: readonly (readonly string[])[];
  /** A scratch instance: anyone writes through SensorThings. */
  readonly sensorThings: boolean;
}

export type PublishRight =
  /** Goes to the journal; `sender` is the box that is vouched for, '' = nobody. */
  | { readonly kind: 'readings'; readonly sender: string; readonly open: boolean }
  | { readonly kind: 'status'; readonly box: string }
  | { readonly kind: 'sensorthings' }
  | { readonly kind: 'refused'; readonly reason: Refusal };

const refused = (reason: Refusal): PublishRight => ({ kind: 'refused', reason });

export function publishRight(user: User, name: string, open: Openness): PublishRight {
  const topic = parseTopic(name);
  if (!topic) return refused('no-such-topic');
  switch (topic.kind) {
    case 'readings':
    case 'status': {
      const mayAll = user.kind === 'token' && (user.scope === 'admin' || user.scope === 'bridge');
      if (!mayAll && !(user.kind === 'box' && user.id === topic.box)) return refused('not-your-box');
      return topic.kind === 'status'
        ? { kind: 'status', box: topic.box }
        : { kind: 'readings', sender: topic.box, open: false };
    }
    case 'sensorthings':
      return open.sensorThings || (user.kind === 'token' && (user.scope === 'admin' || user.scope === 'sta-write'))
        ? { kind: 'sensorthings' }
        : refused('no-write-token');
    default:
      // Firmware that takes user and password but no topic of its own.
      if (user.kind === 'box' && matches(AIRGRADIENT, name)) return { kind: 'readings', sender: user.id, open: true };
      return open.topics.some((filter) => matches(filter, name))
        ? { kind: 'readings', sender: user.kind === 'box' ? user.id : '', open: true }
        : refused('topic-not-open');
  }
}

const SENSORTHINGS = ['v1.1', '#'];
const AIRGRADIENT = ['airgradient', 'readings', '+'];

/** Whether somebody may subscribe to a filter, that is read every topic it can match. A topic name is a filter too. */
export function mayRead(user: User, filter: string, openTopics: readonly (readonly string[])[]): boolean {
  if (!validFilter(filter) || filter.startsWith('$')) return false;
  const levels = filter.split('/');
  if (user.kind === 'token' && (user.scope === 'admin' || user.scope === 'bridge')) return true;
  if (covers(SENSORTHINGS, levels)) return true;
  if (user.kind === 'box' && covers(['boxes', user.id, '#'], levels)) return true;
  return openTopics.some((open) => covers(open, levels));
}
