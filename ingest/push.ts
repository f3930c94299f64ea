/**
 * The HTTP paths that existing firmware uploads to, so that only the host name in a box has to change. Pure: a request becomes
 * a topic and a payload, and each endpoint says what its firmware takes for success. Whoever mounts these puts the packet into
 * the journal first and answers after it is on disk.
 *
 * A request may carry the box id and key of a registered box (HTTP Basic, or openSenseMap's bare `Authorization`); then the
 * packet goes to that box. Without one it is an unregistered box under its native id, where the operator allows that.
 * Hardware addresses in headers (X-MAC-ID) are not read.
 */

export interface PushRequest {
  readonly params: Readonly<Record<string, string>>;
  /** The query as it came, without `?`, not decoded: MAPS sends raw pipes in it. */
  readonly rawQuery: string;
  /** Lower-case names. */
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  readonly body: Uint8Array;
}

export interface PushPacket {
  readonly ok: true;
  /** The word in `boxes/<id>/<format>`. */
  readonly format: string;
  /** Whether `/batch` follows it. */
  readonly batch: boolean;
  /** Topic of the packet when no registered box is behind it; carries the native id. */
  readonly nativeTopic: string;
  readonly payload: Uint8Array;
  /** What the box claims to be. To be checked before use; never to be logged. */
  readonly credential: { readonly id: string; readonly key: string } | null;
}

export interface PushProblem {
  readonly ok: false;
  readonly status: 400 | 413 | 422;
  /** What is wrong and what to change. */
  readonly detail: string;
}

export interface PushAnswer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
}

export interface PushEndpoint {
  readonly name: string;
  readonly method: 'GET' | 'POST';
  /** Fastify route pattern. */
  readonly url: string;
  toPacket(request: PushRequest): PushPacket | PushProblem;
  /** What this firmware takes for success. */
  readonly ok: PushAnswer;
}

/** Something a firmware asks for rather than sends. */
export interface PushQuestion {
  readonly name: string;
  readonly method: 'GET';
  readonly url: string;
  /** The native id and format that the request is about. */
  subject(request: PushRequest): { readonly format: string; readonly nativeId: string } | null;
  answer(known: boolean): PushAnswer;
}

/** The largest body any of these firmwares sends is an openSenseMap batch of 2500 values. */
export const MAX_PUSH_BYTES = 512 * 1024;

const problem = (status: PushProblem['status'], detail: string): PushProblem => ({ ok: false, status, detail });
const text = (status: number, body: string): PushAnswer => ({
  status,
  headers: { 'content-type': 'text/plain; charset=utf-8' },
  body,
});
const jsonAnswer = (status: number, body: unknown): PushAnswer => ({
  status,
  headers: { 'content-type': 'application/json; charset=utf-8' },
  body: JSON.stringify(body),
});

const header = (request: PushRequest, name: string): string => {
  const value = request.headers[name];
  return (Array.isArray(value) ? value[0] : value) ?? '';
};

/** An id that may stand as one level of a topic, or ''. Quotes around it are forgiven (one MAPS client sends them). */
const level = (id: string): string => {
  const plain = id.trim().replace(/^"|"$/g, '');
  return /^[A-Za-z0-9][A-Za-z0-9._:-]{0,63}$/.test(plain) ? plain : '';
};

const BOX_ID = /^[a-z0-9-]{8,40}$/;

/** `Authorization: Basic …` with the box id as user and its key as password. */
function basic(request: PushRequest): PushPacket['credential'] {
  const m = /^Basic ([A-Za-z0-9+/=]{1,512})$/i.exec(header(request, 'authorization').trim());
  if (!m) return null;
  const pair = Buffer.from(m[1] as string, 'base64').toString('utf8');
  const colon = pair.indexOf(':');
  const id = pair.slice(0, Math.max(0, colon));
  return colon > 0 && BOX_ID.test(id) ? { id, key: pair.slice(colon + 1) } : null;
}

/** `Authorization: Bearer <key>`, or openSenseMap's bare token, for the box named in the path. */
function tokenFor(request: PushRequest, id: string): PushPacket['credential'] {
  const value = header(request, 'authorization').trim();
  if (value === '' || !BOX_ID.test(id)) return null;
  const key = value.replace(/^Bearer\s+/i, '');
  return key.length <= 256 && !/\s/.test(key) ? { id, key } : null;
}

/** `%7C` and `+` undone; what is no valid escape stays as it is. */
function unescaped(part: string): string {
  return part.replace(/\+/g, ' ').replace(/(?:%[0-9A-Fa-f]{2})+/g, (run) => {
    try {
      return decodeURIComponent(run);
    } catch {
      return run;
    }
  });
}

