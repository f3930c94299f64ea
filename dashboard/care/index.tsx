/** Below the values on a box page: a word to the owner for everybody; the owner's tools for who came by the owner link. */
import { useEffect, useState } from 'preact/hooks';
import '../style/volunteers.css';
import { isVKey, v } from '../i18n/volunteers.ts';
import { call, Refused } from '../register/calls.ts';
import { Field, Secret } from '../register/fields.tsx';
import { lang } from '../state/app.ts';
import { Claim, type ClaimableBox } from './claim.tsx';
import { Owner } from './owner.tsx';
import { keep, kept } from './tokens.ts';

type Errand = { readonly kind: 'owner' | 'handover' | 'confirm'; readonly code: string } | null;

/** What stands behind the #, taken out of the address at once: a link that is passed on or photographed then holds no secret. */
function errandOf(): Errand {
  const m = /^#(owner|handover|confirm)=([a-z2-7]{32})$/.exec(location.hash);
  if (!m) return null;
  history.replaceState(null, '', location.pathname + location.search);
  return { kind: m[1] as 'owner' | 'handover' | 'confirm', code: m[2] as string };
}

const KINDS = ['value', 'place', 'indoors', 'smoke', 'other'] as const;

function Report({ id }: { id: string }) {
  const [kind, setKind] = useState<(typeof KINDS)[number]>('value');
  const [text, setText] = useState('');
  const [state, setState] = useState<'open' | 'busy' | 'thanks'>('open');
  const [problem, setProblem] = useState('');
  const [answers, setAnswers] = useState<readonly { kind: string; answer: string }[]>([]);
  useEffect(() => {
    call<{ items: { kind: string; answer: string }[] }>('GET', `boxes/${id}/answers`, '').then(
      (a) => {
        setAnswers(a.items);
        return undefined;
      },
      () => undefined, // Answers are an extra; without them the form still works.
    );
  }, [id]);
  const send = async (): Promise<void> => {
    setState('busy');
    setProblem('');
    try {
      await call('POST', `boxes/${id}/feedback`, '', { kind, text });
      setState('thanks');
    } catch (error) {
      setState('open');
      setProblem(error instanceof Refused ? (Object.values(error.fields)[0] ?? error.message) : String(error));
    }
  };
  return (
    <section class="careblock" aria-labelledby="report-title">
      <h2 id="report-title">{v('fb.title')}</h2>
      {answers.length > 0 && (
        <>
          <h3>{v('fb.answers')}</h3>
          <ul>
            {answers.map((a, i) => {
              const key = `fb.${a.kind}`;
              return (
                <li key={i}>
                  {isVKey(key) ? v(key) : ''}: {a.answer}
                </li>
              );
            })}
          </ul>
        </>
      )}
      {state === 'thanks' ? (
        <p role="status">{v('fb.thanks')}</p>
      ) : (
        <form
          onSubmit={(e) => {
            e.preventDefault();
            void send();
          }}
        >
          <label class="vfield">
            <span>{v('fb.kind')}</span>
            <select name="report-kind" value={kind} onChange={(e) => setKind(e.currentTarget.value as typeof kind)}>
              {KINDS.map((k) => (
                <option key={k} value={k}>
                  {v(`fb.${k}`)}
                </option>
              ))}
            </select>
          </label>
          <Field
            name="report-text"
            label={v('fb.text')}
            value={text}
            onInput={setText}
            {...(text.trim().length > 500
              ? { error: v('err.long', { n: 500 }) }
              : problem === ''
                ? {}
                : { error: problem })}
            note={v('fb.note')}
          />
          <button type="submit" class="button" disabled={state === 'busy' || text.trim().length > 500}>
            {v('fb.send')}
          </button>
        </form>
      )}
    </section>
  );
}

function Errands({
  id,
  errand,
  onOwner,
}: {
  id: string;
  errand: NonNullable<Errand>;
  onOwner: (token: string) => void;
}) {
  const [state, setState] = useState<'ask' | 'done' | 'bad'>('ask');
  const [link, setLink] = useState('');
  const handover = errand.kind === 'handover';
  const go = async (): Promise<void> => {
    try {
      if (handover) {
        const made = await call<{ ownerToken: string; ownerUrl: string }>('POST', `boxes/${id}/handover/accept`, '', { code: errand.code }); // prettier-ignore
        setLink(made.ownerUrl);
        onOwner(made.ownerToken);
      } else await call('POST', `boxes/${id}/alerts/confirm`, '', { code: errand.code });
      setState('done');
    } catch {
      setState('bad');
    }
  };
  return (
    <section class="careblock">
      {/* Not by opening alone: mail programs and messengers open links to look at them. */}
      {state === 'ask' && (
        <>
          {handover && <p>{v('own.handover.note2')}</p>}
          <button type="button" class="button primary" onClick={() => void go()}>
            {v(handover ? 'own.handover.accept' : 'own.confirm.do')}
          </button>
        </>
      )}
      {state === 'bad' && (
        <p class="error" role="alert">
          {v(handover ? 'own.handover.bad' : 'own.confirm.bad')}
        </p>
      )}
      {state === 'done' && !handover && <p role="status">{v('own.confirmed')}</p>}
      {link !== '' && (
        <>
          <p class="banner warn">{v('done.once')}</p>
          <Secret label={v('done.owner')} text={link} note={v('done.owner.note')} testid="owner" />
        </>
      )}
    </section>
  );
}

export interface CaredBox extends ClaimableBox {
  readonly kind: 'box' | 'station';
  readonly claimed: boolean;
  readonly retired: boolean;
}

export function Care({ box, onChange }: { box: CaredBox; onChange: () => void }) {
  const { id, kind } = box;
  void lang.value;
  const [errand] = useState(errandOf);
  const [token, setToken] = useState(() => (errand?.kind === 'owner' ? errand.code : kept('owner', id)));
  useEffect(() => {
    if (token !== '') keep('owner', id, token);
  }, [token]);
  return (
    <>
      {errand && errand.kind !== 'owner' && <Errands id={id} errand={errand} onOwner={setToken} />}
      {token !== '' && (
        <div class="careblock">
          <Owner
            id={id}
            token={token}
            onChange={onChange}
            onLeave={() => {
              keep('owner', id, '');
              setToken('');
            }}
          />
        </div>
      )}
      {kind === 'box' && !box.claimed && !box.retired && token === '' && (
        <Claim
          box={box}
          onOwner={(t) => {
            setToken(t);
            onChange();
          }}
        />
      )}
      {kind === 'box' && token === '' && <Report id={id} />}
    </>
  );
}
