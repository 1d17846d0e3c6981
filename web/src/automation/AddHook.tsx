import { useMutation, useQueryClient } from "@tanstack/react-query";
import { type FormEvent, useState } from "react";
import { hooks } from "../api/automation";
import { hooksQuery } from "../api/queries";
import type { App, HookWithSecret } from "../api/types";
import { Button } from "../parts/Button";
import { Choice } from "../parts/Choice";
import { Refusal } from "../parts/Refusal";
import { Command } from "../parts/Small";

const PROVIDERS = [
  ["found", "Found from the repository"],
  ["github", "GitHub"],
  ["gitlab", "GitLab"],
  ["bitbucket", "Bitbucket"],
  ["gitea", "Gitea"],
  ["forgejo", "Forgejo"],
] as const;

/** Makes a webhook for the app's repository. */
export function AddHook({ app, onMade }: { app: App; onMade: (made: HookWithSecret) => void }) {
  const queries = useQueryClient();
  const [provider, setProvider] = useState<(typeof PROVIDERS)[number][0]>("found");
  const add = useMutation({
    // The secret in the answer is not kept here, too.
    gcTime: 0,
    mutationFn: () => hooks.create(app.name, provider === "found" ? undefined : provider),
    onSuccess: (made) => {
      onMade(made);
      return queries.invalidateQueries({ queryKey: hooksQuery(app.name).queryKey });
    },
  });
  const submit = (event: FormEvent) => {
    event.preventDefault();
    if (!add.isPending) add.mutate();
  };
  return (
    <form className="empty" onSubmit={submit}>
      <p>
        No webhook yet: a push deploys nothing by itself. Make one, and enter what is shown then at
        the repository's provider. On the command line:
      </p>
      <Command text={`hythe hook add ${app.name}`} />
      <Choice label="Who sends" value={provider} options={PROVIDERS} onChange={setProvider} />
      <div className="actions">
        <Button type="submit" className="primary" rests={add.isPending}>
          {add.isPending ? "Making it…" : "Make a webhook"}
        </Button>
      </div>
      <Refusal error={add.error} />
    </form>
  );
}
