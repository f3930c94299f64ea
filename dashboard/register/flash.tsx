/** Flashing from the browser (esp-web-tools, served from here), where the operator has put firmware images. */
import { useEffect, useRef, useState } from 'preact/hooks';
import { v } from '../i18n/volunteers.ts';
import { call } from './calls.ts';

export interface Firmware {
  readonly id: string;
  readonly name: string;
  readonly version: string;
  readonly chips: readonly string[];
  readonly manifest: string;
}

/** null = not known yet. */
export function useFirmware(): readonly Firmware[] | null {
  const [list, setList] = useState<readonly Firmware[] | null>(null);
  useEffect(() => {
    call<{ items: Firmware[] }>('GET', 'firmware', '').then(
      (answer) => setList(answer.items),
      () => setList([]), // The ESPHome file is the way then.
    );
  }, []);
  return list;
}

/** Why this browser cannot flash; '' = it can. */
const obstacle = (): '' | 'flash.https' | 'flash.browser' =>
  !globalThis.isSecureContext ? 'flash.https' : 'serial' in navigator ? '' : 'flash.browser';

function Install({ firmware }: { firmware: Firmware }) {
  const holder = useRef<HTMLDivElement>(null);
  const [ready, setReady] = useState(false);
  useEffect(() => {
    let stopped = false;
    const load = async (): Promise<void> => {
      // Half a megabyte: loaded by who flashes only.
      await import('esp-web-tools/dist/web/install-button.js');
      if (stopped) return;
      const element = document.createElement('esp-web-install-button');
      element.setAttribute('manifest', firmware.manifest);
      const button = document.createElement('button');
      button.type = 'button';
      button.slot = 'activate';
      button.className = 'button primary';
      button.textContent = v('flash.do');
      button.setAttribute('aria-label', `${v('flash.do')}: ${firmware.name}`);
      element.append(button);
      holder.current?.replaceChildren(element);
      setReady(true);
    };
    void load();
    return () => {
      stopped = true;
    };
  }, [firmware.manifest]);
  return (
    <>
      <div ref={holder} />
      {!ready && <p class="small">{v('flash.loading')}</p>}
    </>
  );
}

export function Flash({ firmware }: { firmware: readonly Firmware[] }) {
  const why = obstacle();
  return (
    <section class="flash">
      <h3>{v('flash.title')}</h3>
      {why === '' ? (
        <>
          <p>{v('flash.how')}</p>
          {firmware.map((f) => (
            <div key={f.id} class="secret">
              <div>
                <b>
                  <bdi>{f.name}</bdi> {f.version}
                </b>
                <span class="small">{f.chips.join(', ')}</span>
              </div>
              <Install firmware={f} />
            </div>
          ))}
          <p class="small">{v('flash.help')}</p>
        </>
      ) : (
        <p>{v(why)}</p>
      )}
      <p>{v('flash.or')}</p>
    </section>
  );
}
