import { useMutation, useQueryClient } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { projects } from "../api/projects";
import { projectsQuery } from "../api/queries";
import type { Project } from "../api/types";
import { Asking } from "../parts/Asking";
import { Ago } from "../parts/Small";

/** A project and the apps in it; one without any can go. */
export function ProjectRow({ project, onRemoved }: { project: Project; onRemoved: () => void }) {
  const queries = useQueryClient();
  const { name, apps, created_at } = project;
  const remove = useMutation({
    mutationFn: () => projects.remove(name),
    onSuccess: () => {
      onRemoved();
      return queries.invalidateQueries({ queryKey: projectsQuery.queryKey });
    },
  });
  return (
    <li>
      <strong className="breaks">{name}</strong>
      {apps.length === 0 ? <span className="faint">no app is in it</span> : null}
      {apps.map((app) => (
        <Link key={app} to="/apps/$app" params={{ app }} className="breaks">
          {app}
        </Link>
      ))}
      {created_at ? (
        <span className="faint">
          made <Ago at={created_at} />
        </span>
      ) : (
        <span className="faint">always there</span>
      )}
      {created_at && apps.length === 0 ? (
        <Asking
          action="Delete"
          of={name}
          title={`Delete ${name}?`}
          does={remove}
          className="quiet at-end"
        >
          <p>No app is in it; nothing else goes with it.</p>
        </Asking>
      ) : null}
    </li>
  );
}
