/** The owner's part of a box page: opened by the owner link, whose secret stays behind the # and in this tab. */
import { useEffect, useState } from 'preact/hooks';
import { ago, dayAndClock } from '../i18n/index.ts';
import { isVKey, v } from '../i18n/volunteers.ts';
import { lang } from '../state/app.ts';
import { call, Refused, type FieldErrors } from '../register/calls.ts';
import { Alive } from '../register/alive.tsx';
import { RefusalHistory, refusalsOf } from '../register/refusals.tsx';
import { NO_REFUSALS } from '../register/refused.ts';
import { Choice, Field, Secret } from '../register/fields.tsx';
import { decimal } from '../register/form.tsx';
import { Label, printLabels } from '../register/label.tsx';
import { PlaceMap } from '../register/placemap.tsx';
import { Setup } from '../register/setup.tsx';
import { KINDS, type Kind, FORMAT } from '../snippets/index.ts';

export interface OwnedBox {
  readonly id: string;
  readonly name: string;
  readonly format: string;
  readonly lat: number | null;
  readonly lon: number | null;
  readonly placePrecision: 'exact' | 'grid';
  readonly exposure: 'outdoor' | 'indoor' | 'mobile' | 'unknown';
  readonly sensors: readonly string[];
  readonly licence: string | null;
  readonly lampPost: string;
  readonly side: string;
  readonly batch: string;
  readonly sensorIds: Readonly<Record<string, string>>;
  readonly retired: boolean;
  readonly paused: boolean;
  readonly exactPlaces: readonly { readonly lat: number; readonly lon: number; readonly height: number | null }[];
}

type Say = { readonly kind: 'ok' | 'bad'; readonly text: string } | null;

/** One thing to do, with what came of it beside it. */
function useDoing(): {
  say: Say;
  errors: FieldErrors;
  busy: boolean;
  run: (work: () => Promise<string | void>) => Promise<void>;
} {
  const [say, setSay] = useState<Say>(null);
  const [errors, setErrors] = useState<FieldErrors>({});
  const [busy, setBusy] = useState(false);
  return {
    say,
    errors,
    busy,
    async run(work) {
      setBusy(true);
      setErrors({});
      try {
        setSay({ kind: 'ok', text: (await work()) ?? v('own.saved') });
      } catch (error) {
        if (error instanceof Refused) setErrors(error.fields);
        setSay({ kind: 'bad', text: error instanceof Error ? error.message : String(error) });
      } finally {
        setBusy(false);
      }
    },
  };
}

const Said = ({ say }: { say: Say }) => (
  <p class={say?.kind === 'bad' ? 'error' : 'small'} role="status">
    {say?.text ?? ''}
  </p>
);

/** A button for something to do; `busy`: it cannot be pressed. */
const Do = ({ label, busy, onDo }: { label: string; busy: boolean; onDo: () => Promise<void> }) => (
  <button type="button" class="button" disabled={busy} onClick={() => void onDo()}>
    {label}
  </button>
);

/** Asks again before it does what cannot be undone. */
function Sure({ label, onDo, busy }: { label: string; onDo: () => void; busy: boolean }) {
  const [asked, setAsked] = useState(false);
  return (
    <>
      <button
        type="button"
        class="button danger"
        disabled={busy}
        onClick={() => {
          if (asked) onDo();
          setAsked(!asked);
        }}
      >
        {label}
      </button>{' '}
      {asked && <b role="alert">{v('own.sure')}</b>}
    </>
  );
}

interface PartProps {
  readonly box: OwnedBox;
  readonly token: string;
  readonly reload: () => void;
}

