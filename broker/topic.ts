/** The grammar of topics (design §6): what a topic name stands for, and how filters relate to names and to each other. */

export type Topic =
  /** `boxes/<boxId>/<format>` and `boxes/<boxId>/<format>/batch` */
  | { readonly kind: 'readings'; readonly box: string; readonly format: string; readonly batch: boolean }
  /** `boxes/<boxId>/status` */
  | { readonly kind: 'status'; readonly box: string }
  /** `v1.1/…` */
  | { readonly kind: 'sensorthings' }
  /** Anything else; whether it is open is the operator's choice. */
  | { readonly kind: 'native' };

const BOX = /^boxes\/([a-z0-9-]{8,40})\/([a-z0-9][a-z0-9_.-]{0,31})(\/batch)?$/;

/**
 * Firmware that puts levels of its own behind the prefix it is given: ESPHome `…/esphome/sensor/<object>/state`, Tasmota
 * `…/tasmota/SENSOR`. They cannot be told to leave them out.
 */
const TAILED = /^boxes\/([a-z0-9-]{8,40})\/(esphome|tasmota)(?:\/[^/]{1,100}){1,4}$/;

/** Null for names nobody may publish on: `$…`, or below `boxes/` without being a box's topic. */
export function parseTopic(name: string): Topic | null {
  if (name.startsWith('boxes/')) {
    const m = BOX.exec(name);
    if (!m) {
      const tailed = TAILED.exec(name);
      return tailed ? { kind: 'readings', box: tailed[1] as string, format: tailed[2] as string, batch: false } : null;
    }
    const [, box, format, batch] = m as unknown as [string, string, string, string | undefined];
    if (format === 'status') return batch ? null : { kind: 'status', box };
    return { kind: 'readings', box, format, batch: batch !== undefined };
  }
  if (name.startsWith('v1.1/')) return { kind: 'sensorthings' };
  if (name === 'boxes' || name.startsWith('$')) return null;
  return { kind: 'native' };
}

/** The operator's filters, as in `LASS/#`. @throws Error naming the filter that is none or opens what must stay closed */
export function parseOpenTopics(filters: readonly string[]): string[][] {
  return filters.map((filter) => {
    if (!validFilter(filter))
      throw new Error(`open topic "${filter}" is no MQTT topic filter; # may only be the last level, + a whole level`);
    const levels = filter.split('/');
    const first = levels[0] as string;
    if (first === '#' || first === '+' || first === 'boxes' || first === 'v1.1' || first.startsWith('$'))
      throw new Error(
        `open topic "${filter}" would open the topics of registered boxes; begin it with the network's own name, as in LASS/#`,
      );
    return levels;
  });
}

/** [MQTT-4.7.1-2], [MQTT-4.7.1-3], [MQTT-4.7.3-1] */
export function validFilter(filter: string): boolean {
  if (filter.length === 0 || filter.includes('\0')) return false;
  const levels = filter.split('/');
  return levels.every((level, i) => (level === '#' ? i === levels.length - 1 : level === '+' || !/[#+]/.test(level)));
}

/** Whether a filter (as levels) matches a topic name. */
export function matches(filter: readonly string[], name: string): boolean {
  if (name.startsWith('$') && !(filter[0] as string).startsWith('$')) return false; // [MQTT-4.7.2-1]
  let at = 0;
  for (const level of filter) {
    if (level === '#') return true;
    if (at > name.length) return false;
    let end = name.indexOf('/', at);
    if (end < 0) end = name.length;
    if (level !== '+' && (level.length !== end - at || !name.startsWith(level, at))) return false;
    at = end + 1;
  }
  return at > name.length;
}

/** Whether every name that `inner` matches is matched by `outer`. */
export function covers(outer: readonly string[], inner: readonly string[]): boolean {
  for (const [i, level] of outer.entries()) {
    // "a/#" matches "a" too
    if (level === '#') return i === 0 ? !(inner[0] as string).startsWith('$') : inner.length >= i;
    const other = inner[i];
    if (other === undefined || other === '#') return false;
    if (level === '+' ? i === 0 && other.startsWith('$') : other !== level) return false;
  }
  return inner.length === outer.length;
}
