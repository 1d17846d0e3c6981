import type { App, EnvVariable } from "../api/types";
import { Asking } from "../parts/Asking";
import { Ago } from "../parts/Small";
import { useEnv } from "./useEnv";

/** A variable's name, and when it was set. Its value is shown to nobody. */
export function VariableRow({
  app,
  variable: { name, set_at },
  onRemoved,
}: {
  app: App;
  variable: EnvVariable;
  onRemoved: () => void;
}) {
  const remove = useEnv(app.name, () => ({ remove: [name] }), onRemoved);
  return (
    <li>
      <code className="breaks">{name}</code>
      {set_at ? (
        <span className="faint">
          set <Ago at={set_at} />
        </span>
      ) : null}
      <Asking
        action="Remove"
        of={name}
        title={`Remove ${name}?`}
        does={remove}
        className="quiet at-end"
      >
        <p>
          The next deployment of {app.name} has it no more. Its value cannot be brought back from
          here.
        </p>
      </Asking>
    </li>
  );
}
