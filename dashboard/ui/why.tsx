/** "Why this number": test by test, model and inputs, in plain words. */
import { FLAG, REASONS } from '../../model/flags.ts';
import { property, isPropertyKey, type ObservedProperty, type PropertyKey } from '../../model/properties.ts';
import { num, t, words, type Key } from '../i18n/index.ts';
import { found, testsOf } from './tests-made.ts';

export interface Story {
  readonly property: PropertyKey;
  readonly kind: 'box' | 'station';
  readonly raw: number | null;
  readonly corrected: number | null;
  readonly lo90: number | null;
  readonly hi90: number | null;
  readonly flag: number;
  /** `<property>.<code>` */
  readonly reasons: readonly string[];
  readonly model: string;
  readonly correctionLevel: string;
}

/** A reason in words; one this page does not know is shown as it came. */
export function reasonWords(reason: string): string {
  const [key, code] = [reason.slice(0, reason.indexOf('.')), reason.slice(reason.indexOf('.') + 1)];
  const known = REASONS.find((r) => r.code === code);
  if (!known) return reason;
  return isPropertyKey(key)
    ? t('why.reason', { property: words(property(key).name), words: words(known) })
    : words(known);
}

const known = new Set(['L0', 'L1', 'L2', 'L3', 'L4', 'L5']);

/** Verdicts after which at least one test has been made. */
const JUDGED: ReadonlySet<number> = new Set([FLAG.good, FLAG.suspect, FLAG.fail]);

/** Test by test, folded. The record keeps who objected; not which of the others had nothing to go by, and this says so. */
function Each({ story }: { story: Story }) {
  const tests = testsOf(story.property).map((test) => ({
    key: test.key,
    odd: found(test, story.property, story.reasons),
  }));
  return (
    <details class="each">
      <summary>{t('why.each', { clear: tests.filter((x) => !x.odd).length, of: tests.length })}</summary>
      <ul>
        {tests.map((x) => (
          <li key={x.key} class={x.odd ? 'odd' : ''}>
            {t(`why.each.${x.key}` as Key)} <b>{t(x.odd ? 'why.each.odd' : 'why.each.clear')}</b>
          </li>
        ))}
      </ul>
      <p class="small">{t('why.each.note')}</p>
    </details>
  );
}

export function Why({ story }: { story: Story }) {
  const p: ObservedProperty = property(story.property);
  const value = (x: number): string => `${num(x, p.resolution)} ${p.unitLabel}`;
  const flag = ([FLAG.good, FLAG.notEvaluated, FLAG.suspect, FLAG.fail, FLAG.missing] as number[]).includes(story.flag)
    ? story.flag
    : FLAG.notEvaluated;
  const level = story.correctionLevel.replace('+', '');
  return (
    <section class="why">
      <h3>{t('why.title')}</h3>
      <ol>
        <li class="step measured">
          {story.raw === null
            ? t('why.nomeasure')
            : t('why.measured', { value: num(story.raw, p.resolution), unit: p.unitLabel })}
        </li>
        <li class={`step flag${flag}`}>
          {t(`why.flag.${flag}` as Key)}
          {story.reasons.length > 0 && (
            <ul aria-label={t('why.tests')}>
              {story.reasons.map((r) => (
                <li key={r}>
                  {reasonWords(r)} <code>{r}</code>
                </li>
              ))}
            </ul>
          )}
          {story.kind === 'box' && JUDGED.has(flag) && <Each story={story} />}
        </li>
        <li class="step model">
          {story.kind === 'station'
            ? t('why.station')
            : story.corrected !== null && story.model !== ''
              ? t('why.model', {
                  model: story.model,
                  value: value(story.corrected),
                  change:
                    story.raw === null
                      ? '–'
                      : `${story.corrected >= story.raw ? '+' : ''}${num(story.corrected - story.raw, p.resolution)}`,
                })
              : t('why.nomodel')}
          {story.kind === 'box' && story.corrected !== null && story.corrected < 0 && p.plausible[0] >= 0 && (
            <p class="small">{t('why.below')}</p>
          )}
          {known.has(level) && <p class="small">{t(`why.level.${level}` as Key)}</p>}
        </li>
        {story.corrected !== null && story.lo90 !== null && story.hi90 !== null && (
          <li class="step interval">{t('why.interval', { lo: value(story.lo90), hi: value(story.hi90) })}</li>
        )}
      </ol>
      <a href="/methods">{t('why.more')}</a>
    </section>
  );
}
