/**
 * `$batch`: several requests in one (18-088 §11, after OData 4.0 multipart), and the JSON form of OData 4.01. A change set
 * (JSON: an atomicity group) is kept whole or not at all; `$<content id>` stands for what an earlier part made.
 */
import { problem, type StaRequest, type StaResponse } from './response.ts';
import { badRequest, StaProblem } from './problem.ts';

export const MAX_BATCH = 1000;

type Handle = (request: StaRequest) => Promise<StaResponse>;

export interface BatchService {
  readonly handle: Handle;
  /** For parts of a change set, which are in one transaction already. */
  readonly handleInSet: Handle;
  readonly atomically: <T>(work: () => Promise<T>) => Promise<T>;
}

/** Takes everything of a change set back; `response` is what failed in it. */
class SetFailed extends Error {
  readonly id: string;
  readonly response: StaResponse;
  constructor(id: string, response: StaResponse) {
    super('a part of the change set failed');
    this.id = id;
    this.response = response;
  }
}

interface Part {
  readonly id: string;
  readonly method: string;
  readonly url: string;
  readonly contentType: string;
  readonly body: string;
}

/** `http://host/sta/v1.1/Things?$top=1`, `/sta/v1.1/Things` or `Things` as path and query. */
function target(url: string, base: string): { path: string; query: string } {
  const marker = '/sta/v1.1';
  let relative = url;
  if (url.startsWith(base)) relative = url.slice(base.length);
  else if (url.includes(marker)) relative = url.slice(url.indexOf(marker) + marker.length);
  else if (/^\/?v1\.1\//.test(url)) relative = url.replace(/^\/?v1\.1/, '');
  const [path = '', query = ''] = relative.split(/\?(.*)/s);
  return { path: path.startsWith('/') ? path : `/${path}`, query };
}

const substitute = (text: string, made: ReadonlyMap<string, string>): string =>
  text.replace(/\$([A-Za-z0-9_.-]+)/g, (whole, id: string) => made.get(id) ?? whole);

async function run(
  part: Part,
  request: StaRequest,
  handle: Handle,
  base: string,
  made: Map<string, string>,
): Promise<StaResponse> {
  const { path, query } = target(substitute(part.url, made), base);
  if (/^\/?\$batch/.test(path)) throw badRequest('a batch inside a batch');
  // In bodies a reference stands where an id does: {"@iot.id": "$1"} or {"@iot.id": $1}.
  const body = part.body.replace(/"?\$([A-Za-z0-9_.-]+)"?/g, (whole, id: string) => {
    const url = made.get(id);
    return url ? (/\((.*)\)$/.exec(url)?.[1]?.replace(/^'(.*)'$/, '"$1"') ?? whole) : whole;
  });
  const response = await handle({
    ...request,
    method: part.method,
    path,
    query,
    contentType: part.contentType || 'application/json',
    body,
  });
  const location = response.headers['location'];
  if (part.id !== '' && location) made.set(part.id, location);
  return response;
}

export async function runBatch(request: StaRequest, service: BatchService, base: string): Promise<StaResponse> {
  return /^multipart\/mixed/i.test(request.contentType)
    ? multipart(request, service, base)
    : jsonBatch(request, service, base);
}

async function jsonBatch(request: StaRequest, service: BatchService, base: string): Promise<StaResponse> {
  let list: unknown;
  try {
    list = (JSON.parse(request.body) as { requests?: unknown }).requests;
  } catch (cause) {
    throw Object.assign(badRequest('the batch is not JSON'), { cause });
  }
  if (!Array.isArray(list) || list.length > MAX_BATCH)
    throw badRequest(`a JSON batch is {"requests": […]} with ${MAX_BATCH} requests at most`);
  const made = new Map<string, string>();
  const responses: unknown[] = [];
  const items = (list as unknown[]).map(jsonPart);
  const runItem = async ({ part }: JsonPart, handle: Handle): Promise<StaResponse> => {
    try {
      return await run(part, request, handle, base, made);
    } catch (error) {
      if (!(error instanceof StaProblem)) throw error;
      return problem(error.status, error.message);
    }
  };
  for (let i = 0; i < items.length;) {
    const { group } = items[i] as JsonPart;
    let end = i + 1;
    if (group !== '') while (items[end]?.group === group) end++;
    const members = items.slice(i, end);
    i = end;
    if (group === '') {
      for (const item of members) responses.push(jsonAnswer(item.part.id, await runItem(item, service.handle)));
      continue;
    }
    try {
      responses.push(
        ...(await service.atomically(async () => {
          const answers: unknown[] = [];
          for (const item of members) {
            const response = await runItem(item, service.handleInSet);
            if (response.status >= 400) throw new SetFailed(item.part.id, response);
            answers.push(jsonAnswer(item.part.id, response));
          }
          return answers;
        })),
      );
    } catch (error) {
      if (!(error instanceof SetFailed)) throw error;
      for (const { part } of members) {
        made.delete(part.id);
        responses.push(
          part.id === error.id
            ? jsonAnswer(part.id, error.response)
            : {
                id: part.id,
                status: 424,
                body: { message: `not kept: request "${error.id}" of group "${group}" failed` },
              },
        );
      }
    }
  }
  return {
    status: 200,
    headers: { 'content-type': 'application/json; charset=utf-8' },
    body: JSON.stringify({ responses }),
  };
}

interface JsonPart {
  readonly part: Part;
  /** '' = on its own. */
  readonly group: string;
}

function jsonPart(value: unknown): JsonPart {
  const item = (typeof value === 'object' && value !== null ? value : {}) as Record<string, unknown>;
  const text = (name: string): string => (typeof item[name] === 'string' ? item[name] : '');
  if (text('method') === '' || text('url') === '') throw badRequest('each request of a batch needs id, method and url');
  const headers = typeof item['headers'] === 'object' && item['headers'] !== null ? item['headers'] : {};
  const contentType: unknown = Object.entries(headers).find(([k]) => k.toLowerCase() === 'content-type')?.[1];
  return {
    group: text('atomicityGroup'),
    part: {
      id: text('id'),
      method: text('method').toUpperCase(),
      url: text('url'),
      contentType: typeof contentType === 'string' ? contentType : '',
      body: item['body'] === undefined ? '' : JSON.stringify(item['body']),
    },
  };
}

function jsonAnswer(id: string, response: StaResponse): object {
  const isJson = /json/.test(response.headers['content-type'] ?? '');
  return {
    id,
    status: response.status,
    ...(response.headers['location'] ? { location: response.headers['location'] } : {}),
    ...(response.body === '' ? {} : { body: isJson ? (JSON.parse(response.body) as unknown) : response.body }),
  };
}

const boundaryOf = (contentType: string): string => {
  const m = /boundary="?([^";]{1,200})"?/i.exec(contentType);
  if (!m?.[1]) throw badRequest('multipart/mixed without a boundary');
  return m[1].trim();
};

