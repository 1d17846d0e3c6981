import type { App, EdgeHttps, EdgeSettings } from "../api/types";
import { Choice } from "../parts/Choice";
import { Field } from "../parts/Field";
import { Switch } from "../parts/Switch";
import { EdgeForm } from "./EdgeForm";
import { httpsChange, httpsOf } from "./https";
import { useEdgeForm } from "./useEdgeForm";

const WITHOUT_TLS = [
  ["redirect", "Are sent on to https where there is a certificate"],
  ["both", "Are served as those over TLS are"],
] as const satisfies [EdgeHttps, string][];

/** What becomes of requests without TLS, and what browsers remember of it. */
export function Https({ app, settings }: { app: App; settings: EdgeSettings }) {
  const form = useEdgeForm(app, httpsOf(settings), (draft) => httpsChange(settings, draft));
  const { draft, wrong, set } = form;
  return (
    <EdgeForm title="https" form={form}>
      <div className="fields">
        <Choice
          label="Requests without TLS"
          value={draft.https}
          options={WITHOUT_TLS}
          onChange={(https) => set({ https })}
        />
        <Field
          label="Browsers are to come by https only for"
          help="Such as 30d; empty to tell them nothing. They keep to it whatever is set meanwhile; 0s has them forget it."
          wrong={wrong?.span}
        >
          {(wired) => (
            <input
              {...wired}
              value={draft.span}
              autoCapitalize="none"
              autoComplete="off"
              onChange={(event) => set({ span: event.target.value })}
            />
          )}
        </Field>
      </div>
      {draft.span.trim() ? (
        <>
          <Switch
            label="That holds for all hosts below the app's, too"
            checked={draft.subdomains}
            onChange={(subdomains) => set({ subdomains })}
          />
          <Switch
            label="Browsers may have it built in"
            help="It takes a year, and all hosts below. It is hard to take back."
            checked={draft.preload}
            onChange={(preload) => set({ preload })}
          />
        </>
      ) : null}
    </EdgeForm>
  );
}
