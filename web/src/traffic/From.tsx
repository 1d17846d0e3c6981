import type { FormEvent } from "react";
import type { App, EdgeGuards, EdgeSettings, UpdateEdge } from "../api/types";
import { Choice } from "../parts/Choice";
import { Field } from "../parts/Field";
import { Outcome } from "../parts/Outcome";
import { Refusal } from "../parts/Refusal";
import { Save } from "../parts/Save";
import { Section } from "../parts/Section";
import { useDraft } from "../parts/useDraft";
import { type Allowed, allowedChange, allowedOf } from "./allowed";
import { useEdge } from "./useEdge";

const GUARDS = [
  ["all", "The app and its previews"],
  ["previews", "Its previews only"],
] as const satisfies [EdgeGuards, string][];

/** From where the app may be seen, and for what that and its users hold. */
export function From({ app, settings }: { app: App; settings: EdgeSettings }) {
  const { draft, edit, forget } = useDraft(allowedOf(settings));
  const save = useEdge(app.name, (change: UpdateEdge) => change, forget);
  const change = allowedChange(settings, draft);
  const set = (edits: Partial<Allowed>) => {
    if (!save.isPending) save.reset();
    edit(edits);
  };
  const submit = (event: FormEvent) => {
    event.preventDefault();
    save.mutate(change);
  };
  return (
    <Section title="From where">
      <form className="form" onSubmit={submit}>
        <div className="fields">
          <Field
            label="Addresses and ranges"
            help="One a line, such as 10.0.0.0/8; from everywhere where there is none."
          >
            {(wired) => (
              <textarea
                {...wired}
                rows={3}
                spellCheck={false}
                value={draft.allow}
                onChange={(event) => set({ allow: event.target.value })}
              />
            )}
          </Field>
          <Choice
            label="Users and addresses hold for"
            value={draft.guards}
            options={GUARDS}
            onChange={(guards) => set({ guards })}
          />
        </div>
        <Save changed={Object.keys(change).length > 0} busy={save.isPending} onForget={forget} />
        <Outcome>{save.isSuccess ? "Saved; it holds at once." : ""}</Outcome>
        <Refusal error={save.error} />
      </form>
    </Section>
  );
}
