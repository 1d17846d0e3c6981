import { useMutation, useQueryClient } from "@tanstack/react-query";
import type { FormEvent } from "react";
import { triggers as api } from "../api/automation";
import { triggersQuery } from "../api/queries";
import type { App, DeployOn, Triggers } from "../api/types";
import { Choice } from "../parts/Choice";
import { Field } from "../parts/Field";
import { Outcome } from "../parts/Outcome";
import { Refusal } from "../parts/Refusal";
import { Save } from "../parts/Save";
import { useDraft } from "../parts/useDraft";
import { changeOf, draftOf, type TriggerDraft } from "./triggers";

const DEPLOY_ON = [
  ["push", "Pushes to its branch"],
  ["tag", "New tags"],
  ["off", "Nothing"],
] as const satisfies [DeployOn, string][];

export function TriggersForm({ app, triggers }: { app: App; triggers: Triggers }) {
  const queries = useQueryClient();
  const { draft, edit, forget } = useDraft(draftOf(triggers));
  const change = changeOf(triggers, draft);
  const save = useMutation({
    mutationFn: () => api.update(app.name, change),
    onSuccess: (now) => {
      queries.setQueryData(triggersQuery(app.name).queryKey, now);
      forget();
    },
  });
  const set = (edits: Partial<TriggerDraft>) => {
    if (!save.isPending) save.reset();
    edit(edits);
  };
  const submit = (event: FormEvent) => {
    event.preventDefault();
    save.mutate();
  };
  return (
    <form className="form" onSubmit={submit}>
      <div className="fields">
        <Choice
          label="Deployed by"
          value={draft.deployOn}
          options={DEPLOY_ON}
          onChange={(deployOn) => set({ deployOn })}
        />
        {draft.deployOn === "tag" ? (
          <Field label="Which tags" help="A pattern such as v*; empty for all.">
            {(wired) => (
              <input
                {...wired}
                value={draft.tags}
                spellCheck={false}
                autoCapitalize="none"
                onChange={(event) => set({ tags: event.target.value })}
              />
            )}
          </Field>
        ) : null}
        <Field
          label="Only pushes that change"
          help="Patterns for paths, one a line, such as apps/web/**; with ! before, what does not count. Empty for every push."
        >
          {(wired) => (
            <textarea
              {...wired}
              rows={3}
              spellCheck={false}
              value={draft.watchPaths}
              onChange={(event) => set({ watchPaths: event.target.value })}
            />
          )}
        </Field>
      </div>
      <Save changed={Object.keys(change).length > 0} busy={save.isPending} onForget={forget} />
      <Outcome>{save.isSuccess ? "Saved; it holds for what comes next." : ""}</Outcome>
      <Refusal error={save.error} />
    </form>
  );
}
