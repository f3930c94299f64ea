/** Who may do what: `Authorization: Bearer <box key | owner token | writer token | admin token>`. */
import { createHash, timingSafeEqual } from 'node:crypto';
import type { FastifyRequest } from 'fastify';
import type { Principal, Registry } from '../registry/registry.ts';
import { Guesses } from './guesses.ts';
import { Problem } from './problem.ts';

const BEARER = /^Bearer +([\x21-\x7e]{1,512})$/i;
const sha = (text: string): Buffer => createHash('sha256').update(text).digest();
export const CHALLENGE = { 'www-authenticate': 'Bearer realm="lamppost"' };

export class Gatekeeper {
  readonly #registry: Registry;
  readonly #admin: Buffer | null;
  /** Wrong keys and links, by address. */
  readonly guesses: Guesses;
  /** Who a request comes from, found out once. */
  readonly #known = new WeakMap<FastifyRequest, Principal>();

  constructor(registry: Registry, adminToken: string, guesses = new Guesses()) {
    this.guesses = guesses;
    this.#registry = registry;
    this.#admin = adminToken === '' ? null : sha(adminToken);
  }

  /** null = the request carries no credentials. @throws Problem when it carries some that are not right */
  principal(request: FastifyRequest): Principal | null {
    const known = this.#known.get(request);
    if (known) return known;
    const secret = this.secret(request);
    if (secret === null) return null;
    this.guesses.check(request.ip);
    const principal = this.open(secret);
    if (!principal) this.guesses.wrong(request.ip);
    if (!principal) throw new Problem('unauthorized', 'The key or token is not known', { headers: CHALLENGE });
    this.#known.set(request, principal);
    return principal;
  }

  open(secret: string): Principal | null {
    if (this.#admin && timingSafeEqual(this.#admin, sha(secret))) {
      return { kind: 'token', scope: 'admin', name: 'LAMPPOST_ADMIN_TOKEN' };
    }
    return this.#registry.principal(secret);
  }

  /** The bearer secret of a request, null when there is no Authorization header. */
  secret(request: FastifyRequest): string | null {
    const header = request.headers.authorization;
    if (header === undefined) return null;
    const secret = BEARER.exec(header)?.[1];
    if (secret === undefined) {
      throw new Problem('unauthorized', 'The Authorization header must read: Bearer <key>', { headers: CHALLENGE });
    }
    return secret;
  }

  required(request: FastifyRequest, what: string): Principal {
    const principal = this.principal(request);
    if (!principal) {
      throw new Problem('unauthorized', `${what} Send it as: Authorization: Bearer <key>`, { headers: CHALLENGE });
    }
    return principal;
  }

  admin(request: FastifyRequest): void {
    if (!isAdmin(this.required(request, 'This call needs an admin token.'))) {
      throw new Problem('forbidden', 'This call needs an admin token');
    }
  }

  /** The box's own key, its owner's token, or an admin token. */
  mayWrite(request: FastifyRequest, id: string): void {
    const principal = this.required(request, "Writing needs the box's key or its owner's token.");
    if (isAdmin(principal)) return;
    if ((principal.kind === 'box' || principal.kind === 'owner') && principal.id === id) return;
    throw new Problem('forbidden', 'The key or token given belongs to another box');
  }

  /** The owner of a box, or an admin. */
  owner(request: FastifyRequest, id: string): void {
    const principal = this.required(request, "This call needs the owner's token.");
    if (isAdmin(principal) || (principal.kind === 'owner' && principal.id === id)) return;
    throw new Problem('forbidden', "This call needs the token of the box's owner");
  }
}

export const isAdmin = (p: Principal): boolean => p.kind === 'token' && p.scope === 'admin';
