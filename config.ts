/**
 * The settings of Lamppost: one table, from which the checks, the environment names and `docs/settings.md` are made.
 * Order: what the command sets, then environment, then the file, then the default. Anything unknown or impossible stops the
 * start with a `ConfigError` that names key, value and what is allowed; no part has been started by then.
 */
import { existsSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { z } from 'zod';
import { feedSettings, type FeedSettings } from './ingest/feeds/settings.ts';

export const CONFIG_FILE = 'lamppost.config.json';

const LOG_LEVELS = ['fatal', 'error', 'warn', 'info', 'debug', 'trace', 'silent'] as const;

function isTimezone(name: string): boolean {
  try {
    return new Intl.DateTimeFormat('en', { timeZone: name }).resolvedOptions().timeZone !== '';
  } catch {
    return false;
  }
}

function isHttpUrl(text: string): boolean {
  const url = URL.parse(text);
  return url !== null && /^https?:$/.test(url.protocol) && url.search === '' && url.hash === '' && !url.username;
}

/** MQTT 3.1.1 §4.7.1: `#` only as the last level, `+` only as a whole level. */
function isOpenTopic(filter: string): boolean {
  const levels = filter.split('/');
  const wellFormed = levels.every((l, i) => l === '+' || (l === '#' && i === levels.length - 1) || !/[+#\0]/.test(l));
  return filter !== '' && filter.length <= 1024 && wellFormed && !/^(boxes|v\d\.\d|\$[^/]*|#|\+)(\/|$)/.test(filter);
}

interface Setting<T> {
  readonly env: string;
  readonly schema: z.ZodType<T>;
  readonly byDefault: T;
  readonly doc: string;
  /** What is allowed, in words for the error and the page. */
  readonly allowed: string;
  /** How the text of an environment variable is read; what it cannot read it gives back, for the schema to refuse. */
  readonly read: (text: string) => unknown;
  readonly secret?: true;
}

const asText = (text: string): unknown => text;
const asNumber = (text: string): unknown => (/^-?\d+$/.test(text) ? Number(text) : text);
const asBoolean = (text: string): unknown =>
  ({ true: true, on: true, '1': true, false: false, off: false, '0': false })[text.toLowerCase()] ?? text;
const asList = (text: string): unknown =>
  text
    .split(',')
    .map((s) => s.trim())
    .filter((s) => s !== '');
const asJson = (text: string): unknown => {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return text;
  }
};
const asProxy = (text: string): unknown => {
  const plain = asBoolean(text);
  if (typeof plain === 'boolean' && !/^[01]$/.test(text)) return plain;
  return /^\d+$/.test(text) ? Number(text) : asList(text);
};

const PORT = 'a port from 0 (any free one) to 65535';
const setting = <T>(s: Setting<T>): Setting<T> => s;
const port = (env: string, byDefault: number, doc: string): Setting<number> =>
  setting({ env, schema: z.int().min(0).max(65535), byDefault, doc, allowed: PORT, read: asNumber });
const text = (env: string, byDefault: string, doc: string, allowed = 'text', secret?: true): Setting<string> =>
  setting({ env, schema: z.string().max(4096), byDefault, doc, allowed, read: asText, ...(secret ? { secret } : {}) });
const flag = (env: string, doc: string): Setting<boolean> =>
  setting({ env, schema: z.boolean(), byDefault: false, doc, allowed: 'true or false', read: asBoolean });

export const SETTINGS = {
  dataDir: setting({
    env: 'LAMPPOST_DATA_DIR',
    schema: z.string().min(1).max(4096),
    byDefault: './data',
    doc: 'Folder of everything the server keeps: journal, registry, store, dumps. Made when missing.',
    allowed: 'a path',
    read: asText,
  }),
  httpPort: port('LAMPPOST_HTTP_PORT', 8080, 'Port of the web pages, the API and MQTT over WebSocket (at `/mqtt`).'),
  httpHost: text('LAMPPOST_HTTP_HOST', '0.0.0.0', 'Address the HTTP port listens on.', 'a host name or IP address'),
  mqttPort: port('LAMPPOST_MQTT_PORT', 1883, 'Port of MQTT over TCP.'),
  mqttHost: text('LAMPPOST_MQTT_HOST', '0.0.0.0', 'Address the MQTT ports listen on.', 'a host name or IP address'),
  mqttTlsPort: setting<number | null>({
    env: 'LAMPPOST_MQTT_TLS_PORT',
    schema: z.int().min(0).max(65535).nullable(),
    byDefault: null,
    doc: 'Port of MQTT over TLS; needs certificate and key. Off when not set.',
    allowed: `${PORT}, or not set`,
    read: asNumber,
  }),
  mqttTlsCert: text(
    'LAMPPOST_MQTT_TLS_CERT',
    '',
    'Certificate chain for MQTT over TLS (PEM).',
    'path of a readable file',
  ),
  mqttTlsKey: text('LAMPPOST_MQTT_TLS_KEY', '', 'Private key for MQTT over TLS (PEM).', 'path of a readable file'),
  publicUrl: setting({
    env: 'LAMPPOST_PUBLIC_URL',
    schema: z.string().refine((s) => s === '' || isHttpUrl(s)),
    byDefault: '',
    doc: 'The address under which people reach this server, for links in answers, catalogue and mails. When not set, links are made from the request.',
    allowed: 'an http or https URL without query, such as https://air.example.org',
    read: asText,
  }),
  trustProxy: setting<boolean | number | readonly string[]>({
    env: 'LAMPPOST_TRUST_PROXY',
    schema: z.union([
      z.boolean(),
      z.int().min(0).max(32),
      z.array(z.string().regex(/^([\da-fA-F.:]+(\/\d{1,3})?|loopback|linklocal|uniquelocal)$/)),
    ]),
    byDefault: false,
    doc: 'Whose `X-Forwarded-*` headers are believed, so that rate limits see the real sender.',
    allowed: 'off, on, the number of proxies in front, or a list of their addresses (10.0.0.1, 10.0.0.0/8, loopback)',
    read: asProxy,
  }),
  timezone: setting({
    env: 'LAMPPOST_TIMEZONE',
    schema: z.string().min(1).refine(isTimezone),
    byDefault: 'Asia/Taipei',
    doc: 'The local time people read. Data are always UTC.',
    allowed: 'an IANA time zone such as Asia/Taipei',
    read: asText,
  }),
  publisher: setting({
    env: 'LAMPPOST_PUBLISHER',
    schema: z.string().trim().min(1).max(200),
    byDefault: 'Lamppost',
    doc: 'Who publishes the data of this server: shown in the catalogues that portals harvest.',
    allowed: 'a name of up to 200 characters',
    read: asText,
  }),
  contact: setting({
    env: 'LAMPPOST_CONTACT',
    schema: z.string().refine((s) => s === '' || isHttpUrl(s) || /^[^\s@<>"]+@[^\s@<>"]+$/.test(s)),
    byDefault: '',
    doc: 'Where questions about the data go. Public: it stands in the catalogues. When not set, they name the page `/data`.',
    allowed: 'an e-mail address or an http or https URL',
    read: asText,
  }),
  adminToken: setting({
    env: 'LAMPPOST_ADMIN_TOKEN',
    schema: z
      .string()
      .max(1024)
      .regex(/^[\x21-\x7e]*$/),
    byDefault: '',
    doc: 'Secret that opens the administrative calls (`Authorization: Bearer …`). When not set they are refused.',
    allowed: 'visible ASCII characters without blanks',
    read: asText,
    secret: true,
  }),
  store: setting<'duckdb' | 'influxdb'>({
    env: 'LAMPPOST_STORE',
    schema: z.enum(['duckdb', 'influxdb']),
    byDefault: 'duckdb',
    doc: 'Where observations are kept: `duckdb` inside the data folder, or an InfluxDB 2 server.',
    allowed: 'duckdb or influxdb',
    read: asText,
  }),
  influxUrl: setting({
    env: 'LAMPPOST_INFLUX_URL',
    schema: z.string().refine((s) => s === '' || isHttpUrl(s)),
    byDefault: '',
    doc: 'Address of the InfluxDB server, for `store` = `influxdb`.',
    allowed: 'an http or https URL',
    read: asText,
  }),
  influxToken: text('LAMPPOST_INFLUX_TOKEN', '', 'Token for the InfluxDB server.', 'text', true),
  influxOrg: text('LAMPPOST_INFLUX_ORG', '', 'Organisation on the InfluxDB server.'),
  influxBucket: text('LAMPPOST_INFLUX_BUCKET', '', 'Bucket on the InfluxDB server.'),
  openTopics: setting<readonly string[]>({
    env: 'LAMPPOST_OPEN_TOPICS',
    schema: z.preprocess(
      (v) => (typeof v === 'string' ? asList(v) : v),
      z.array(z.string().refine(isOpenTopic)).max(100),
    ),
    byDefault: [],
    doc: 'MQTT topic filters on which unregistered boxes may publish in their native format; they appear as unclaimed boxes.',
    allowed:
      'topic filters separated by commas, such as LASS/#,MAPS/#; none below boxes/, v1.1/ or $SYS, none beginning with # or +',
    read: asList,
  }),
  openPush: flag(
    'LAMPPOST_OPEN_PUSH',
    'Whether unregistered boxes may use the HTTP push endpoints that existing firmware knows.',
  ),
  feeds: setting<FeedSettings>({
    env: 'LAMPPOST_FEEDS',
    schema: feedSettings,
    byDefault: [],
    doc: 'Feeds that bring the readings of other networks in: brokers, portals, reference stations. `docs/feeds.md` describes each kind; in the environment the list is JSON.',
    allowed: 'a list of feeds, each with kind, name and what its kind needs',
    read: asJson,
    // Addresses hold api keys.
    secret: true,
  }),
  journalMaxMb: setting({
    env: 'LAMPPOST_JOURNAL_MAX_MB',
    schema: z.int().min(1).max(1_000_000),
    byDefault: 4096,
    doc: 'How much may wait in the journal while the store is away. A full journal acknowledges nothing more: boxes keep their readings and send them again. 4 GB hold some 25 million readings.',
    allowed: 'megabytes, 1 to 1000000',
    read: asNumber,
  }),
  maxUnclaimed: setting({
    env: 'LAMPPOST_MAX_UNCLAIMED',
    schema: z.int().min(0).max(30_000_000),
    byDefault: 100_000,
    doc: 'Most unregistered boxes that are kept; readings of further ones are rejected with the reason.',
    allowed: 'a whole number from 0 to 30000000',
    read: asNumber,
  }),
  maxRejects: setting({
    env: 'LAMPPOST_MAX_REJECTS',
    schema: z.int().min(1000).max(100_000_000),
    byDefault: 500_000,
    doc: 'Most rejects that are kept for their owners and the operator, with up to 4 KiB of each payload; the oldest go, and `lamppost_rejects_dropped_total` counts them.',
    allowed: 'a whole number from 1000 to 100000000',
    read: asNumber,
  }),
  staScratch: flag(
    'LAMPPOST_STA_SCRATCH',
    'An empty instance that anyone may write and delete through SensorThings, for conformance runs. Refuses to start on a folder with real boxes.',
  ),
  smtpHost: text('LAMPPOST_SMTP_HOST', '', 'Mail server for the alerts of box owners. When not set no mail is sent; webhooks work all the same.', 'a host name or IP address'), // prettier-ignore
  smtpPort: port('LAMPPOST_SMTP_PORT', 587, 'Port of the mail server.'),
  smtpSecurity: setting<'tls' | 'starttls' | 'none'>({
    env: 'LAMPPOST_SMTP_SECURITY',
    schema: z.enum(['tls', 'starttls', 'none']),
    byDefault: 'starttls',
    doc: 'How the way to the mail server is encrypted: `tls` from the first byte (port 465), `starttls` (must be offered), `none` (a server on this machine).',
    allowed: 'tls, starttls or none',
    read: asText,
  }),
  smtpUser: text('LAMPPOST_SMTP_USER', '', 'User at the mail server; not set = none.'),
  smtpPassword: text('LAMPPOST_SMTP_PASSWORD', '', 'Password at the mail server.', 'text', true),
  smtpFrom: setting({
    env: 'LAMPPOST_SMTP_FROM',
    schema: z
      .string()
      .max(300)
      .refine((s) => s === '' || /^[^\r\n@]*[^\s@<>]+@[^\s@<>]+>?$/.test(s)),
    byDefault: '',
    doc: 'Sender of the mails.',
    allowed: 'an address such as "Lamppost <air@example.org>"',
    read: asText,
  }),
  webhookPrivate: flag(
    'LAMPPOST_WEBHOOK_PRIVATE',
    'Whether webhooks of box owners may lead to addresses inside the network of the server. On a public server anybody could then reach what is behind the firewall.',
  ),
  firmwareDir: text('LAMPPOST_FIRMWARE_DIR', '', 'Folder of firmware images that volunteers can flash from the browser: one folder a firmware, in it `ESP32.bin`, `ESP8266.bin` … as whole images. When not set, the page leads to the ESPHome file instead.', 'a path'), // prettier-ignore
  mapStyle: setting({
    env: 'LAMPPOST_MAP_STYLE',
    schema: z.string().refine((s) => s === '' || isHttpUrl(s) || s.startsWith('/')),
    byDefault: '',
    doc: 'A MapLibre style to show instead of the built-in map of Taiwan. Taken into the web pages when they are built.',
    allowed: 'a URL or a path on this server',
    read: asText,
  }),
  logLevel: setting<(typeof LOG_LEVELS)[number]>({
    env: 'LAMPPOST_LOG_LEVEL',
    schema: z.enum(LOG_LEVELS),
    byDefault: 'info',
    doc: 'How much is logged, on stderr.',
    allowed: LOG_LEVELS.join(', '),
    read: asText,
  }),
} as const;

type Settings = typeof SETTINGS;
export type SettingKey = keyof Settings;
export type Config = { readonly [K in SettingKey]: Settings[K] extends Setting<infer T> ? T : never };

/** Says everything that is wrong at once, one line each. */
export class ConfigError extends Error {
  readonly problems: readonly string[];
  constructor(problems: readonly string[]) {
    super(problems.join('\n'));
    this.name = 'ConfigError';
    this.problems = problems;
  }
}

export interface ConfigSources {
  /** `--config FILE`: must exist. Without it `lamppost.config.json` in `cwd` is read when it is there. */
  readonly file?: string | undefined;
  readonly env?: Readonly<Record<string, string | undefined>>;
  readonly cwd?: string;
  /** Other defaults of a command (`demo`). */
  readonly defaults?: Partial<Config>;
}

const KEYS = Object.keys(SETTINGS) as SettingKey[];
const byEnv = new Map<string, SettingKey>(KEYS.map((key) => [SETTINGS[key].env, key]));

/** Number of single-letter edits between two words (Levenshtein 1966). */
function edits(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, j) => j);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++) {
      const swap = (row[j - 1] as number) + (a[i - 1] === b[j - 1] ? 0 : 1);
      next.push(Math.min(swap, (row[j] as number) + 1, (next[j - 1] as number) + 1));
    }
    row = next;
  }
  return row[b.length] as number;
}