/** Header block and the rest. */
function headed(text: string): { headers: Map<string, string>; rest: string } {
  const at = /\r?\n\r?\n/.exec(text);
  const head = at ? text.slice(0, at.index) : text;
  const headers = new Map<string, string>();
  for (const line of head.split(/\r?\n/)) {
    const colon = line.indexOf(':');
    if (colon > 0) headers.set(line.slice(0, colon).trim().toLowerCase(), line.slice(colon + 1).trim());
  }
  return { headers, rest: at ? text.slice(at.index + at[0].length) : '' };
}

function partsOf(body: string, boundary: string): string[] {
  const marked = `\n${body.replaceAll('\r\n', '\n')}`;
  const pieces = marked.split(`\n--${boundary}`);
  return pieces.slice(1).flatMap((p) => (p.startsWith('--') ? [] : [p.replace(/^[ \t]*\n/, '')]));
}

function parsePart(text: string, id: string): Part {
  const [line = '', ...lines] = text.replace(/^\s+/, '').split('\n');
  const m = /^([A-Za-z]+)\s+(\S+)(?:\s+HTTP\/[\d.]+)?\s*$/.exec(line);
  if (!m) throw badRequest(`batch: "${line.slice(0, 80)}" is not a request line such as "POST Things HTTP/1.1"`);
  // Headers are optional: a blank line right behind the request line ends them.
  const { headers, rest } = headed(lines[0]?.trim() === '' ? `\n\n${lines.slice(1).join('\n')}` : lines.join('\n'));
  return {
    id,
    method: (m[1] as string).toUpperCase(),
    url: m[2] as string,
    contentType: headers.get('content-type') ?? '',
    body: rest.trim(),
  };
}

