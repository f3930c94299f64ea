/** A new box: register, set up, alive, on one page that moves on by itself. */
import { useEffect, useRef, useState } from 'preact/hooks';
import '../style/volunteers.css';
import { t } from '../i18n/index.ts';
import { v } from '../i18n/volunteers.ts';
import { Alive } from '../register/alive.tsx';
import type { Registered } from '../register/calls.ts';
import { Secret } from '../register/fields.tsx';
import { flashedIn, WaitForBox } from '../register/flashed.tsx';
import { RegisterForm } from '../register/form.tsx';
import { Label, printLabels } from '../register/label.tsx';
import { Setup } from '../register/setup.tsx';
import { KINDS, type Kind } from '../snippets/index.ts';
import { lang } from '../state/app.ts';
import { Page } from '../ui/page.tsx';

interface Done {
  readonly box: Registered;
  readonly kind: Kind;
}

/** For this tab only: a phone that goes to its WiFi settings and comes back may load the page anew, and the key is shown once. */
const KEPT = 'lamppost.registered';
function kept(): Done | null {
  try {
    const done = JSON.parse(sessionStorage.getItem(KEPT) ?? 'null') as Done | null;
    return done && typeof done.box.key === 'string' && KINDS.includes(done.kind) ? done : null;
  } catch {
    return null;
  }
}
function keep(done: Done | null): void {
  try {
    if (done) sessionStorage.setItem(KEPT, JSON.stringify(done));
    else sessionStorage.removeItem(KEPT);
  } catch {
    return; // Storage may be switched off; then a reload loses the key, as the page says.
  }
}

export default function RegisterPage() {
  const [done, setDone] = useState<Done | null>(kept);
  const [flashed] = useState(() => flashedIn(location.search));
  const heading = useRef<HTMLHeadingElement>(null);
  useEffect(() => {
    if (!done) return;
    heading.current?.focus();
    scrollTo(0, 0);
  }, [done?.box.id]);
  if (!done && flashed) {
    return (
      <Page title={t('register.title')}>
        <WaitForBox {...flashed} />
      </Page>
    );
  }
  if (!done) {
    return (
      <Page title={t('register.title')} lead={v('reg.lead')}>
        <RegisterForm
          onDone={(box, kind) => {
            keep({ box, kind });
            setDone({ box, kind });
          }}
        />
      </Page>
    );
  }
  const { box, kind } = done;
  return (
    <Page title={t('register.title')}>
      <div class="registered">
        <h2 ref={heading} tabIndex={-1}>
          {v('done.title', { name: box.name })}
        </h2>
        <p class="banner warn">{v('done.once')}</p>
        <Secret label={v('done.id')} text={box.id} testid="id" />
        <Secret label={v('done.key')} text={box.key} testid="key" />
        <Secret label={v('done.owner')} text={box.ownerUrl} note={v('done.owner.note')} testid="owner" />
        <Alive id={box.id} token={box.ownerToken} place={box} />
        <Setup box={box} first={kind} />
        <section>
          <h2>{v('done.label')}</h2>
          <p class="small">{v('done.label.note')}</p>
          <Label id={box.id} name={box.name} origin={location.origin} />
          <p>
            <button type="button" class="button" onClick={printLabels}>
              {v('done.print')}
            </button>
          </p>
        </section>
        <p class="actions">
          <a class="button" href={`/boxes/${box.id}?lang=${lang.value}`}>
            {v('done.page')}
          </a>{' '}
          <button
            type="button"
            class="button quiet"
            onClick={() => {
              keep(null);
              setDone(null);
            }}
          >
            {v('reg.another')}
          </button>
        </p>
      </div>
    </Page>
  );
}
