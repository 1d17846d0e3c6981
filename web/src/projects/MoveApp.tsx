import { useMutation, useQueryClient } from "@tanstack/react-query";
import { type FormEvent, useState } from "react";
import { api } from "../api/client";
import { appQuery, appsQuery, projectsQuery } from "../api/queries";
import { Button } from "../parts/Button";
import { Choice } from "../parts/Choice";
import { Field } from "../parts/Field";
import { Refusal } from "../parts/Refusal";
import { Section } from "../parts/Section";

/** Puts an app into another project. It holds at once. */
export function MoveApp({
  projects,
  onMoved,
}: {
  projects: string[];
  onMoved: (app: string, project: string) => void;
}) {
  const queries = useQueryClient();
  const [app, setApp] = useState("");
  const [chosen, setChosen] = useState("");
  // One that was chosen may be gone since.
  const project = projects.includes(chosen) ? chosen : (projects[0] ?? "");
  const move = useMutation({
    mutationFn: (wanted: { app: string; project: string }) =>
      api.update(wanted.app, { project: wanted.project }),
    onSuccess: (moved) => {
      onMoved(moved.name, moved.project);
      setApp("");
      queries.invalidateQueries({ queryKey: appQuery(moved.name).queryKey });
      queries.invalidateQueries({ queryKey: appsQuery.queryKey });
      return queries.invalidateQueries({ queryKey: projectsQuery.queryKey });
    },
  });
  const submit = (event: FormEvent) => {
    event.preventDefault();
    if (app.trim() && !move.isPending) move.mutate({ app: app.trim(), project });
  };
  return (
    <Section title="Move an app">
      <form className="form" onSubmit={submit}>
        <div className="fields">
          <Field label="App" help="Its name.">
            {(wired) => (
              <input
                {...wired}
                value={app}
                autoCapitalize="none"
                autoComplete="off"
                spellCheck={false}
                required
                onChange={(event) => setApp(event.target.value)}
              />
            )}
          </Field>
          <Choice
            label="Into"
            value={project}
            options={projects.map((name) => [name, name] as const)}
            onChange={setChosen}
          />
        </div>
        <div className="actions">
          <Button type="submit" rests={move.isPending}>
            {move.isPending ? "Moving…" : "Move it"}
          </Button>
        </div>
        <Refusal error={move.error} />
      </form>
    </Section>
  );
}
