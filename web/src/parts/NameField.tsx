import type { ComponentProps, ReactNode } from "react";
import { Field } from "./Field";

type Input = Pick<
  ComponentProps<"input">,
  "type" | "list" | "required" | "maxLength" | "placeholder"
>;

/**
 * A field for a name, an address or the like: it is no word of any language, so nothing is to correct
 * it, complete it or begin it with a capital.
 */
export function NameField({
  label,
  help,
  wrong,
  value,
  onChange,
  ...input
}: Input & {
  label: string;
  help?: ReactNode;
  wrong?: string | undefined;
  value: string;
  onChange: (value: string) => void;
}) {
  return (
    <Field label={label} help={help} wrong={wrong}>
      {(wired) => (
        <input
          {...wired}
          {...input}
          value={value}
          autoCapitalize="none"
          autoComplete="off"
          spellCheck={false}
          onChange={(event) => onChange(event.target.value)}
        />
      )}
    </Field>
  );
}
