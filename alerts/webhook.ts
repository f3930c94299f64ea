/**
 * POST of JSON to an address that anybody may have entered: only to public addresses, checked after the name was resolved and
 * at the very connection that is made, no redirects, little time, the answer is not read.
 */
import { lookup as resolve } from 'node:dns';
import { request as httpRequest } from 'node:http';
import { request as httpsRequest } from 'node:https';
import { BlockList, isIP, type LookupFunction } from 'node:net';

const TIMEOUT = 10_000;

const hidden = new BlockList();
for (const [net, prefix] of [
  ['0.0.0.0', 8], ['10.0.0.0', 8], ['100.64.0.0', 10], ['127.0.0.0', 8], ['169.254.0.0', 16], ['172.16.0.0', 12],
  ['192.0.0.0', 24], ['192.168.0.0', 16], ['198.18.0.0', 15], ['224.0.0.0', 4], ['240.0.0.0', 4],
] as const) hidden.addSubnet(net, prefix, 'ipv4'); // prettier-ignore
for (const [net, prefix] of [['::', 127], ['64:ff9b::', 96], ['fc00::', 7], ['fe80::', 10], ['ff00::', 8], ['2002::', 16]] as const) hidden.addSubnet(net, prefix, 'ipv6'); // prettier-ignore

/** An IPv4 address inside an IPv6 one is checked as the former. */
export function isPublicAddress(address: string): boolean {
  const mapped = /^::ffff:([\d.]+)$/i.exec(address)?.[1];
  if (mapped) return isPublicAddress(mapped);
  if (/^::ffff:/i.test(address)) return false;
  const family = isIP(address);
  return family !== 0 && !hidden.check(address, family === 4 ? 'ipv4' : 'ipv6');
}

const publicOnly: LookupFunction = (host, options, done) => {
  resolve(host, { ...options, all: true }, (error, addresses) => {
    if (error) return done(error, '', 0);
    const [first] = addresses;
    if (!first || !addresses.every((a) => isPublicAddress(a.address))) {
      return done(Object.assign(new Error('the webhook leads to an address that is not public'), { code: 'EPRIVATE' }), '', 0); // prettier-ignore
    }
    if (options.all) (done as (e: null, all: typeof addresses) => void)(null, addresses);
    else done(null, first.address, first.family);
  });
};

/** @throws Error when it could not be delivered; the message holds no address */
export function postWebhook(url: string, body: object, allowPrivate = false): Promise<void> {
  const target = new URL(url);
  const host = target.hostname.replace(/^\[|\]$/g, '');
  if (!allowPrivate && isIP(host) !== 0 && !isPublicAddress(host)) {
    return Promise.reject(new Error('the webhook leads to an address that is not public'));
  }
  const text = JSON.stringify(body);
  const request = target.protocol === 'https:' ? httpsRequest : httpRequest;
  return new Promise((done, fail) => {
    const sent = request(
      target,
      {
        method: 'POST',
        headers: { 'content-type': 'application/json', 'content-length': Buffer.byteLength(text), 'user-agent': 'Lamppost' }, // prettier-ignore
        signal: AbortSignal.timeout(TIMEOUT),
        agent: false,
        ...(allowPrivate ? {} : { lookup: publicOnly }),
      },
      (response) => {
        response.destroy();
        const { statusCode = 0 } = response;
        if (statusCode >= 200 && statusCode < 300) done();
        else fail(new Error(`the webhook answered ${statusCode}`));
      },
    );
    sent.once('error', (error: NodeJS.ErrnoException) => fail(new Error(`the webhook could not be reached (${error.code ?? error.name})`))); // prettier-ignore
    sent.end(text);
  });
}
