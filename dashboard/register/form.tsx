/** What is asked of a new box. Checked here for a quick word by the field, and by the server for good. */
import { useRef, useState } from 'preact/hooks';
import { v } from '../i18n/volunteers.ts';
import { FORMAT, KINDS, type Kind } from '../snippets/index.ts';
import { MEASURES } from '../snippets/box.ts';
import { Search } from '../ui/search.tsx';
import { call, Refused, type FieldErrors, type Registered } from './calls.ts';
import { Choice, Field } from './fields.tsx';
import { PlaceMap, type Spot } from './placemap.tsx';

const SENSORS = Object.keys(MEASURES);
const PLANTOWER = /^PMS/;
/** Which output of a Plantower chip a kind of firmware sends. */
const OUTPUT: Partial<Record<Kind, 'cf1' | 'atm'>> = {
  esphome: 'atm',
  lass: 'atm',
  airgradient: 'atm',
  tasmota: 'cf1',
};

interface Draft {
  readonly name: string;
  readonly lat: string;
  readonly lon: string;
  readonly height: string;
  readonly side: string;
  readonly lampPost: string;
  readonly precision: 'exact' | 'grid';
  readonly exposure: '' | 'outdoor' | 'indoor' | 'mobile';
  readonly kind: Kind;
  readonly sensors: readonly string[];
  readonly others: string;
  readonly batch: string;
  readonly licence: 'CC-BY-4.0' | 'CC0-1.0' | 'CC-BY-SA-4.0';
}

const EMPTY: Draft = {
  name: '',
  lat: '',
  lon: '',
  height: '',
  side: '',
  lampPost: '',
  precision: 'exact',
  exposure: '',
  kind: 'esphome',
  sensors: [],
  others: '',
  batch: '',
  licence: 'CC-BY-4.0',
};

/** NaN for what is no number; people type full-width digits and decimal commas too. */
export function decimal(text: string): number {
  const plain = text.normalize('NFKC').trim().replace(',', '.').replace('−', '-');
  return /^[-+]?\d{1,5}(\.\d*)?$/.test(plain) ? Number(plain) : NaN;
}

const others = (text: string): string[] =>
  text
    .split(/[,、，;]/)
    .map((s) => s.trim())
    .filter((s) => s !== '');

export function check(d: Draft): FieldErrors {
  const errors: Record<string, string> = {};
  const [lat, lon] = [decimal(d.lat), decimal(d.lon)];
  if (d.name.trim() === '' || d.name.trim().length > 120) errors['name'] = v('err.name');
  if (d.lat.trim() === '' && d.lon.trim() === '') errors['lat'] = v('err.place');
  else {
    if (!(Math.abs(lon) <= 180)) errors['lon'] = v('err.lon');
    if (!(Math.abs(lat) <= 90))
      errors['lat'] = Math.abs(lat) <= 180 && Math.abs(lon) <= 90 ? v('err.swapped') : v('err.lat');
  }
  const height = decimal(d.height);
  if (d.height.trim() !== '' && !(height >= -500 && height <= 10_000)) errors['height'] = v('err.height');
  if (d.exposure === '') errors['exposure'] = v('err.exposure');
  for (const key of ['side', 'lampPost', 'batch'] as const) {
    if (d[key].trim().length > 60) errors[key] = v('err.long', { n: 60 });
  }
  const all = [...d.sensors, ...others(d.others)];
  if (all.length > 20 || all.some((s) => s.length > 40)) errors['sensors'] = v('err.sensors');
  return errors;
}

const body = (d: Draft): object => {
  const sensors = [...new Set([...d.sensors, ...others(d.others)])];
  return {
    name: d.name.trim(),
    lat: decimal(d.lat),
    lon: decimal(d.lon),
    height: d.height.trim() === '' ? null : decimal(d.height),
    placePrecision: d.precision,
    exposure: d.exposure,
    sensors,
    field: sensors.some((s) => PLANTOWER.test(s)) ? (OUTPUT[d.kind] ?? '') : '',
    format: FORMAT[d.kind],
    licence: d.licence,
    lampPost: d.lampPost,
    side: d.side,
    batch: d.batch,
  };
};