function Describe({ box, token, reload }: PartProps) {
  const [d, setD] = useState({
    name: box.name,
    sensors: box.sensors.join(', '),
    batch: box.batch,
    side: box.side,
    lampPost: box.lampPost,
    exposure: box.exposure,
    placePrecision: box.placePrecision,
    ids: Object.entries(box.sensorIds).map((pair) => pair.join('=')).join(', '), // prettier-ignore
  });
  const { say, errors, busy, run } = useDoing();
  const set = (change: Partial<typeof d>): void => setD({ ...d, ...change });
  const text = (name: 'name' | 'sensors' | 'batch' | 'side' | 'lampPost', label: string, note = '') => (
    <Field
      name={name}
      label={label}
      value={d[name]}
      onInput={(x) => setD({ ...d, [name]: x })}
      error={errors[name]}
      note={note}
    />
  );
  return (
    <details>
      <summary>{v('own.describe')}</summary>
      {text('name', v('reg.name'), v('reg.name.note'))}
      {text('sensors', v('reg.sensors'))}
      <div class="pair three">
        {text('batch', v('reg.batch'))}
        {text('side', v('reg.side'))}
        {text('lampPost', v('reg.lamp'))}
      </div>
      {box.format === 'opensensemap' && (
        <Field
          name="sensorIds"
          label={v('own.ids')}
          value={d.ids}
          onInput={(x) => set({ ids: x })}
          error={errors['sensorIds']}
          note={v('own.ids.note')}
        />
      )}
      <Choice
        name="exposure"
        label={v('reg.exposure')}
        value={d.exposure === 'unknown' ? '' : d.exposure}
        options={[
          ['outdoor', v('reg.outdoor')],
          ['indoor', v('reg.indoor')],
          ['mobile', v('reg.mobile')],
        ]}
        onChange={(x) => set({ exposure: x })}
      />
      <Choice
        name="precision"
        label={v('reg.precision')}
        value={d.placePrecision}
        options={[
          ['exact', v('reg.exact')],
          ['grid', v('reg.grid')],
        ]}
        onChange={(x) => set({ placePrecision: x })}
      />
      <Do
        label={v('own.save')}
        busy={busy}
        onDo={() =>
          run(async () => {
            const { ids, ...said } = d;
            const pairs = ids.split(/[,、，\s]+/).filter(Boolean).map((pair) => pair.split('=') as [string, string]); // prettier-ignore
            await call('PATCH', `boxes/${box.id}`, token, {
              ...said,
              ...(box.format === 'opensensemap' ? { sensorIds: Object.fromEntries(pairs) } : {}),
              sensors: d.sensors.split(/[,、，]/).map((s) => s.trim()).filter(Boolean), // prettier-ignore
            });
            reload();
          })
        }
      />
      <Said say={say} />
    </details>
  );
}

function Move({ box, token, reload }: PartProps) {
  const here = box.exactPlaces.at(-1);
  const [lat, setLat] = useState(here ? String(here.lat) : '');
  const [lon, setLon] = useState(here ? String(here.lon) : '');
  const [height, setHeight] = useState(here?.height === null || here?.height === undefined ? '' : String(here.height));
  const [open, setOpen] = useState(false);
  const { say, errors, busy, run } = useDoing();
  const [a, o, h] = [decimal(lat), decimal(lon), decimal(height)];
  const problems: FieldErrors = {
    ...(Math.abs(a) <= 90 ? {} : { lat: v('err.lat') }),
    ...(Math.abs(o) <= 180 ? {} : { lon: v('err.lon') }),
    ...(height.trim() === '' || (h >= -500 && h <= 10_000) ? {} : { height: v('err.height') }),
  };
  const wrong = Object.keys(problems).length > 0;
  return (
    <details onToggle={(e) => setOpen(e.currentTarget.open)}>
      <summary>{v('own.move')}</summary>
      <p class="small">{v('own.move.note')}</p>
      {open && (
        <PlaceMap
          spot={wrong ? null : { lat: a, lon: o }}
          onSpot={(s) => {
            setLat(s.lat.toFixed(6));
            setLon(s.lon.toFixed(6));
          }}
        />
      )}
      <div class="pair three">
        <Field
          name="lat"
          label={v('reg.lat')}
          value={lat}
          onInput={setLat}
          error={errors['lat'] ?? (lat === '' ? undefined : problems['lat'])}
          inputMode="decimal"
        />
        <Field
          name="lon"
          label={v('reg.lon')}
          value={lon}
          onInput={setLon}
          error={errors['lon'] ?? (lon === '' ? undefined : problems['lon'])}
          inputMode="decimal"
        />
        <Field
          name="height"
          label={v('reg.height')}
          value={height}
          onInput={setHeight}
          error={errors['height'] ?? problems['height']}
          inputMode="decimal"
        />
      </div>
      <Do
        label={v('own.move.do')}
        busy={busy || wrong}
        onDo={() =>
          run(async () => {
            await call('PATCH', `boxes/${box.id}`, token, { lat: a, lon: o, height: height.trim() === '' ? null : h });
            reload();
          })
        }
      />
      <Said say={say} />
    </details>
  );
}

interface Contact {
  readonly webhook: string;
  readonly email: string;
  readonly confirmed: boolean;
  readonly kinds: readonly ('offline' | 'stuck' | 'odd')[];
  readonly mail: boolean;
}

