import { useMutation, useQueryClient } from "@tanstack/react-query";
import { Link, useNavigate } from "@tanstack/react-router";
import { type FormEvent, useEffect, useRef, useState } from "react";
import { api } from "../api/client";
import { appQuery, appsQuery, deploymentQuery } from "../api/queries";
import type { App } from "../api/types";
import { Button } from "../parts/Button";
import { Choice } from "../parts/Choice";
import { Field } from "../parts/Field";
import { Refusal } from "../parts/Refusal";
import { Section } from "../parts/Section";
import { useFocusBack } from "../parts/useFocusBack";
import { asked, FROM, type NewAppDraft, NOTHING_YET } from "./newApp";

/** Makes an app, and brings its first version live. */
export function NewApp() {
  const [draft, setDraft] = useState(NOTHING_YET);
  const first = useRef<HTMLInputElement>(null);
  const { heading, leave } = useFocusBack();
  const { make, deploy, stuck } = useNewApp(draft, leave);
  const busy = make.isPending || deploy.isPending;
  useEffect(() => first.current?.focus(), []);
  const submit = (event: FormEvent) => {
    event.preventDefault();
    if (!busy) make.mutate();
  };
  const text = (field: "name" | "source" | "branch" | "port") => ({
    value: draft[field],
    autoCapitalize: "none",
    autoComplete: "off",
    spellCheck: false,
    onChange: (event: { target: { value: string } }) =>
      setDraft({ ...draft, [field]: event.target.value }),
  });
  if (stuck) {
    return (
      <Section title="New app" heading={heading}>
        <p>{stuck.name} is made, but its first version is not on its way.</p>
        <Refusal error={deploy.error} />
        <div className="actions">
          <Button className="primary" rests={busy} onClick={() => deploy.mutate(stuck)}>
            {busy ? "Working…" : "Deploy it"}
          </Button>
          <Link to="/apps/$app" params={{ app: stuck.name }}>
            Go to {stuck.name}
          </Link>
        </div>
      </Section>
    );
  }
  return (
    <Section title="New app" heading={heading}>
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
          <Button type="submit" className="primary" rests={busy}>
            {busy ? "Working…" : "Create and deploy"}
          </Button>
        </div>
        <Refusal error={make.error} />
      </form>
    </Section>
  );
}

/**
 * Goes to where the first deployment can be seen. `stuck`: the app that was made and whose first one did
 * not begin; `onStuck`: called then, since the form goes.
 */
function useNewApp(draft: NewAppDraft, onStuck: () => void) {
  const queries = useQueryClient();
  const navigate = useNavigate();
  const [stuck, setStuck] = useState<App>();
  const deploy = useMutation({
    mutationFn: (app: App) => api.deploy(app.name, {}),
    onError: (_error, app) => {
      onStuck();
      setStuck(app);
    },
    onSuccess: (begun) => {
      queries.setQueryData(deploymentQuery(begun.id).queryKey, begun);
      return navigate({ to: "/deployments/$deployment", params: { deployment: begun.id } });
    },
  });
  const make = useMutation({
    mutationFn: () => api.create(asked(draft)),
    onSuccess: (app: App) => {
      queries.setQueryData(appQuery(app.name).queryKey, app);
      queries.invalidateQueries({ queryKey: appsQuery.queryKey });
      deploy.mutate(app);
    },
  });
  return { make, deploy, stuck };
}
