import type { ComponentProps, ReactNode } from "react";
import { Field } from "./Field";

type Input = Pick<ComponentProps<"input">, "required" | "minLength" | "maxLength">;

/** A field for what nobody is to read, and no browser to fill in. */
export function SecretField({
  label,
  help,
  value,
  onChange,
  ...input
}: Input & {
  label: string;
  help?: ReactNode;
  value: string;
  onChange: (value: string) => void;
}) {
  return (
    <Field label={label} help={help}>
      {(wired) => (
        <input
          {...wired}
          {...input}
          type="password"
          value={value}
          autoComplete="new-password"
          onChange={(event) => onChange(event.target.value)}
        />
      )}
    </Field>
  );
}