function Alerts({ box, token }: PartProps) {
  const [c, setC] = useState<Contact | null>(null);
  const { say, errors, busy, run } = useDoing();
  useEffect(() => {
    void run(async () => {
      setC(await call<Contact>('GET', `boxes/${box.id}/alerts`, token));
      return '';
    });
  }, [box.id, token]);
  return (
    <details>
      <summary>{v('own.alerts')}</summary>
      {c && (
        <>
          {c.mail ? (
            <Field
              name="email"
              label={v('own.email')}
              value={c.email}
              onInput={(x) => setC({ ...c, email: x })}
              error={errors['email']}
              note={c.email !== '' && !c.confirmed ? v('own.email.wait') : ''}
              inputMode="email"
            />
          ) : (
            <p class="small">{v('own.email.off')}</p>
          )}
          <Field
            name="webhook"
            label={v('own.webhook')}
            value={c.webhook}
            onInput={(x) => setC({ ...c, webhook: x })}
            error={errors['webhook']}
            inputMode="url"
            placeholder="https://"
          />
          <fieldset class="vfield choice">
            <legend>{v('own.alerts')}</legend>
            {(['offline', 'stuck', 'odd'] as const).map((k) => (
              <label key={k}>
                <input
                  type="checkbox"
                  checked={c.kinds.includes(k)}
                  onChange={(e) =>
                    setC({ ...c, kinds: e.currentTarget.checked ? [...c.kinds, k] : c.kinds.filter((x) => x !== k) })
                  }
                />
                <span>{v(`own.kind.${k}`)}</span>
              </label>
            ))}
          </fieldset>
          <Do
            label={v('own.save')}
            busy={busy}
            onDo={() =>
              run(async () => {
                setC(await call<Contact>('PUT', `boxes/${box.id}/alerts`, token, { email: c.email, webhook: c.webhook, kinds: c.kinds, lang: lang.value })); // prettier-ignore
              })
            }
          />
        </>
      )}
      <Said say={say} />
    </details>
  );
}

function Secrets({ box, token }: PartProps) {
  const [key, setKey] = useState('');
  const [link, setLink] = useState('');
  const { say, busy, run } = useDoing();
  const kind: Kind = KINDS.find((k) => FORMAT[k] === box.format) ?? 'mqtt';
  const here = box.exactPlaces.at(-1);
  return (
    <details>
      <summary>{v('own.secrets')}</summary>
      <p class="small">{v('own.key.note')}</p>
      <p>
        <Sure
          label={v('own.key')}
          busy={busy}
          onDo={() =>
            void run(async () => {
              setKey((await call<{ key: string }>('POST', `boxes/${box.id}/key`, token)).key);
            })
          }
        />
      </p>
      {key !== '' && (
        <>
          <Secret label={v('done.key')} text={key} testid="new-key" />
          <Setup
            box={{ id: box.id, key, sensors: box.sensors, lat: here?.lat ?? null, lon: here?.lon ?? null }}
            first={kind}
          />
        </>
      )}
      <p class="small">{v('own.handover.note')}</p>
      <p>
        <Do
          label={v('own.handover')}
          busy={busy}
          onDo={() =>
            run(async () => {
              setLink((await call<{ handoverUrl: string }>('POST', `boxes/${box.id}/handover`, token, {})).handoverUrl);
            })
          }
        />
      </p>
      {link !== '' && <Secret label={v('own.handover')} text={link} testid="handover" />}
      <Said say={say} />
    </details>
  );
}

interface Report {
  readonly id: number;
  readonly time: string;
  readonly kind: string;
  readonly text: string;
  readonly answer: string;
  readonly answeredAt: string | null;
}

export function Reports({
  id,
  token,
  reports,
  reload,
}: {
  id: string;
  token: string;
  reports: readonly Report[];
  /** What it returns is said instead of "saved". */
  reload: () => string | void;
}) {
  const [answers, setAnswers] = useState<Readonly<Record<number, string>>>({});
  const { say, errors, busy, run } = useDoing();
  return (
    <>
      <ul>
        {reports.map((r) => {
          const key = `fb.${r.kind}`;
          return (
            <li key={r.id}>
              <b>{isVKey(key) ? v(key) : r.kind}</b> <span class="small">{ago(Date.now() - Date.parse(r.time))}</span>
              {r.text !== '' && <p>{r.text}</p>}
              {r.answeredAt ? (
                <p class="small">
                  {r.answer === '' ? v('own.seen.done') : v('own.answered', { answer: r.answer })} (
                  {dayAndClock(Date.parse(r.answeredAt))})
                </p>
              ) : (
                <div class="row answer">
                  <div class="grow">
                    <Field
                      name={`answer-${r.id}`}
                      label={v('own.answer')}
                      value={answers[r.id] ?? ''}
                      onInput={(x) => setAnswers({ ...answers, [r.id]: x })}
                      error={errors['answer']}
                    />
                  </div>
                  <Do
                    label={v((answers[r.id] ?? '').trim() === '' ? 'own.seen' : 'fb.send')}
                    busy={busy}
                    onDo={() =>
                      run(async () => {
                        await call('PATCH', `boxes/${id}/feedback/${r.id}`, token, { answer: answers[r.id] ?? '' });
                        return reload();
                      })
                    }
                  />
                </div>
              )}
            </li>
          );
        })}
      </ul>
      <Said say={say} />
    </>
  );
}

