import type { App, EdgeGuards, EdgeSettings } from "../api/types";
import { Choice } from "../parts/Choice";
import { Field } from "../parts/Field";
import { allowedChange, allowedOf } from "./allowed";
import { EdgeForm } from "./EdgeForm";
import { useEdgeForm } from "./useEdgeForm";

const GUARDS = [
  ["all", "The app and its previews"],
  ["previews", "Its previews only"],
] as const satisfies [EdgeGuards, string][];

/** From where the app may be seen, and for what that and its users hold. */
export function From({ app, settings }: { app: App; settings: EdgeSettings }) {
  const form = useEdgeForm(app, allowedOf(settings), (draft) => ({
    change: allowedChange(settings, draft),
    wrong: {},
  }));
  const { draft, set } = form;
  return (
    <EdgeForm title="From where" form={form}>
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
    </EdgeForm>
  );
}