/** Query fields; `msg` is the last one and may hold anything, so it goes to the end. */
export function queryFields(rawQuery: string): Map<string, string> {
  const fields = new Map<string, string>();
  const msg = /(?:^|&)msg=/.exec(rawQuery);
  const head = msg ? rawQuery.slice(0, msg.index) : rawQuery;
  if (msg) fields.set('msg', unescaped(rawQuery.slice(msg.index + msg[0].length)));
  for (const pair of head.split('&', 40)) {
    const eq = pair.indexOf('=');
    if (eq > 0) fields.set(unescaped(pair.slice(0, eq)), unescaped(pair.slice(eq + 1)));
  }
  return fields;
}

/** airRohr: one POST per chip, known by headers alone. */
function airrohr(request: PushRequest): PushPacket | PushProblem {
  const id = level(header(request, 'x-sensor') || header(request, 'sensor') || header(request, 'node'));
  const credential = basic(request);
  if (id === '' && credential === null) {
    return problem(
      400,
      'The header X-Sensor (esp8266-<chip id>) is missing; without it nobody knows which box this is',
    );
  }
  if (request.body.length === 0) return problem(400, 'The body is empty; expected {"sensordatavalues":[…]}');
  const pin = /^\d{1,2}$/.exec(header(request, 'x-pin').trim());
  return {
    ok: true,
    format: 'airrohr',
    batch: false,
    nativeTopic: `airrohr/${id || 'unknown'}${pin ? `/pin${pin[0]}` : ''}`,
    payload: request.body,
    credential,
  };
}

function airgradient(request: PushRequest): PushPacket | PushProblem {
  const serial = serialOf(request);
  if (serial === '') return problem(400, 'The path names no monitor: /sensors/airgradient:<serial>/measures');
  if (request.body.length === 0) return problem(400, 'The body is empty');
  return {
    ok: true,
    format: 'airgradient',
    batch: false,
    nativeTopic: `airgradient/measures/${serial}`,
    payload: request.body,
    credential: basic(request),
  };
}

const serialOf = (request: PushRequest): string => {
  const m = /^airgradient:([0-9a-fA-F]{4,16})$/.exec(request.params['device'] ?? '');
  return m ? (m[1] as string).toLowerCase() : '';
};

function openSenseMapPacket(request: PushRequest, payload: Uint8Array, batch: boolean): PushPacket | PushProblem {
  const id = level(request.params['boxId'] ?? '');
  if (id === '') return problem(400, 'The path names no box: /boxes/<box id>/data');
  if (payload.length === 0) return problem(422, 'The body is empty');
  return {
    ok: true,
    format: 'opensensemap',
    batch,
    nativeTopic: `opensensemap/${id}${batch ? '/batch' : ''}`,
    payload,
    credential: basic(request) ?? tokenFor(request, id),
  };
}

function openSenseMapSensor(request: PushRequest): PushPacket | PushProblem {
  const sensor = level(request.params['sensorId'] ?? '');
  if (sensor === '') return problem(400, 'The path names no sensor: /boxes/<box id>/<sensor id>');
  let said: unknown;
  try {
    said = JSON.parse(Buffer.from(request.body).toString('utf8'));
  } catch {
    said = undefined;
  }
  if (typeof said !== 'object' || said === null || Array.isArray(said)) {
    return problem(422, 'Expected {"value":12.5,"createdAt":"2026-03-01T06:00:00Z"}');
  }
  const { value, createdAt, location } = said as Record<string, unknown>;
  return openSenseMapPacket(request, Buffer.from(JSON.stringify([{ sensor, value, createdAt, location }])), false);
}

/** MAPS, PiM25, WaterBox: the whole LASS message in the query, pipes unescaped; or in the body. `key=NoKey` is normal. */
function lassUpload(network: string): PushEndpoint['toPacket'] {
  return (request) => {
    const fields = queryFields(request.rawQuery);
    const inBody = Buffer.from(request.body).toString('utf8');
    const form = inBody.includes('msg=') ? queryFields(inBody) : null;
    const msg = fields.get('msg') ?? form?.get('msg') ?? inBody;
    if (msg.trim() === '') return problem(400, 'The query has no msg=|s_d0=…|…');
    const id = level(fields.get('device_id') ?? form?.get('device_id') ?? '');
    const app = level(fields.get('topic') ?? form?.get('topic') ?? '') || network;
    const key = fields.get('key') ?? form?.get('key') ?? '';
    const claims = key !== '' && key !== 'NoKey' && key.length <= 256 && BOX_ID.test(id);
    const maps = network === 'MAPS6';
    return {
      ok: true,
      format: maps ? 'maps' : 'lass',
      batch: false,
      nativeTopic: `${maps ? 'MAPS' : 'LASS/Test'}/${app}${id === '' ? '' : `/${id}`}`,
      payload: Buffer.from(msg),
      credential: basic(request) ?? (claims ? { id, key } : null),
    };
  };
}