const STATUS: Record<number, string> = {
  200: 'OK',
  201: 'Created',
  204: 'No Content',
  400: 'Bad Request',
  401: 'Unauthorized',
  403: 'Forbidden',
  404: 'Not Found',
  405: 'Method Not Allowed',
  501: 'Not Implemented',
};

function written(response: StaResponse, id: string): string {
  const headers = Object.entries(response.headers).map(([k, v]) => `${k}: ${v}`);
  return [
    'Content-Type: application/http',
    ...(id === '' ? [] : [`Content-ID: ${id}`]),
    '',
    `HTTP/1.1 ${response.status} ${STATUS[response.status] ?? 'Error'}`,
    ...headers,
    '',
    response.body,
  ].join('\r\n');
}

async function multipart(request: StaRequest, service: BatchService, base: string): Promise<StaResponse> {
  const boundary = boundaryOf(request.contentType);
  const made = new Map<string, string>();
  let count = 0;
  const runAll = async (body: string, mark: string, inChangeSet: boolean): Promise<string[]> => {
    const out: string[] = [];
    for (const text of partsOf(body, mark)) {
      const { headers, rest } = headed(text);
      const type = headers.get('content-type') ?? '';
      if (/^multipart\/mixed/i.test(type)) {
        if (inChangeSet) throw badRequest('a change set inside a change set');
        const inner = boundaryOf(type);
        let answers: string[];
        try {
          answers = await service.atomically(() => runAll(rest, inner, true));
        } catch (error) {
          if (!(error instanceof SetFailed)) throw error;
          // OData 4.0 part 1 §11.7.4: one answer stands for the whole set.
          out.push(written(error.response, error.id));
          continue;
        }
        out.push(
          [
            `Content-Type: multipart/mixed; boundary=${inner}`,
            '',
            ...answers.map((a) => `--${inner}\r\n${a}`),
            `--${inner}--`,
          ].join('\r\n'),
        );
        continue;
      }
      if (++count > MAX_BATCH) throw badRequest(`a batch may hold ${MAX_BATCH} requests`);
      const id = headers.get('content-id') ?? '';
      let response: StaResponse;
      try {
        response = await run(
          parsePart(rest, id),
          request,
          inChangeSet ? service.handleInSet : service.handle,
          base,
          made,
        );
      } catch (error) {
        if (!(error instanceof StaProblem)) throw error;
        response = {
          status: error.status,
          headers: { 'content-type': 'application/json' },
          body: JSON.stringify({ message: error.message }),
        };
      }
      if (inChangeSet && response.status >= 400) throw new SetFailed(id, response);
      out.push(written(response, id));
    }
    return out;
  };
  const parts = await runAll(request.body, boundary, false);
  return {
    status: 200,
    headers: { 'content-type': `multipart/mixed; boundary=${boundary}` },
    body: `${parts.map((p) => `--${boundary}\r\n${p}`).join('\r\n')}\r\n--${boundary}--\r\n`,
  };
}
