/** Says by itself when the box is heard: what was understood, and what is wrong with it, in words. */
import { useEffect, useState } from 'preact/hooks';
import { REASONS } from '../../model/flags.ts';
import { isPropertyKey, property, type PropertyKey } from '../../model/properties.ts';
import { ago, clock, num, words } from '../i18n/index.ts';
import { v } from '../i18n/volunteers.ts';
import { lang } from '../state/app.ts';
import { call } from './calls.ts';
import { Refusals, refusalsOf } from './refusals.tsx';
import { NO_REFUSALS } from './refused.ts';
import { useServerConfig } from './setup.tsx';

interface Presence {
  readonly lastContact: string | null;
  readonly connection: 'online' | 'offline' | null;
}

interface Heard {
  readonly property: PropertyKey;
  readonly value: number | null;
  readonly flag: number;
  readonly reasons: readonly string[];
  readonly time: number;
  /** When it was heard. */
  readonly at: number;
}

const REASON_WORDS = new Map(REASONS.map((r) => [r.code as string, r]));
/** Asked for while nothing has come yet or something is wrong [ms]; refusals do not come by the stream. */
const ASK_EVERY = 3000;
/** As everywhere: after an hour a box counts as silent. */
const SILENT_MS = 3_600_000;
const LATE_MS = 5 * 60_000;

export const reasonWords = (code: string): string => {
  const r = REASON_WORDS.get(code.slice(code.indexOf('.') + 1));
  return r ? words(r) : code;
};

function heardOf(p: Record<string, unknown>, at: number): Heard | null {
  if (typeof p['property'] !== 'string' || !isPropertyKey(p['property'])) return null;
  return {
    property: p['property'],
    value: typeof p['value'] === 'number' ? p['value'] : null,
    flag: Number(p['flag']),
    reasons: Array.isArray(p['reasons']) ? p['reasons'].map(String) : [],
    time: Date.parse(String(p['phenomenonTime'])),
    at,
  };
}
const featureOf = (text: string): Heard | null =>
  heardOf((JSON.parse(text) as { properties: Record<string, unknown> }).properties, Date.now());