export function RegisterForm({ onDone }: { onDone: (box: Registered, kind: Kind) => void }) {
  const [draft, setDraft] = useState<Draft>(EMPTY);
  const [errors, setErrors] = useState<FieldErrors>({});
  const [failure, setFailure] = useState('');
  const [busy, setBusy] = useState(false);
  const [position, setPosition] = useState('');
  const form = useRef<HTMLFormElement>(null);
  const set = (change: Partial<Draft>): void => {
    setDraft((d) => ({ ...d, ...change }));
    setErrors((e) => Object.fromEntries(Object.entries(e).filter(([key]) => !(key in change))));
  };
  const setSpot = (spot: Spot): void => {
    set({ lat: spot.lat.toFixed(6), lon: spot.lon.toFixed(6) });
  };
  const [lat, lon] = [decimal(draft.lat), decimal(draft.lon)];
  const spot = Math.abs(lat) <= 90 && Math.abs(lon) <= 180 ? { lat, lon } : null;
  const locate = (): void => {
    setPosition(v('reg.position.wait'));
    if (!('geolocation' in navigator)) {
      setPosition(v('reg.position.no'));
      return;
    }
    navigator.geolocation.getCurrentPosition(
      ({ coords }) => {
        setSpot({ lat: coords.latitude, lon: coords.longitude });
        setPosition(v('reg.position.ok', { n: Math.max(1, Math.round(coords.accuracy)) }));
      },
      () => setPosition(v('reg.position.no')),
      { enableHighAccuracy: true, timeout: 15_000 },
    );
  };
  const show = (found: FieldErrors): void => {
    setErrors(found);
    // To the first field that is wrong, in the order of the page.
    setTimeout(() => form.current?.querySelector<HTMLElement>('.wrong input')?.focus(), 0);
  };
  const submit = async (): Promise<void> => {
    setFailure('');
    const found = check(draft);
    if (Object.keys(found).length > 0) {
      show(found);
      return;
    }
    setBusy(true);
    try {
      onDone(await call<Registered>('POST', 'boxes', '', body(draft)), draft.kind);
    } catch (error) {
      const { message, fields } = error instanceof Refused ? error : new Refused(0, String(error));
      if (Object.keys(fields).length > 0) show(fields);
      setFailure(v('reg.failed', { detail: message }));
    } finally {
      setBusy(false);
    }
  };
  const wrong = Object.keys(errors).length;

  return (
    <form
      ref={form}
      class="register"
      noValidate
      onSubmit={(e) => {
        e.preventDefault();
        if (!busy) void submit();
      }}
    >
      <section>
        <h2>{v('reg.place')}</h2>
        <p class="small">{v('reg.place.how')}</p>
        <div class="placetools">
          <Search onPlace={(hit) => setSpot({ lat: hit.lat, lon: hit.lon })} onPosition={locate} />
          <button type="button" class="button" onClick={locate}>
            {v('reg.position')}
          </button>
        </div>
        <p class="small" role="status">
          {position}
        </p>
        <PlaceMap spot={spot} onSpot={setSpot} />
        <div class="pair">
          <Field
            name="lat"
            label={v('reg.lat')}
            value={draft.lat}
            onInput={(x) => set({ lat: x })}
            error={errors['lat']}
            inputMode="decimal"
            placeholder="25.0337"
            required
          />
          <Field
            name="lon"
            label={v('reg.lon')}
            value={draft.lon}
            onInput={(x) => set({ lon: x })}
            error={errors['lon']}
            inputMode="decimal"
            placeholder="121.5645"
            required
          />
        </div>
        <div class="pair three">
          <Field
            name="height"
            label={v('reg.height')}
            value={draft.height}
            onInput={(x) => set({ height: x })}
            error={errors['height']}
            inputMode="decimal"
            placeholder="3"
          />
          <Field
            name="side"
            label={v('reg.side')}
            value={draft.side}
            onInput={(x) => set({ side: x })}
            error={errors['side']}
            placeholder={v('reg.side.eg')}
          />
          <Field
            name="lampPost"
            label={v('reg.lamp')}
            value={draft.lampPost}
            onInput={(x) => set({ lampPost: x })}
            error={errors['lampPost']}
            placeholder={v('reg.lamp.eg')}
          />
        </div>
        <Choice
          name="precision"
          label={v('reg.precision')}
          value={draft.precision}
          options={[
            ['exact', v('reg.exact')],
            ['grid', v('reg.grid')],
          ]}
          onChange={(x) => set({ precision: x })}
          note={v('reg.grid.note')}
        />
        <Choice
          name="exposure"
          label={v('reg.exposure')}
          value={draft.exposure}
          options={[
            ['outdoor', v('reg.outdoor')],
            ['indoor', v('reg.indoor')],
            ['mobile', v('reg.mobile')],
          ]}
          onChange={(x) => set({ exposure: x })}
          error={errors['exposure']}
        />
      </section>
      <section>
        <h2>{v('reg.box')}</h2>
        <Field
          name="name"
          label={v('reg.name')}
          value={draft.name}
          onInput={(x) => set({ name: x })}
          error={errors['name']}
          note={v('reg.name.note')}
          required
        />
        <label class="vfield">
          <span>{v('reg.kind')}</span>
          <select name="kind" value={draft.kind} onChange={(e) => set({ kind: e.currentTarget.value as Kind })}>
            {KINDS.map((k) => (
              <option key={k} value={k}>
                {v(`kind.${k}`)}
              </option>
            ))}
          </select>
        </label>
        <fieldset class={errors['sensors'] ? 'vfield choice wrong' : 'vfield choice'}>
          <legend>{v('reg.sensors')}</legend>
          {SENSORS.map((s) => (
            <label key={s}>
              <input
                type="checkbox"
                value={s}
                checked={draft.sensors.includes(s)}
                onChange={(e) =>
                  set({
                    sensors: e.currentTarget.checked ? [...draft.sensors, s] : draft.sensors.filter((x) => x !== s),
                  })
                }
              />
              <span>{s}</span>
            </label>
          ))}
        </fieldset>
        <div class="pair">
          <Field
            name="others"
            label={v('reg.sensors.more')}
            value={draft.others}
            onInput={(x) => set({ others: x })}
            error={errors['sensors']}
            placeholder="MH-Z19B"
          />
          <Field
            name="batch"
            label={v('reg.batch')}
            value={draft.batch}
            onInput={(x) => set({ batch: x })}
            error={errors['batch']}
            note={v('reg.batch.note')}
          />
        </div>
        <label class="vfield">
          <span>{v('reg.licence')}</span>
          <select
            name="licence"
            value={draft.licence}
            onChange={(e) => set({ licence: e.currentTarget.value as Draft['licence'] })}
          >
            {(['CC-BY-4.0', 'CC0-1.0', 'CC-BY-SA-4.0'] as const).map((l) => (
              <option key={l} value={l}>
                {v(`reg.licence.${l}`)}
              </option>
            ))}
          </select>
        </label>
      </section>
      {failure !== '' && (
        <p class="error" role="alert">
          {failure}
        </p>
      )}
      {wrong > 0 && <p class="error">{v('reg.fix', { n: wrong })}</p>}
      <p>
        <button type="submit" class="button primary" disabled={busy}>
          {v(busy ? 'reg.busy' : 'reg.submit')}
        </button>
      </p>
    </form>
  );
}
