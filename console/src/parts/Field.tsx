/** A labelled control with its note and its error, the label above. */
import OutlinedInput, { type OutlinedInputProps } from "@mui/material/OutlinedInput";
import { type ReactNode, useId } from "react";
import css from "./parts.module.css";

interface Labelled {
  label: string;
  note?: ReactNode;
  error?: string;
  hideLabel?: boolean;
}

type FieldProps = Labelled & Pick<OutlinedInputProps, "value" | "type" | "autoComplete" | "autoFocus" | "required" | "multiline" | "minRows" | "placeholder" | "disabled" | "startAdornment" | "inputRef"> & {
  onValue: (value: string) => void;
  /** For what is read letter by letter: JSON, ids. */
  mono?: boolean;
  /** Digits alone: a phone shows them. */
  numeric?: boolean;
  /** What may be meant, offered while typing: the value, and in words what it is. */
  offered?: { value: string; label?: string }[];
};

export function Field({ label, note, error, hideLabel, onValue, required, mono, numeric, offered, ...input }: FieldProps) {
  const id = useId();
  const described = error || note ? `${id}-note` : undefined;
  return (
    <div className={css.field}>
      <label htmlFor={id} className={hideLabel ? "visually-hidden" : undefined}>
        {label}
      </label>
      <OutlinedInput
        {...input}
        id={id}
        error={Boolean(error)}
        fullWidth
        className={mono ? css.mono : undefined}
        onChange={(event) => onValue(event.target.value)}
        slotProps={{ input: { "aria-describedby": described, "aria-required": required, "aria-invalid": Boolean(error), spellCheck: mono ? false : undefined, inputMode: numeric ? "numeric" : undefined, list: offered && `${id}-offered` } }}
      />
      {offered && (
        <datalist id={`${id}-offered`}>
          {offered.map(({ value, label }) => (
            <option key={value} value={value} label={label} />
          ))}
        </datalist>
      )}
      {(error || note) && (
        <span id={described} aria-live="polite" className={error ? css.fieldError : css.note}>
          {error ?? note}
        </span>
      )}
    </div>
  );
}

type ChoiceProps = Labelled & { value: string; onValue: (value: string) => void; options: { value: string; label: string }[]; disabled?: boolean };

export function Choice({ label, note, error, hideLabel, value, onValue, options, disabled }: ChoiceProps) {
  const id = useId();
  return (
    <div className={css.field}>
      <label htmlFor={id} className={hideLabel ? "visually-hidden" : undefined}>
        {label}
      </label>
      <select id={id} className={css.select} value={value} disabled={disabled} aria-invalid={Boolean(error)} aria-describedby={error || note ? `${id}-note` : undefined} onChange={(event) => onValue(event.target.value)}>
        {options.map((option) => (
          <option key={option.value} value={option.value}>
            {option.label}
          </option>
        ))}
      </select>
      {(error || note) && <span id={`${id}-note`} className={error ? css.fieldError : css.note}>{error ?? note}</span>}
    </div>
  );
}
