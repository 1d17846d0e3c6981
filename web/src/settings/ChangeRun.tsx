import { type FormEvent, useState } from "react";
import { api } from "../api/client";
import type { App, UpdateApp } from "../api/types";
import { DeployAgain } from "../deployment/DeployAgain";
import { useChange } from "../deployment/useDeployment";
import { NameField } from "../parts/NameField";
import { Outcome } from "../parts/Outcome";
import { Refusal } from "../parts/Refusal";
import { Save } from "../parts/Save";
import { useDraft } from "../parts/useDraft";
import { changeOf, draftOf, followsBranch, type RunDraft, type RunWrong } from "./run";

/** Changes what is changed most of how an app runs. */
export function ChangeRun({ app }: { app: App }) {
  const { settings } = app;
  const { draft, edit, forget } = useDraft(draftOf(settings));
  const [wrong, setWrong] = useState<RunWrong>({});
  const save = useChange<UpdateApp>(app.name, (change) => api.update(app.name, change));
  const { change, wrong: found } = changeOf(settings, draft);
  const changed = Object.keys(change).length > 0 || Object.keys(found).length > 0;
  const submit = (event: FormEvent) => {
    event.preventDefault();
    setWrong(found);
    if (Object.keys(found).length === 0) save.mutate(change, { onSuccess: forget });
  };
  const text = (field: keyof RunDraft, label: string, help: string) => (
    <NameField
      label={label}
      help={help}
      wrong={wrong[field]}
      value={draft[field]}
      onChange={(value) => {
        if (!save.isPending) save.reset();
        edit({ [field]: value });
      }}
    />
  );
  return (
    <form className="form" onSubmit={submit}>
      <div className="fields">
        {followsBranch(settings)
          ? text("branch", "Branch", "Empty for the repository's own default branch.")
          : null}
        {text("port", "Port", "Empty to have it found.")}
        {text("memory", "Memory of a replica", "Such as 512M or 2G.")}
        {text("cpus", "CPUs of a replica", "Such as 0.5 or 2.")}
      </div>
      <Save
        changed={changed}
        busy={save.isPending}
        onForget={() => {
          forget();
          setWrong({});
        }}
      />
      <Outcome>{save.isSuccess ? "Saved; it holds from the next deployment on." : ""}</Outcome>
      {save.isSuccess ? <DeployAgain app={app} /> : null}
      <Refusal error={save.error} />
    </form>
  );
}
