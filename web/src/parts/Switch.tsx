import { type ReactNode, useId } from "react";

/** Something that is so or not. */
export function Switch({
  label,
  help,
  checked,
  onChange,
}: {
  label: string;
  help?: ReactNode;
  checked: boolean;
  onChange: (checked: boolean) => void;
}) {
  const id = useId();
  const helpId = `${id}-help`;
  return (
    <div className="field switch">
      <input
        id={id}
        type="checkbox"
        checked={checked}
        aria-describedby={help ? helpId : undefined}
        onChange={(event) => onChange(event.target.checked)}
      />
      <label htmlFor={id}>{label}</label>
      {help ? (
        <p id={helpId} className="faint">
          {help}
        </p>
      ) : null}
    </div>
  );
}
