import { useMutation, useQueryClient } from "@tanstack/react-query";
import { useNavigate } from "@tanstack/react-router";
import { type FormEvent, useEffect, useRef, useState } from "react";
import { api } from "../api/client";
import { appQuery, appsQuery, deploymentQuery } from "../api/queries";
import type { App } from "../api/types";
import { Button } from "../parts/Button";
import { Choice } from "../parts/Choice";
import { Field } from "../parts/Field";
import { Refusal } from "../parts/Refusal";
import { Section } from "../parts/Section";
import { asked, FROM, type NewAppDraft, NOTHING_YET } from "./newApp";

/** Makes an app, and brings its first version live. */
export function NewApp() {
  const [draft, setDraft] = useState(NOTHING_YET);
  const first = useRef<HTMLInputElement>(null);
  const make = useNewApp(draft);
  useEffect(() => first.current?.focus(), []);
  const submit = (event: FormEvent) => {
    event.preventDefault();
    if (!make.isPending) make.mutate();
  };
  const text = (field: "name" | "source" | "branch" | "port") => ({
    value: draft[field],
    autoCapitalize: "none",
    autoComplete: "off",
    spellCheck: false,
    onChange: (event: { target: { value: string } }) =>
      setDraft({ ...draft, [field]: event.target.value }),
  });
  return (
    <Section title="New app">
      <form className="form" onSubmit={submit}>
        <div className="fields">
          <Field label="Name" help="It becomes its host: small letters, digits and dashes.">
            {(wired) => <input {...wired} {...text("name")} ref={first} required maxLength={40} />}
          </Field>
          <Choice
            label="Made from"
            value={draft.from}
            options={FROM}
            onChange={(from) => setDraft({ ...draft, from })}
          />
          {draft.from === "repository" ? (
            <>
              <Field
                label="Repository"
                help="https://…, or user@host:path with its deploy key. It needs no Dockerfile."
              >
                {(wired) => <input {...wired} {...text("source")} required />}
              </Field>
              <Field label="Branch" help="Its default branch, where none is named.">
                {(wired) => <input {...wired} {...text("branch")} />}
              </Field>
            </>
          ) : (
            <Field label="Image" help="Such as ghcr.io/team/shop:1.2. It is pulled, not built.">
              {(wired) => <input {...wired} {...text("source")} required />}
            </Field>
          )}
          <Field label="Port" help="Found by itself, where none is named.">
            {(wired) => (
              <input {...wired} {...text("port")} type="number" min={1} max={65_535} step={1} />
            )}
          </Field>
        </div>
        <div className="actions">
          <Button type="submit" className="primary" rests={make.isPending}>
            {make.isPending ? "Working…" : "Create and deploy"}
          </Button>
        </div>
        <Refusal error={make.error} />
      </form>
    </Section>
  );
}

/** Goes to where the first deployment can be seen; where none begins, to the app, which says why. */
function useNewApp(draft: NewAppDraft) {
  const queries = useQueryClient();
  const navigate = useNavigate();
  return useMutation({
    mutationFn: () => api.create(asked(draft)),
    onSuccess: async (app: App) => {
      queries.setQueryData(appQuery(app.name).queryKey, app);
      queries.invalidateQueries({ queryKey: appsQuery.queryKey });
      const begun = await api.deploy(app.name, {}).catch(() => undefined);
      if (!begun) return navigate({ to: "/apps/$app", params: { app: app.name } });
      queries.setQueryData(deploymentQuery(begun.id).queryKey, begun);
      return navigate({ to: "/deployments/$deployment", params: { deployment: begun.id } });
    },
  });
}
