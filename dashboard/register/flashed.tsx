/** Where a freshly flashed box sends its owner (Improv's redirect): waits for its first message, then leads to its page. */
import { useEffect, useState } from 'preact/hooks';
import { v } from '../i18n/volunteers.ts';
import { lang } from '../state/app.ts';
import { call } from './calls.ts';

const ASK_EVERY = 3000;

export interface Flashed {
  readonly device: string;
  readonly format: string;
}

/** `/register?device=NAME[&format=FORMAT]`, the name as the box says it (of ESPHome its whole topic prefix); null = nobody was sent here by a box. */
export function flashedIn(search: string): Flashed | null {
  const query = new URLSearchParams(search);
  const device = (query.get('device') ?? '').trim();
  const format = query.get('format') ?? 'esphome';
  return /^[\w.:/-]{1,64}$/.test(device) && /^[a-z-]{1,40}$/.test(format) ? { device, format } : null;
}

export function WaitForBox({ device, format }: Flashed) {
  const [id, setId] = useState('');
  useEffect(() => {
    let stopped = false;
    const ask = async (): Promise<void> => {
      const found = await call<{ items: { id: string }[] }>('GET', `boxes?format=${format}&nativeId=${encodeURIComponent(device)}`, ''); // prettier-ignore
      if (!stopped && found.items[0]) setId(found.items[0].id);
    };
    const look = (): void => void ask().catch(() => undefined); // Away for a moment: asked again.
    look();
    const timer = setInterval(look, ASK_EVERY);
    return () => {
      stopped = true;
      clearInterval(timer);
    };
  }, [device, format]);
  const page = `/boxes/${id}?lang=${lang.value}#claim`;
  useEffect(() => {
    if (id !== '') location.replace(page);
  }, [id]);
  return (
    <section class="alive" aria-live="polite">
      <h2>{v('flashed.title', { device })}</h2>
      <p class="beat">
        <i aria-hidden="true" />
        <b>{id === '' ? v('flashed.wait') : v('flashed.found')}</b>
      </p>
      {id !== '' && <a href={page}>{v('done.page')}</a>}
      <p class="small">{v('flashed.note')}</p>
    </section>
  );
}