function similar(name: string, known: readonly string[]): string {
  const best = known
    .map((k) => [edits(name.toLowerCase(), k.toLowerCase()), k] as const)
    .sort((a, b) => a[0] - b[0])[0];
  return best && best[0] <= 3 ? `; did you mean ${best[1]}?` : '';
}

function shown(key: SettingKey, value: unknown): string {
  const s: Setting<unknown> = SETTINGS[key];
  if (s.secret) return '(a secret, not shown)';
  const words = JSON.stringify(value) ?? String(value);
  return words.length > 200 ? `${words.slice(0, 200)}…` : words;
}

function readFile(path: string, required: boolean): Record<string, unknown> {
  if (!existsSync(path)) {
    if (required) throw new ConfigError([`${path}: there is no such configuration file`]);
    return {};
  }
  let parsed: unknown;
  try {
    parsed = JSON.parse(readFileSync(path, 'utf8'));
  } catch (error) {
    throw new ConfigError([`${path} cannot be read as JSON: ${(error as Error).message}`]);
  }
  if (typeof parsed !== 'object' || parsed === null || Array.isArray(parsed)) {
    throw new ConfigError([`${path} must hold one JSON object with settings, such as {"httpPort": 8080}`]);
  }
  return parsed as Record<string, unknown>;
}