function canairio(request: PushRequest): PushPacket | PushProblem {
  if (request.body.length === 0) return problem(400, 'The body is empty; expected InfluxDB line protocol');
  return {
    ok: true,
    format: 'canairio',
    batch: false,
    nativeTopic: 'canairio/write',
    payload: request.body,
    credential: basic(request),
  };
}

/** SigFox callback: `device_id` and the 12 bytes of the frame as 24 hexadecimal digits in `data`. */
function sigfox(request: PushRequest): PushPacket | PushProblem {
  const fields = queryFields(request.rawQuery || Buffer.from(request.body).toString('utf8'));
  const id = level(fields.get('device_id') ?? fields.get('device') ?? '');
  const data = (fields.get('data') ?? '').trim();
  if (id === '') return problem(400, 'The query has no device_id=');
  if (!/^[0-9a-f]{24}$/i.test(data)) return problem(400, 'data= must be 24 hexadecimal digits');
  return {
    ok: true,
    format: 'sigfox',
    batch: false,
    nativeTopic: `sigfox/${id}`,
    payload: Buffer.from(data),
    credential: basic(request),
  };
}

const AIRROHR_OK = jsonAnswer(201, { status: 'created' });
const LASS_OK = text(200, 'OK');

/** Both methods at one path, as the scripts of the portal take them. */
const upload = (path: string, network: string, toPacket = lassUpload(network)): PushEndpoint[] =>
  (['GET', 'POST'] as const).map((method) => ({
    name: `${network} upload`,
    method,
    url: path,
    toPacket,
    ok: LASS_OK,
  }));

export const pushEndpoints: readonly PushEndpoint[] = [
  { name: 'airRohr', method: 'POST', url: '/v1/push-sensor-data/', toPacket: airrohr, ok: AIRROHR_OK },
  { name: 'airRohr', method: 'POST', url: '/v1/push-sensor-data', toPacket: airrohr, ok: AIRROHR_OK },
  // The default path of the firmware's "own API".
  { name: 'airRohr custom API', method: 'POST', url: '/data.php', toPacket: airrohr, ok: text(200, 'ok') },
  { name: 'AirGradient', method: 'POST', url: '/sensors/:device/measures', toPacket: airgradient, ok: text(200, '') },
  {
    name: 'openSenseMap',
    method: 'POST',
    url: '/boxes/:boxId/data',
    toPacket: (request) =>
      openSenseMapPacket(request, request.body, /sbx-bytes-ts/i.test(header(request, 'content-type'))),
    ok: jsonAnswer(201, 'Measurement saved in box'),
  },
  {
    name: 'openSenseMap, one sensor',
    method: 'POST',
    url: '/boxes/:boxId/:sensorId',
    toPacket: openSenseMapSensor,
    ok: jsonAnswer(201, 'Measurement saved in box'),
  },
  ...upload('/Upload/MAPS-secure.php', 'MAPS6'),
  ...upload('/Upload/MAPS.php', 'MAPS6'),
  ...upload('/Upload/PiM25.php', 'PiM25'),
  ...upload('/Upload/waterbox_tw.php', 'WaterBox_TW'),
  ...upload('/api/v1/upload/', 'PM25'),
  ...upload('/Upload/SigFox.php', 'SigFox', sigfox),
  { name: 'CanAirIO', method: 'POST', url: '/write', toPacket: canairio, ok: { status: 204, headers: {}, body: '' } },
];

export const pushQuestions: readonly PushQuestion[] = [
  {
    // 400 is what the monitor takes for "not registered"; any settings sent would overwrite the owner's.
    name: 'AirGradient config',
    method: 'GET',
    url: '/sensors/:device/one/config',
    subject: (request) => {
      const nativeId = serialOf(request);
      return nativeId === '' ? null : { format: 'airgradient', nativeId };
    },
    answer: (known) =>
      known ? jsonAnswer(200, { postDataToAirGradient: true }) : text(400, 'monitor is not registered here'),
  },
];

/** Where the packet goes: to the box whose key was right, else under its native id. */
export const pushTopic = (packet: PushPacket, box: string): string =>
  box === '' ? packet.nativeTopic : `boxes/${box}/${packet.format}${packet.batch ? '/batch' : ''}`;
