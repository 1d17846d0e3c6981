import { useState } from "react";
import type { App } from "../api/types";
import { AskForm } from "../parts/AskForm";
import { NameField } from "../parts/NameField";
import { SecretField } from "../parts/SecretField";
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
  const send = () => {
    if (name.trim()) set.mutate();
  };
  return (
    <AskForm action="Set variable" underWay="Setting…" does={set} onSend={send}>
      <div className="fields">
        <NameField
          label="Name"
          help="Letters, digits and _, not beginning with a digit."
          value={name}
          required
          onChange={setName}
        />
        <SecretField
          label="Value"
          help={
            <>
              Shown to nobody, once it is set. Several lines:{" "}
              <code>hythe env set {app.name} NAME=- &lt; FILE</code>
            </>
          }
          value={value}
          onChange={setValue}
        />
      </div>
    </AskForm>
  );
}