/** What no single value shows. */
function together(config: Config): string[] {
  const problems: string[] = [];
  const ports = (['httpPort', 'mqttPort', 'mqttTlsPort'] as const).filter((key) => (config[key] ?? 0) > 0);
  for (const [i, a] of ports.entries()) {
    for (const b of ports.slice(i + 1)) {
      if (config[a] === config[b]) problems.push(`${a} and ${b} are both ${config[a]}; each needs a port of its own`);
    }
  }
  if (config.mqttTlsPort !== null) {
    for (const key of ['mqttTlsCert', 'mqttTlsKey'] as const) {
      if (config[key] === '' || !existsSync(config[key])) {
        problems.push(
          `${key} (${SETTINGS[key].env}) is ${shown(key, config[key])}; allowed: ${SETTINGS[key].allowed}, because mqttTlsPort is set`,
        );
      }
    }
  }
  if (config.smtpHost !== '' && config.smtpFrom === '') {
    problems.push(`smtpFrom (${SETTINGS.smtpFrom.env}) is not set; needed because smtpHost is set`);
  }
  if (config.smtpHost !== '' && config.publicUrl === '') {
    problems.push(`publicUrl (${SETTINGS.publicUrl.env}) is not set; needed because smtpHost is set: mails hold links`);
  }
  if (config.store === 'influxdb') {
    for (const key of ['influxUrl', 'influxToken', 'influxOrg', 'influxBucket'] as const) {
      if (config[key] === '')
        problems.push(`${key} (${SETTINGS[key].env}) is not set; needed because store is influxdb`);
    }
  }
  return problems;
}

