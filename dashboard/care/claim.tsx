/** An unclaimed box: whoever has it at home lets it send a code, and becomes its owner. */
import { useEffect, useState } from 'preact/hooks';
import { clock } from '../i18n/index.ts';
import { v } from '../i18n/volunteers.ts';
import { call, type Refused } from '../register/calls.ts';
import { Field, Secret } from '../register/fields.tsx';
import { Setup } from '../register/setup.tsx';
import { FORMAT, KINDS } from '../snippets/index.ts';
import { kept, keep } from './tokens.ts';

export interface ClaimableBox {
  readonly id: string;
  readonly format: string;
  readonly nativeId: string;
  readonly sensors: readonly string[];
  readonly lat: number | null;
  readonly lon: number | null;
}

interface ClaimState {
  readonly code: string;
  readonly expires: string;
  readonly heard: number;
  readonly until: string | null;
  readonly proven: boolean;
}

const ASK_EVERY = 5000;
/** Formats whose boxes have a credential of their own that we know a hash of. */
const OWN_KEY = new Set(['smartcitizen']);
/** Where the owner of such a box can put the code. */
const WHERE = new Set(['airrohr', 'airgradient', 'lass', 'maps', 'anysense', 'esphome', 'tasmota']);

export function Claim({ box, onOwner }: { box: ClaimableBox; onOwner: (token: string) => void }) {
  const [token, setToken] = useState(() => kept('claim', box.id));
  const [state, setState] = useState<ClaimState | null>(null);
  const [own, setOwn] = useState('');
  const [problem, setProblem] = useState('');
  const [busy, setBusy] = useState(false);
  const [taken, setTaken] = useState<{ key: string; ownerUrl: string; ownerToken: string } | null>(null);

  const run = async (work: () => Promise<void>): Promise<void> => {
    setBusy(true);
    setProblem('');
    try {
      await work();
    } catch (error) {
      const { status, message } = error as Refused;
      setProblem(status === 403 ? v('claim.key.wrong') : status === 409 ? v('claim.taken') : message);
    } finally {
      setBusy(false);
    }
  };
  const begin = (): Promise<void> =>
    run(async () => {
      const opened = await call<ClaimState & { claimToken: string }>('POST', `boxes/${box.id}/claim`, '', own.trim() === '' ? {} : { key: own.trim() }); // prettier-ignore
      // Kept in this tab: setting up a box takes a while, and phones reload pages.
      keep('claim', box.id, opened.claimToken);
      setToken(opened.claimToken);
      setState(opened);
    });
  const take = (): Promise<void> =>
    run(async () => {
      setTaken(await call('POST', `boxes/${box.id}/claim/take`, token));
      keep('claim', box.id, '');
    });

  const waiting = token !== '' && taken === null;
  useEffect(() => {
    if (!waiting) return;
    let stopped = false;
    const ask = async (): Promise<void> => {
      try {
        const answer = await call<ClaimState>('GET', `boxes/${box.id}/claim`, token);
        if (!stopped) setState(answer);
      } catch (error) {
        // Expired, or somebody else was faster: from the beginning. Anything else is asked again.
        if (stopped || (error as Refused).status !== 403) return;
        keep('claim', box.id, '');
        setToken('');
        setState(null);
      }
    };
    void ask();
    const timer = setInterval(() => void ask(), ASK_EVERY);
    return () => {
      stopped = true;
      clearInterval(timer);
    };
  }, [box.id, token, waiting]);

  if (taken) {
    return (
      <section class="careblock claim" aria-labelledby="claim-title">
        <h2 id="claim-title">{v('claim.done')}</h2>
        <p class="banner warn">{v('done.once')}</p>
        <Secret label={v('done.id')} text={box.id} testid="id" />
        <Secret label={v('done.key')} text={taken.key} testid="key" />
        <Secret label={v('done.owner')} text={taken.ownerUrl} note={v('done.owner.note')} testid="owner" />
        <p>{v('claim.after')}</p>
        <Setup box={{ ...box, key: taken.key }} first={KINDS.find((k) => FORMAT[k] === box.format) ?? 'mqtt'} />
        <button type="button" class="button primary" onClick={() => onOwner(taken.ownerToken)}>
          {v('own.open')}
        </button>
      </section>
    );
  }
  return (
    <section class="careblock claim" id="claim" aria-labelledby="claim-title">
      <h2 id="claim-title">{v('claim.title')}</h2>
      <p>{v('claim.lead')}</p>
      {state === null ? (
        <>
          {OWN_KEY.has(box.format) && (
            <Field name="own-key" label={v('claim.key')} value={own} onInput={setOwn} note={v('claim.key.note')} />
          )}
          <button type="button" class="button" disabled={busy} onClick={() => void begin()}>
            {v('claim.begin')}
          </button>
        </>
      ) : state.proven ? (
        <>
          <p role="status">
            <b>{v('claim.proven')}</b>
          </p>
          <p class="small">{v('claim.before')}</p>
          <button type="button" class="button primary" disabled={busy} onClick={() => void take()}>
            {v('claim.take')}
          </button>
        </>
      ) : (
        <>
          <ol>
            <li>
              {WHERE.has(box.format) ? v(`claim.where.${box.format}` as 'claim.where.lass') : v('claim.where.other')}
              <Secret label={v('claim.code')} text={state.code} testid="claim-code" />
            </li>
            <li>{v('claim.wait')}</li>
          </ol>
          <p class="beat" role="status" data-claim={state.heard > 0 ? 'heard' : 'waiting'}>
            <i aria-hidden="true" />
            <b>
              {state.until === null
                ? v('claim.none')
                : v('claim.heard', { n: state.heard, time: clock(Date.parse(state.until)) })}
            </b>
          </p>
        </>
      )}
      {problem !== '' && (
        <p class="error" role="alert">
          {problem}
        </p>
      )}
    </section>
  );
}
