/** Calls that change something; what went wrong comes back by field, in the reader's language. */
import { isVKey, v } from '../i18n/volunteers.ts';

export type FieldErrors = Readonly<Record<string, string>>;

/** `field` '' = about the whole. */
export class Refused extends Error {
  readonly status: number;
  readonly fields: FieldErrors;
  constructor(status: number, message: string, fields: FieldErrors = {}) {
    super(message);
    this.status = status;
    this.fields = fields;
  }
}

interface ProblemBody {
  readonly detail?: string;
  readonly errors?: readonly { readonly field: string; readonly detail: string }[];
}

/** @throws Refused, also when the server cannot be reached (status 0) */
export async function call<T>(method: string, path: string, token: string, body?: unknown): Promise<T> {
  let response: Response;
  try {
    response = await fetch(`/api/v1/${path}`, {
      method,
      cache: 'no-store',
      headers: {
        ...(token === '' ? {} : { authorization: `Bearer ${token}` }),
        ...(body === undefined ? {} : { 'content-type': 'application/json' }),
      },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
  } catch {
    throw new Refused(0, v('reg.offline'));
  }
  if (response.status === 204) return undefined as T;
  if (response.ok) return (await response.json()) as T;
  const problem = (await response.json().catch(() => ({}))) as ProblemBody;
  if (response.status === 429) {
    throw new Refused(429, v('err.rate', { n: response.headers.get('retry-after') ?? '60' }));
  }
  const fields: Record<string, string> = {};
  for (const { field, detail } of problem.errors ?? []) {
    const name = field.split('.')[0] as string;
    const key = `err.${name}`;
    fields[name] ??= isVKey(key) ? v(key) : v('err.other', { detail });
  }
  throw new Refused(response.status, problem.detail ?? String(response.status), fields);
}

export interface Registered {
  readonly id: string;
  readonly name: string;
  readonly lat: number | null;
  readonly lon: number | null;
  readonly placePrecision: 'exact' | 'grid';
  readonly sensors: readonly string[];
  readonly key: string;
  readonly ownerToken: string;
  readonly ownerUrl: string;
}

export interface ServerConfig {
  readonly mqtt: { readonly port: number | null; readonly tlsPort: number | null };
  readonly mail: boolean;
  readonly url: string;
}

let config: Promise<ServerConfig> | null = null;
export function serverConfig(): Promise<ServerConfig> {
  config ??= call<Partial<ServerConfig>>('GET', 'config', '').then((c) => ({
    mqtt: c.mqtt ?? { port: null, tlsPort: null },
    mail: c.mail === true,
    url: c.url || location.origin,
  }));
  config.catch(() => (config = null));
  return config;
}
