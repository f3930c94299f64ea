/** Slider and playback over 48 hours, and any past day. */
import { signal } from '@preact/signals';
import { useEffect, useRef, useState } from 'preact/hooks';
import { DAY, HOUR } from '../../model/time.ts';
import { frameAt, loadFrames, type Frames } from '../values/frames.ts';
import { announce, table } from '../values/feed.ts';
import { dayAndClock, t, TIME_ZONE } from '../i18n/index.ts';
import { go, view } from '../state/app.ts';

const SPAN_HOURS = 48;
/** Hours change at this pace while it plays; hot spots move between them in steps of ten minutes. */
const FRAME_MS = 480;
const STEPS = 6;

/** `YYYY-MM-DD` of a moment in local time. */
const localDay = (ms: number): string => new Intl.DateTimeFormat('sv-SE', { timeZone: TIME_ZONE }).format(ms);

/** Asked for by other parts of the page: open, and play from the moment in the view up to this one. */
export const playRequested = signal<{ readonly until: number } | null>(null);

export function Timeline({ inSight }: { inSight: () => readonly number[] }) {
  const v = view.value;
  const past = v.time !== null;
  const [open, setOpen] = useState(past);
  const [playing, setPlaying] = useState(false);
  const [state, setState] = useState<'idle' | 'loading' | 'failed'>('idle');
  /** Off at once when somebody stops it: the effect that ends the steps runs only after the next paint. */
  const running = useRef(false);
  const frames = useRef<Frames | null>(null);
  const thisHour = Math.floor(Date.now() / HOUR) * HOUR;
  // 48 hours that end now, or with the chosen day when that lies farther back.
  const end =
    v.time !== null && v.time < thisHour - SPAN_HOURS * HOUR
      ? Math.floor(v.time / DAY) * DAY + DAY + 8 * HOUR
      : thisHour;
  const start = end - SPAN_HOURS * HOUR;
  const level = v.level === 'raw' ? 'raw' : 'corrected';
  const key = `${v.property} ${level} ${end}`;

  useEffect(() => {
    if (!open && !past) return undefined;
    const abort = new AbortController();
    frames.current = null;
    setState('loading');
    loadFrames(table, v.property, level, start, end + HOUR, inSight, abort.signal)
      .then((f) => {
        frames.current = f;
        setState(f.byId.size === 0 ? 'failed' : 'idle');
        show(view.value.time);
        return undefined;
      })
      .catch(() => {
        if (!abort.signal.aborted) setState('failed');
      });
    return () => abort.abort();
  }, [key, open || past]);

  const show = (time: number | null): void => {
    table.past = time === null || !frames.current ? null : frameAt(table, frames.current, time);
    announce();
  };
  useEffect(() => show(v.time), [v.time === null ? null : Math.floor(v.time / HOUR)]);
  useEffect(
    () => () => {
      table.past = null;
    },
    [],
  );

  const playNow = (on: boolean): void => {
    setPlaying(on);
    if (!on) running.current = false;
    playRequested.value = null;
    const { time } = view.value;
    // A pause ends on the minute the address then names.
    if (!on && time !== null) go({ time }, false);
  };
  useEffect(() => {
    if (!playRequested.value) return;
    setOpen(true);
    setPlaying(true);
  }, [playRequested.value]);
  useEffect(() => {
    if (!playing || state !== 'idle') return undefined;
    const calm = matchMedia('(prefers-reduced-motion: reduce)').matches;
    const pace = FRAME_MS / STEPS;
    const small = HOUR / STEPS;
    let last = performance.now();
    let timer: ReturnType<typeof setTimeout> | undefined;
    let frame = 0;
    // Each step waits until the one before is drawn; a slow device takes fewer and longer ones, the hours keep their pace.
    const next = (): void => {
      frame = requestAnimationFrame(() => {
        timer = setTimeout(tick, calm ? FRAME_MS * 2 : pace);
      });
    };
    running.current = true;
    const tick = (): void => {
      if (!running.current) return;
      const at = performance.now();
      const step = calm ? HOUR : small * Math.max(1, Math.min(STEPS, Math.round((at - last) / pace)));
      last = at;
      const now = view.value.time ?? start - step;
      if (now + step > (playRequested.value?.until ?? Infinity)) return playNow(false);
      const time = now + step > end ? start : now + step;
      // Browsers refuse an address that changes many times a second: it follows by the hour.
      if (Math.floor(time / HOUR) !== Math.floor(now / HOUR)) go({ time }, false);
      else view.value = { ...view.value, time };
      next();
    };
    next();
    return () => {
      running.current = false;
      cancelAnimationFrame(frame);
      clearTimeout(timer);
    };
  }, [playing, state, start, end]);

  if (!open && !past)
    return (
      <button type="button" class="timebutton" onClick={() => setOpen(true)}>
        {t('time.open')}
      </button>
    );
  const at = v.time === null ? SPAN_HOURS : Math.floor((v.time - start) / HOUR);
  const said =
    v.time === null ? t('time.live') : t('time.frame', { time: dayAndClock(Math.floor(v.time / HOUR) * HOUR) });
  return (
    <section class="timeline card" aria-label={t('time.title')}>
      <div class="row">
        <button type="button" class="play" onClick={() => playNow(!playing)} disabled={state !== 'idle'}>
          <span aria-hidden="true">{playing ? '❚❚' : '▶'}</span> {t(playing ? 'time.pause' : 'time.play')}
        </button>
        <output class="grow">
          {state === 'loading' ? t('time.loading') : state === 'failed' ? t('time.none') : said}
        </output>
        <label class="field day">
          <span class="hidden">{t('time.day')}</span>
          <input
            type="date"
            max={localDay(Date.now())}
            value={localDay(v.time ?? Date.now())}
            onChange={(e) => {
              const noon = Date.parse(`${e.currentTarget.value}T12:00:00+08:00`);
              if (!Number.isNaN(noon)) go({ time: Math.min(noon, thisHour) });
            }}
          />
        </label>
        <button
          type="button"
          class="link"
          onClick={() => {
            running.current = false;
            playRequested.value = null;
            setPlaying(false);
            setOpen(false);
            go({ time: null });
          }}
        >
          {t('time.back')}
        </button>
      </div>
      <input
        type="range"
        min={0}
        max={SPAN_HOURS}
        step={1}
        value={at}
        aria-label={t('time.slider')}
        aria-valuetext={said}
        onInput={(e) => {
          const i = Number(e.currentTarget.value);
          go({ time: i >= SPAN_HOURS && end === thisHour ? null : start + i * HOUR }, false);
        }}
      />
      <div class="ticks small" aria-hidden="true">
        <span>{dayAndClock(start)}</span>
        <span>{dayAndClock(start + (SPAN_HOURS / 2) * HOUR)}</span>
        <span>{end === thisHour ? t('time.live') : dayAndClock(end)}</span>
      </div>
    </section>
  );
}
