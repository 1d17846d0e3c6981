import { type FormEvent, useId, useState } from "react";
import { api } from "../api/client";
import type { App } from "../api/types";
import { useChange } from "../deployment/useDeployment";
import { bytes, counted } from "../format/text";
import { Button } from "../parts/Button";
import { Outcome } from "../parts/Outcome";
import { Refusal } from "../parts/Refusal";
import type { Process } from "./processes";

/** The most replicas of one process that there can be (`ScaleApp` in the API's document). */
const MOST = 64;

/** A process, and how many of it there are. */
export function ProcessRow({ app, process }: { app: App; process: Process }) {
  const { name } = process;
  return (
    <li className="process">
      <div>
        <h3>{name}</h3>
        <p className="faint">
          {process.command ? <code className="breaks">{process.command.join(" ")}</code> : null}
          {process.command ? ", " : null}
          {bytes(process.memoryBytes)} memory, {process.cpuMillis / 1000} CPU each
          {process.wanted > 0 ? `, ${process.healthy} of ${process.wanted} healthy` : null}
        </p>
      </div>
      <Scale app={app} process={process} />
    </li>
  );
}

function Scale({ app, process }: { app: App; process: Process }) {
  const field = useId();
  const { name, replicas } = process;
  const [text, setText] = useState<string>();
  const scale = useChange<number>(app.name, (count) => api.scale(app.name, name, count));
  const given = text ?? String(replicas);
  const submit = (event: FormEvent) => {
    event.preventDefault();
    if (Number(given) !== replicas) {
      scale.mutate(Number(given), { onSuccess: () => setText(undefined) });
    }
  };
  return (
    <form className="scaling" onSubmit={submit}>
      <label htmlFor={field}>
        Replicas<span className="unseen"> of {name}</span>
      </label>
      <input
        id={field}
        type="number"
        // Web has at least one: to run none of it, the app is stopped.
        min={name === "web" ? 1 : 0}
        max={MOST}
        required
        value={given}
        onChange={(event) => setText(event.target.value)}
      />
      <Button type="submit" rests={scale.isPending || Number(given) === replicas}>
        {scale.isPending ? "Scaling…" : "Scale"}
        <span className="unseen"> {name}</span>
      </Button>
      <Outcome>
        {scale.isSuccess && text === undefined
          ? `${name} is to have ${counted(replicas, "replica")}.`
          : ""}
      </Outcome>
      <Refusal error={scale.error} />
    </form>
  );
}