/** How often refusals and reports are asked for [ms]. */
const ASK_EVERY = 30_000;

function Incoming({ box, token }: PartProps) {
  const [rejects, setRejects] = useState(NO_REFUSALS);
  const [reports, setReports] = useState<readonly Report[]>([]);
  const [turn, setTurn] = useState(0);
  const { say, run } = useDoing();
  useEffect(() => {
    void run(async () => {
      setRejects(await refusalsOf(box.id, token, 20));
      setReports((await call<{ items: Report[] }>('GET', `boxes/${box.id}/feedback?limit=50`, token)).items);
      return '';
    });
  }, [box.id, token, turn]);
  // Whoever is putting the box right keeps the page open meanwhile.
  useEffect(() => {
    const timer = setInterval(() => {
      if (!document.hidden) setTurn((n) => n + 1);
    }, ASK_EVERY);
    return () => clearInterval(timer);
  }, []);
  const open = reports.filter((r) => r.answeredAt === null).length;
  return (
    <>
      <details open={open > 0}>
        <summary>
          {v('own.reports')} ({open})
        </summary>
        {reports.length === 0 ? (
          <p>{v('own.reports.none')}</p>
        ) : (
          <Reports id={box.id} token={token} reports={reports} reload={() => setTurn((n) => n + 1)} />
        )}
      </details>
      <details>
        <summary>
          {v('own.rejects')} ({rejects.current.length})
        </summary>
        <RefusalHistory found={rejects} />
      </details>
      <Said say={say} />
    </>
  );
}

function End({ box, token, reload }: PartProps) {
  const { say, busy, run } = useDoing();
  return (
    <details>
      <summary>{v('own.end')}</summary>
      <p class="small">{v('own.pause.note')}</p>
      <p>
        <Do
          label={v(box.paused ? 'own.resume' : 'own.pause')}
          busy={busy}
          onDo={() =>
            run(async () => {
              await call('PUT', `boxes/${box.id}/paused`, token, { paused: !box.paused });
              reload();
            })
          }
        />
      </p>
      {(
        [
          ['own.retire', 'own.retire.note', ''],
          ['own.forget', 'own.forget.note', '/personal'],
        ] as const
      ).map(([key, note, path]) => (
        <div key={key}>
          <p class="small">{v(note)}</p>
          <p>
            <Sure
              label={v(key)}
              busy={busy}
              onDo={() =>
                void run(async () => {
                  await call('DELETE', `boxes/${box.id}${path}`, token);
                  reload();
                })
              }
            />
          </p>
        </div>
      ))}
      <Said say={say} />
    </details>
  );
}

export function Owner({
  id,
  token,
  onChange,
  onLeave,
}: {
  id: string;
  token: string;
  onChange: () => void;
  onLeave: () => void;
}) {
  const [box, setBox] = useState<OwnedBox | null>(null);
  const [problem, setProblem] = useState('');
  const [turn, setTurn] = useState(0);
  useEffect(() => {
    const load = async (): Promise<void> => {
      try {
        setBox(await call<OwnedBox>('GET', `boxes/${id}/owner`, token));
        setProblem('');
      } catch (error) {
        const { status, message } = error as Refused;
        setProblem(status === 401 || status === 403 ? v('own.bad') : message);
        if (status === 401) setBox(null);
      }
    };
    void load();
  }, [id, token, turn]);
  const part = box && {
    box,
    token,
    reload: () => {
      setTurn(turn + 1);
      onChange();
    },
  };
  return (
    <section class="owner" aria-labelledby="owner-title">
      <h2 id="owner-title">{v('own.title')}</h2>
      {problem !== '' && (
        <p class="error" role="alert">
          {problem}
        </p>
      )}
      {box && part && (
        <>
          {box.paused && <p class="banner warn">{v('own.paused')}</p>}
          <Alive id={id} token={token} place={box} />
          <Incoming {...part} />
          <Describe {...part} />
          <Move {...part} />
          <Alerts {...part} />
          <Secrets {...part} />
          <details>
            <summary>{v('done.label')}</summary>
            <Label id={id} name={box.name} origin={location.origin} />
            <p>
              <button type="button" class="button" onClick={printLabels}>
                {v('done.print')}
              </button>
            </p>
          </details>
          <End {...part} />
        </>
      )}
      <p>
        <button type="button" class="link" onClick={onLeave}>
          {v('own.leave')}
        </button>
      </p>
    </section>
  );
}
