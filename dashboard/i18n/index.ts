/** Words, numbers and dates in the language of the page. */
import { property, type PropertyKey } from '../../model/properties.ts';
import { lang } from '../state/app.ts';
import { en } from './en.ts';
import { zh } from './zh-TW.ts';

export type Key = keyof typeof zh;
const tables: Record<'zh-TW' | 'en', Record<Key, string>> = { 'zh-TW': zh, en };

/** The words of a key; `{name}` is replaced. Reading it inside a component follows the language. */
export function t(key: Key, values: Record<string, string | number> = {}): string {
  return tables[lang.value][key].replaceAll(/\{(\w+)\}/g, (whole, name: string) => String(values[name] ?? whole));
}

/** Chooses from a `{zh, en}` pair of `model/`. */
export const words = (w: { readonly zh: string; readonly en: string }): string => (lang.value === 'en' ? w.en : w.zh);

/** The operator's local time (design §5 default); people read the clock on their wall. */
export const TIME_ZONE = 'Asia/Taipei';

const formats = new Map<string, Intl.DateTimeFormat>();
function date(options: Intl.DateTimeFormatOptions): Intl.DateTimeFormat {
  const key = lang.value + JSON.stringify(options);
  let f = formats.get(key);
  if (!f)
    formats.set(
      key,
      (f = new Intl.DateTimeFormat(lang.value === 'en' ? 'en-GB' : 'zh-TW', { timeZone: TIME_ZONE, ...options })),
    );
  return f;
}

export const clock = (ms: number): string => date({ hour: '2-digit', minute: '2-digit', hourCycle: 'h23' }).format(ms);
export const dayAndClock = (ms: number): string =>
  date({
    month: lang.value === 'en' ? 'short' : 'numeric',
    day: 'numeric',
    hour: '2-digit',
    minute: '2-digit',
    hourCycle: 'h23',
  }).format(ms);
export const fullTime = (ms: number): string =>
  date({
    year: 'numeric',
    month: 'short',
    day: 'numeric',
    weekday: 'short',
    hour: '2-digit',
    minute: '2-digit',
    hourCycle: 'h23',
  }).format(ms);
export const day = (ms: number): string => date({ year: 'numeric', month: 'short', day: 'numeric' }).format(ms);

/** A number to a resolution, with the language's separators and a true minus. */
export function num(value: number, resolution = 0.1): string {
  const digits = Math.max(0, Math.min(3, Math.round(-Math.log10(resolution))));
  const text = value.toLocaleString(lang.value === 'en' ? 'en-GB' : 'zh-TW', {
    minimumFractionDigits: digits,
    maximumFractionDigits: digits,
  });
  return /^-0([.,]0*)?$/.test(text) ? text.slice(1) : text.replace('-', '−');
}

/**
 * What a map shows of a level: a corrected value may lie below zero by its own error, where the quantity cannot. The page of the box and
 * the API give it as it is, and say why.
 */
export const notBelowZero = (value: number, key: PropertyKey): number =>
  property(key).plausible[0] >= 0 ? Math.max(0, value) : value;

/** How long ago, in the coarsest unit that still says something. */
export function ago(ms: number): string {
  const minutes = Math.max(0, Math.round(ms / 60_000));
  if (minutes < 1) return t('age.now');
  if (minutes < 90) return t('age.minutes', { n: minutes });
  const hours = Math.round(minutes / 60);
  if (hours < 48) return t('age.hours', { n: hours });
  const days = Math.round(hours / 24);
  return days < 730 ? t('age.days', { n: days }) : t('age.years', { n: Math.round(days / 365) });
}

export function distance(metres: number): string {
  return metres < 950
    ? t('distance.m', { n: Math.max(10, Math.round(metres / 10) * 10) })
    : t('distance.km', { n: num(metres / 1000, metres < 9950 ? 0.1 : 1) });
}
