import type { ReactNode } from "react";
import { Field } from "./Field";

/** One of a few, by its name. */
export function Choice<T extends string>({
  label,
  help,
  value,
  options,
  onChange,
}: {
  label: string;
  help?: ReactNode;
  value: T;
  options: readonly (readonly [T, string])[];
  onChange: (value: T) => void;
}) {
  return (
    <Field label={label} help={help}>
      {(wired) => (
        <select
          {...wired}
          value={value}
          onChange={(event) => {
            const chosen = options.find(([name]) => name === event.target.value);
            if (chosen) onChange(chosen[0]);
          }}
        >
          {options.map(([name, text]) => (
            <option key={name} value={name}>
              {text}
            </option>
          ))}
        </select>
      )}
    </Field>
  );
}
