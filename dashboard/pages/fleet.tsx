/** All boxes with health and last seen, what people reported and what was refused: for operators, with the admin token. */
import { useEffect, useState } from 'preact/hooks';
import '../style/volunteers.css';
import { Reports } from '../care/owner.tsx';
import { ago } from '../i18n/index.ts';
import { v } from '../i18n/volunteers.ts';
import { RefusalHistory } from '../register/refusals.tsx';
import { split, type Refusal } from '../register/refused.ts';
import { call, type Refused } from '../register/calls.ts';
import { Field } from '../register/fields.tsx';
import { Label, printLabels } from '../register/label.tsx';
import { lang } from '../state/app.ts';
import { Page } from '../ui/page.tsx';

interface Row {
  readonly id: string;
  readonly name: string;
  readonly sensors: readonly string[];
  readonly project: string;
  readonly lastSeen: string | null;
  readonly lastContact: string | null;
  readonly health: 'ok' | 'suspect' | 'offline' | 'unknown';
  readonly paused: boolean;
}
interface Report {
  readonly id: number;
  readonly box: string;
  readonly time: string;
  readonly kind: string;
  readonly text: string;
  readonly answer: string;
  readonly answeredAt: string | null;
}

const SHOWN = 500;
const LABELS = 60;
/** Those that need care first. */
const ORDER: Record<Row['health'], number> = { suspect: 0, offline: 1, unknown: 2, ok: 3 };

export default function FleetPage() {
  const [draft, setDraft] = useState('');
  // In this tab's memory only: whoever opens the browser next has to enter it again.
  const [token, setToken] = useState('');
  const [problem, setProblem] = useState('');
  const [rows, setRows] = useState<readonly Row[]>([]);
  const [next, setNext] = useState<string | null>(null);
  const [reports, setReports] = useState<readonly Report[]>([]);
  const [rejects, setRejects] = useState<readonly Refusal[]>([]);
  const [filter, setFilter] = useState('');
  const [labels, setLabels] = useState(false);
  const [turn, setTurn] = useState(0);
  const [said, setSaid] = useState('');

  const more = async (cursor: string | null): Promise<void> => {
    const page = await call<{ items: Row[]; next: string | null }>('GET', `boxes?limit=1000${cursor ? `&cursor=${cursor}` : ''}`, token || draft); // prettier-ignore
    setRows((old) => (cursor ? [...old, ...page.items] : page.items));
    setNext(page.next);
  };
  const open = async (): Promise<void> => {
    try {
      setReports((await call<{ items: Report[] }>('GET', 'feedback?open=true&limit=200', draft)).items);
      setRejects((await call<{ items: Refusal[] }>('GET', 'rejects?limit=20', draft)).items);
      await more(null);
      setToken(draft);
      setProblem('');
    } catch (error) {
      const { status, message } = error as Refused;
      setProblem(status === 401 || status === 403 ? v('fleet.bad') : message);
    }
  };
  useEffect(() => {
    if (turn > 0) void open();
  }, [turn]);
  useEffect(() => {
    if (labels) {
      setLabels(false);
      printLabels();
    }
  }, [labels]);

  const words = filter.trim().toLowerCase();
  const found = rows
    .filter((r) => words === '' || `${r.name} ${r.id} ${r.project}`.toLowerCase().includes(words))
    .sort((a, b) => ORDER[a.health] - ORDER[b.health]);
  const reported = new Map<string, Report[]>();
  for (const r of reports) reported.set(r.box, [...(reported.get(r.box) ?? []), r]);

  return (
    <Page title={v('fleet.title')} lead={v('fleet.lead')} wide>
      {token === '' ? (
        <form
          onSubmit={(e) => {
            e.preventDefault();
            void open();
          }}
        >
          <label class="vfield">
            <span>{v('fleet.token')}</span>
            <input
              type="password"
              name="token"
              autocomplete="off"
              value={draft}
              onInput={(e) => setDraft(e.currentTarget.value)}
            />
          </label>
          <button type="submit" class="button primary">
            {v('fleet.open')}
          </button>
          <p class="error" role="alert">
            {problem}
          </p>
        </form>
      ) : (
        <>
          <Field name="filter" label={v('fleet.filter')} value={filter} onInput={setFilter} />
          <p class="actions fleetbar">
            {v('fleet.count', { n: found.length })}{' '}
            {next !== null && (
              <button type="button" class="button" onClick={() => void more(next)}>
                {v('fleet.more')}
              </button>
            )}{' '}
            <button type="button" class="button" onClick={() => setLabels(true)}>
              {v('fleet.labels', { n: Math.min(found.length, LABELS) })}
            </button>
            {found.length > LABELS && <span class="small">{v('fleet.labels.note', { n: LABELS })}</span>}
          </p>
          <div class="scroll fleet" tabIndex={0} role="region" aria-label={v('fleet.title')}>
            <table>
              <thead>
                <tr>
                  {(['name', 'health', 'seen', 'reports', 'sensors', 'project'] as const).map((k) => (
                    <th key={k} scope="col">
                      {v(`fleet.${k}`)}
                    </th>
                  ))}
                </tr>
              </thead>
              <tbody>
                {found.slice(0, SHOWN).map((r) => (
                  <tr key={r.id}>
                    <th scope="row">
                      <a href={`/boxes/${r.id}?lang=${lang.value}`}>
                        <bdi>{r.name || r.id}</bdi>
                      </a>
                    </th>
                    <td class={r.health === 'ok' ? '' : 'error'}>
                      {v(r.paused ? 'fleet.paused' : `fleet.${r.health}`)}
                    </td>
                    <td>
                      {r.lastSeen !== null
                        ? ago(Date.now() - Date.parse(r.lastSeen))
                        : r.lastContact === null
                          ? '–'
                          : v('fleet.contact', { age: ago(Date.now() - Date.parse(r.lastContact)) })}
                    </td>
                    <td>{reported.get(r.id)?.length ?? ''}</td>
                    <td>{r.sensors.join(', ')}</td>
                    <td>{r.project}</td>
                  </tr>
                ))}
              </tbody>
            </table>
          </div>
          <h2>{v('own.reports')}</h2>
          {reports.length === 0 && <p>{v('own.reports.none')}</p>}
          <p class="small" role="status">
            {said}
          </p>
          {[...reported].map(([id, list]) => (
            <section key={id}>
              <h3>
                <a href={`/boxes/${id}?lang=${lang.value}`}>
                  <bdi>{rows.find((r) => r.id === id)?.name || id}</bdi>
                </a>
              </h3>
              <Reports
                id={id}
                token={token}
                reports={list}
                reload={() => {
                  // The answered report leaves this list, and its own message with it.
                  setSaid(v('own.saved'));
                  setTurn(turn + 1);
                  return '';
                }}
              />
            </section>
          ))}
          <h2>{v('fleet.rejects')}</h2>
          <RefusalHistory
            found={split(rejects, (r) => rows.find((row) => row.id === r.thing)?.lastSeen ?? null)}
            nameOf={(id) => rows.find((r) => r.id === id)?.name || id}
          />
          <div class="labels aside" aria-hidden="true">
            {found.slice(0, LABELS).map((r) => (
              <Label key={r.id} id={r.id} name={r.name} origin={location.origin} />
            ))}
          </div>
        </>
      )}
    </Page>
  );
}
