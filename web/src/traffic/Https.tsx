import { type FormEvent, useState } from "react";
import type { App, EdgeHttps, EdgeSettings, UpdateEdge } from "../api/types";
import { Choice } from "../parts/Choice";
import { Field } from "../parts/Field";
import { Outcome } from "../parts/Outcome";
import { Refusal } from "../parts/Refusal";
import { Save } from "../parts/Save";
import { Section } from "../parts/Section";
import { Switch } from "../parts/Switch";
import { useDraft } from "../parts/useDraft";
import { type HttpsDraft, type HttpsWrong, httpsChange, httpsOf } from "./https";
import { useEdge } from "./useEdge";

const WITHOUT_TLS = [
  ["redirect", "Are sent on to https where there is a certificate"],
  ["both", "Are served as those over TLS are"],
] as const satisfies [EdgeHttps, string][];

/** What becomes of requests without TLS, and what browsers remember of it. */
export function Https({ app, settings }: { app: App; settings: EdgeSettings }) {
  const { draft, edit, forget } = useDraft(httpsOf(settings));
  const [wrong, setWrong] = useState<HttpsWrong>({});
  const save = useEdge(app.name, (change: UpdateEdge) => change, forget);
  const { change, wrong: found } = httpsChange(settings, draft);
  const set = (edits: Partial<HttpsDraft>) => {
    if (!save.isPending) save.reset();
    edit(edits);
  };
  const submit = (event: FormEvent) => {
    event.preventDefault();
    setWrong(found);
    if (!found.span) save.mutate(change);
  };
  return (
    <Section title="https">
      <form className="form" onSubmit={submit}>
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
            wrong={wrong.span}
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
        <Save
          changed={Object.keys(change).length > 0 || Boolean(found.span)}
          busy={save.isPending}
          onForget={() => {
            forget();
            setWrong({});
          }}
        />
        <Outcome>{save.isSuccess ? "Saved; it holds at once." : ""}</Outcome>
        <Refusal error={save.error} />
      </form>
    </Section>
  );
}
