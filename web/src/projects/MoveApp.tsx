import { useMutation, useQueryClient } from "@tanstack/react-query";
import { useId, useState } from "react";
import { api } from "../api/client";
import { appQuery, appsQuery, projectsQuery } from "../api/queries";
import { AskForm } from "../parts/AskForm";
import { Choice } from "../parts/Choice";
import { NameField } from "../parts/NameField";
import { Section } from "../parts/Section";

/** Puts an app into another project. It holds at once. */
export function MoveApp({
  projects,
  apps,
  onMoved,
}: {
  projects: string[];
  /** The names that there are. */
  apps: string[];
  onMoved: (app: string, project: string) => void;
}) {
  const queries = useQueryClient();
  const known = useId();
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
  const send = () => {
    if (app.trim()) move.mutate({ app: app.trim(), project });
  };
  return (
    <Section title="Move an app">
      <AskForm action="Move it" underWay="Moving…" does={move} onSend={send}>
        <div className="fields">
          <NameField
            label="App"
            help="Its name."
            list={known}
            value={app}
            required
            onChange={setApp}
          />
          <datalist id={known}>
            {apps.map((name) => (
              <option key={name} value={name} />
            ))}
          </datalist>
          <Choice
            label="Into"
            value={project}
            options={projects.map((name) => [name, name] as const)}
            onChange={setChosen}
          />
        </div>
      </AskForm>
    </Section>
  );
}