export function Alive({
  id,
  token,
  place,
}: {
  id: string;
  token: string;
  place: { readonly lat: number | null; readonly lon: number | null; readonly placePrecision: 'exact' | 'grid' };
}) {
  const [heard, setHeard] = useState<ReadonlyMap<PropertyKey, Heard>>(new Map());
  const [refused, setRefused] = useState(NO_REFUSALS);
  const [away, setAway] = useState(false);
  const [presence, setPresence] = useState<Presence>({ lastContact: null, connection: null });
  const config = useServerConfig();

  useEffect(() => {
    const stream = new EventSource(`/api/v1/stream?box=${id}&level=raw`);
    stream.addEventListener('observation', (e) => {
      const h = featureOf((e as MessageEvent<string>).data);
      if (h) setHeard((old) => new Map(old).set(h.property, h));
    });
    stream.addEventListener('presence', (e) => setPresence(JSON.parse((e as MessageEvent<string>).data) as Presence));
    stream.addEventListener('open', () => setAway(false));
    stream.addEventListener('error', () => setAway(true));
    return () => stream.close();
  }, [id]);
  // What came before the page was open, or in the moment before the stream was.
  useEffect(() => {
    let stopped = false;
    const load = async (): Promise<void> => {
      const box = await call<Presence & { lastSeen: string | null; latest: Record<string, unknown>[] }>(
        'GET',
        `boxes/${id}`,
        '',
      );
      const at = box.lastSeen === null ? Date.now() : Date.parse(box.lastSeen);
      const known = box.latest.flatMap((o) => heardOf(o, at) ?? []);
      if (!stopped) setPresence(box);
      if (!stopped) setHeard((now) => new Map([...known.map((h) => [h.property, h] as const), ...now]));
    };
    load().catch(() => undefined); // The stream says when the server is away.
    return () => {
      stopped = true;
    };
  }, [id]);
  const alive = heard.size > 0;
  const wrong = refused.current;
  const calm = alive && wrong.length === 0;
  useEffect(() => {
    let stopped = false;
    const ask = (): void => {
      if (document.hidden) return;
      refusalsOf(id, token, 5).then(
        (found) => {
          if (!stopped) setRefused(found);
          return undefined;
        },
        () => undefined, // Refusals are a help; the stream tells whether the server is there.
      );
    };
    ask();
    const timer = setInterval(ask, calm ? 10 * ASK_EVERY : ASK_EVERY);
    return () => {
      stopped = true;
      clearInterval(timer);
    };
  }, [id, token, alive, calm]);

  const list = [...heard.values()].sort((a, b) => property(a.property).num - property(b.property).num);
  const newest = list.reduce<Heard | null>((best, h) => (!best || h.at >= best.at ? h : best), null);
  const unclocked = list.some((h) => h.reasons.some((r) => r.endsWith('.clock')));
  const off = newest ? newest.at - newest.time : 0;
  const silent = newest !== null && Date.now() - newest.at > SILENT_MS;
  return (
    <section class={alive && !silent ? 'alive yes' : 'alive'} aria-live="polite">
      <h2>{v('alive.title')}</h2>
      <p class="beat">
        <i aria-hidden="true" />
        <b data-alive={alive ? 'yes' : 'no'}>
          {silent ? v('alive.silent', { age: ago(Date.now() - newest.at) }) : v(alive ? 'alive.yes' : 'alive.wait')}
        </b>
      </p>
      {presence.connection !== null && <p class="small">{v(`alive.${presence.connection}`)}</p>}
      {presence.lastContact !== null && (!alive || silent) && (
        <p data-contact="yes">{v('alive.contact', { age: ago(Date.now() - Date.parse(presence.lastContact)) })}</p>
      )}
      {away && <p role="alert">{v('alive.stream')}</p>}
      {newest && (
        <>
          <p>{v('alive.say', { n: list.length })}</p>
          <table>
            <tbody>
              {list.map((h) => {
                const p = property(h.property);
                // Of the clock speaks the line below.
                const reasons = h.reasons.filter((r) => !r.endsWith('.clock'));
                return (
                  <tr key={h.property}>
                    <th scope="row">{words(p.name)}</th>
                    <td>{h.value === null ? '–' : `${num(h.value, p.resolution)} ${p.unitLabel}`}</td>
                    <td class={h.flag >= 3 ? 'error' : ''}>
                      {reasons.length > 0
                        ? reasons.map(reasonWords).join(lang.value === 'en' ? '; ' : '；')
                        : h.flag <= 2
                          ? v('alive.good')
                          : ''}
                    </td>
                  </tr>
                );
              })}
            </tbody>
          </table>
          <ul>
            <li>
              {unclocked
                ? v('alive.clock.none')
                : off > LATE_MS
                  ? v('alive.clock.late', { time: clock(newest.time), n: Math.round(off / 60_000) })
                  : v('alive.clock.ok', { n: Math.round(Math.abs(off) / 1000) })}
            </li>
            <li>
              {place.lat === null || place.lon === null
                ? v('alive.place.none')
                : v(place.placePrecision === 'grid' ? 'alive.place.grid' : 'alive.place.exact', {
                    lat: place.lat.toFixed(4),
                    lon: place.lon.toFixed(4),
                  })}
            </li>
          </ul>
          <p>
            <a
              class="button"
              href={`/?box=${id}&lang=${lang.value}${place.lat === null ? '' : `&at=${place.lat},${place.lon},13`}`}
            >
              {v('alive.map')}
            </a>
          </p>
        </>
      )}
      {wrong.length > 0 && (
        <div class="refused" role="alert">
          <p>{v('alive.refused')}</p>
          <Refusals refusals={wrong} />
        </div>
      )}
      {!alive && (
        <details>
          <summary>{v('alive.help')}</summary>
          <ul>
            <li>{v('alive.help.1')}</li>
            <li>{v('alive.help.2', { id })}</li>
            <li>{v('alive.help.3', { host: location.hostname, port: config?.mqtt.port ?? 1883 })}</li>
          </ul>
        </details>
      )}
    </section>
  );
}
