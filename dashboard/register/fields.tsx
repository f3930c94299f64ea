/** Form fields with their message beside them. */
import type { ComponentChildren } from 'preact';
import { useId, useState } from 'preact/hooks';
import { v } from '../i18n/volunteers.ts';

interface FieldProps {
  readonly name: string;
  readonly label: string;
  readonly value: string;
  readonly onInput: (value: string) => void;
  readonly error?: string | undefined;
  readonly note?: string;
  readonly placeholder?: string;
  readonly max?: number;
  readonly required?: boolean;
  readonly inputMode?: 'decimal' | 'email' | 'url' | 'text';
}

export function Field(p: FieldProps) {
  const id = useId();
  return (
    <div class={p.error ? 'vfield wrong' : 'vfield'}>
      <label for={id}>{p.label}</label>
      <input
        id={id}
        name={p.name}
        value={p.value}
        autocomplete="off"
        inputMode={p.inputMode ?? 'text'}
        placeholder={p.placeholder ?? ''}
        aria-required={p.required === true}
        aria-invalid={p.error !== undefined}
        aria-describedby={`${id}-more`}
        onInput={(e) => p.onInput(e.currentTarget.value)}
      />
      <span class="small" id={`${id}-more`}>
        {p.error ? (
          <b class="error" role="alert">
            {p.error}
          </b>
        ) : (
          (p.note ?? '')
        )}
      </span>
    </div>
  );
}

export function Choice<T extends string>(p: {
  readonly name: string;
  readonly label: string;
  readonly value: T | '';
  readonly options: readonly (readonly [value: T, label: string])[];
  readonly onChange: (value: T) => void;
  readonly error?: string | undefined;
  readonly note?: string;
}) {
  const id = useId();
  return (
    <fieldset class={p.error ? 'vfield choice wrong' : 'vfield choice'} aria-describedby={`${id}-more`}>
      <legend>{p.label}</legend>
      {p.options.map(([value, label]) => (
        <label key={value}>
          <input
            type="radio"
            name={`${id}-${p.name}`}
            data-field={p.name}
            value={value}
            checked={p.value === value}
            onChange={() => p.onChange(value)}
          />
          <span>{label}</span>
        </label>
      ))}
      <span class="small" id={`${id}-more`}>
        {p.error ? (
          <b class="error" role="alert">
            {p.error}
          </b>
        ) : (
          (p.note ?? '')
        )}
      </span>
    </fieldset>
  );
}

export function Copy({ text, label }: { text: string; label: string }) {
  const [done, setDone] = useState(false);
  return (
    <button
      type="button"
      class="button"
      aria-label={`${v('done.copy')}: ${label}`}
      onClick={() => {
        // Without HTTPS there is no clipboard; the text is selectable all the same.
        void navigator.clipboard?.writeText(text).then(() => setDone(true));
      }}
    >
      {v(done ? 'done.copied' : 'done.copy')}
    </button>
  );
}

export function Secret({
  label,
  text,
  note,
  testid,
}: {
  label: string;
  text: string;
  note?: ComponentChildren;
  testid: string;
}) {
  return (
    <div class="secret">
      <div>
        <span class="small">{label}</span>
        <code data-secret={testid} tabIndex={0}>
          {text}
        </code>
        {note ? <span class="small">{note}</span> : null}
      </div>
      <Copy text={text} label={label} />
    </div>
  );
}
