import { type FormEvent, useState } from "react";
import type { App } from "../api/types";
import { Button } from "../parts/Button";
import { Field } from "../parts/Field";
import { Refusal } from "../parts/Refusal";
import { useEnv } from "./useEnv";

/** Sets a variable, or gives one another value. */
export function SetVariable({ app, onSet }: { app: App; onSet: (name: string) => void }) {
  const [name, setName] = useState("");
  const [value, setValue] = useState("");
  const set = useEnv(
    app.name,
    () => ({ set: { [name.trim()]: value } }),
    () => {
      onSet(name.trim());
      setName("");
      setValue("");
    },
  );
  const submit = (event: FormEvent) => {
    event.preventDefault();
    if (name.trim() && !set.isPending) set.mutate();
  };
  return (
    <form className="form" onSubmit={submit}>
      <div className="fields">
        <Field label="Name" help="Letters, digits and _, not beginning with a digit.">
          {(wired) => (
            <input
              {...wired}
              value={name}
              autoCapitalize="none"
              autoComplete="off"
              spellCheck={false}
              required
              onChange={(event) => setName(event.target.value)}
            />
          )}
        </Field>
        <Field
          label="Value"
          help={
            <>
              Shown to nobody, once it is set. Several lines:{" "}
              <code>hythe env set {app.name} NAME=- &lt; FILE</code>
            </>
          }
        >
          {(wired) => (
            <input
              {...wired}
              type="password"
              value={value}
              autoComplete="new-password"
              onChange={(event) => setValue(event.target.value)}
            />
          )}
        </Field>
      </div>
      <div className="actions">
        <Button type="submit" rests={set.isPending}>
          {set.isPending ? "Setting…" : "Set variable"}
        </Button>
      </div>
      <Refusal error={set.error} />
    </form>
  );
}
