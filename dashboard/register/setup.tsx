/** Settings to paste for the kind of box chosen. */
import { useEffect, useState } from 'preact/hooks';
import { v } from '../i18n/volunteers.ts';
import { KINDS, snippets, type Board, type Kind, type Snippet } from '../snippets/index.ts';
import { serverConfig, type ServerConfig } from './calls.ts';
import { Copy } from './fields.tsx';
import { Flash, useFirmware } from './flash.tsx';

export interface SetupBox {
  readonly id: string;
  readonly key: string;
  readonly sensors: readonly string[];
  readonly lat: number | null;
  readonly lon: number | null;
}

export function useServerConfig(): ServerConfig | null {
  const [config, setConfig] = useState<ServerConfig | null>(null);
  useEffect(() => {
    serverConfig().then(setConfig, () => undefined); // The next visit asks again; the usual port is shown meanwhile.
  }, []);
  return config;
}

function Paste({ snippet }: { snippet: Snippet }) {
  if (snippet.kind === 'fields') {
    return (
      <div class="paste">
        <h3>{snippet.title}</h3>
        <table>
          <tbody>
            {snippet.fields.map(([name, value]) => (
              <tr key={name}>
                <th scope="row">{name}</th>
                <td>
                  <code>{value}</code>
                </td>
              </tr>
            ))}
          </tbody>
        </table>
      </div>
    );
  }
  return (
    <div class="paste">
      <h3>{snippet.title}</h3>
      <pre tabIndex={0} aria-label={snippet.title}>
        <code>{snippet.text}</code>
      </pre>
      <p>
        <Copy text={snippet.text} label={snippet.title} />{' '}
        {snippet.file !== undefined && (
          <a
            class="button"
            download={snippet.file}
            href={`data:text/plain;charset=utf-8,${encodeURIComponent(snippet.text)}`}
          >
            {v('done.download')}
          </a>
        )}
      </p>
    </div>
  );
}

export function Setup({ box, first }: { box: SetupBox; first: Kind }) {
  const [kind, setKind] = useState(first);
  const [board, setBoard] = useState<Board>('esp32');
  const config = useServerConfig();
  const firmware = useFirmware();
  const url = (config?.url ?? location.origin).replace(/\/$/, '');
  const made = snippets(kind, { ...box, url, host: new URL(url).hostname, mqttPort: config?.mqtt.port ?? 1883 }, board);
  return (
    <section class="setup">
      <h2>{v('done.setup')}</h2>
      <label class="vfield">
        <span>{v('reg.kind')}</span>
        <select name="setup-kind" value={kind} onChange={(e) => setKind(e.currentTarget.value as Kind)}>
          {KINDS.map((k) => (
            <option key={k} value={k}>
              {v(`kind.${k}`)}
            </option>
          ))}
        </select>
      </label>
      {kind === 'esphome' && (
        <>
          {firmware?.length === 0 && <p>{v('done.flash.none')}</p>}
          {firmware && firmware.length > 0 && <Flash firmware={firmware} />}
          <label class="vfield">
            <span>{v('done.board')}</span>
            <select name="board" value={board} onChange={(e) => setBoard(e.currentTarget.value as Board)}>
              <option value="esp32">ESP32 DevKit</option>
              <option value="esp8266">ESP8266 (D1 mini)</option>
            </select>
          </label>
        </>
      )}
      <p>{v(`how.${kind}`)}</p>
      {made.map((s) => (
        <Paste key={s.title} snippet={s} />
      ))}
    </section>
  );
}
