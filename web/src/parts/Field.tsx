import { type ReactNode, useId } from "react";

/** What an input needs to be found by its label and read with its help. */
interface Wired {
  id: string;
  "aria-describedby"?: string;
  "aria-invalid"?: true;
}

/** A label, an input, what it takes, and what is wrong with what it was given. */
export function Field({
  label,
  help,
  wrong,
  children,
}: {
  label: string;
  help?: ReactNode;
  wrong?: string | undefined;
  children: (wired: Wired) => ReactNode;
}) {
  const id = useId();
  const helpId = `${id}-help`;
  const wrongId = `${id}-wrong`;
  const described = [help ? helpId : "", wrong ? wrongId : ""].filter(Boolean).join(" ");
  return (
    <div className="field">
      <label htmlFor={id}>{label}</label>
      {children({
        id,
        ...(described ? { "aria-describedby": described } : {}),
        ...(wrong ? { "aria-invalid": true as const } : {}),
      })}
      {help ? (
        <p id={helpId} className="faint">
          {help}
        </p>
      ) : null}
      {wrong ? (
        <p id={wrongId} className="wrong">
          {wrong}
        </p>
      ) : null}
    </div>
  );
}