/** @throws ConfigError */
export function loadConfig(sources: ConfigSources = {}): Config {
  const { env = process.env, cwd = process.cwd() } = sources;
  const path = resolve(cwd, sources.file ?? join(cwd, CONFIG_FILE));
  const inFile = readFile(path, sources.file !== undefined);
  const problems: string[] = [];
  for (const key of Object.keys(inFile)) {
    if (!Object.hasOwn(SETTINGS, key)) problems.push(`${path}: "${key}" is no setting${similar(key, KEYS)}`);
  }
  for (const name of Object.keys(env)) {
    if (name.startsWith('LAMPPOST_') && !byEnv.has(name)) {
      problems.push(`environment: ${name} is no setting${similar(name, [...byEnv.keys()])}`);
    }
  }
  const config: Record<string, unknown> = {};
  for (const key of KEYS) {
    const s = SETTINGS[key] as Setting<unknown>;
    const fromEnv = env[s.env];
    // An empty variable is how compose files and unit files say "not set".
    const given = fromEnv !== undefined && fromEnv !== '';
    const value = given ? s.read(fromEnv.trim()) : (inFile[key] ?? sources.defaults?.[key] ?? s.byDefault);
    const parsed = s.schema.safeParse(value);
    if (parsed.success) {
      config[key] = parsed.data;
      continue;
    }
    const where = given ? `environment: ${s.env}` : `${path}: ${key}`;
    // Of a list or an object, the place in it; zod's words never hold the value.
    const issue = parsed.error.issues[0];
    const at = issue && issue.path.length > 0 ? ` (at ${issue.path.join('.')}: ${issue.message})` : '';
    problems.push(`${where} is ${shown(key, value)}${at}; allowed: ${s.allowed}`);
  }
  if (problems.length > 0) throw new ConfigError(problems);
  const whole = config as unknown as Config;
  problems.push(...together(whole));
  if (problems.length > 0) throw new ConfigError(problems);
  return { ...whole, dataDir: resolve(cwd, whole.dataDir) };
}

/** The text of `docs/settings.md`. */
export function settingsPage(): string {
  const code = (value: unknown): string => {
    if (value === '' || value === null || (Array.isArray(value) && value.length === 0)) return 'not set';
    return `\`${value === false ? 'off' : typeof value === 'string' ? value : JSON.stringify(value)}\``;
  };
  const rows = KEYS.map((key) => {
    const s = SETTINGS[key] as Setting<unknown>;
    return `## \`${key}\` · \`${s.env}\`\n\n${s.doc}\n\nDefault: ${code(s.byDefault)}. Allowed: ${s.allowed}.\n`;
  });
  return `# Settings

<!-- Made from config.ts by "node scripts/settings.ts"; a test fails when it is not current. -->

Settings stand in \`${CONFIG_FILE}\` in the working folder (or the file after \`--config\`) as one JSON object, or in the
environment, which wins. Nothing has to be set. An unknown key or an impossible value stops the start with a message that
names it; \`npx lamppost doctor\` checks without starting.

In the environment, lists are separated by commas and switches are \`true\` or \`false\`; an empty variable counts as not set.
In the file, lists are arrays, numbers are numbers and switches are \`true\` or \`false\`.

${rows.join('\n')}`;
}
