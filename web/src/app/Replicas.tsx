import { useQuery } from "@tanstack/react-query";
import { replicasQuery } from "../api/queries";
import type { App, Replica } from "../api/types";
import { counted } from "../format/text";
import { usePolling } from "../live/live";
import { ReplicaStatus } from "../parts/Mark";
import { Answered } from "../parts/Notice";
import { Section } from "../parts/Section";

/** What runs of the app, and where. */
export function Replicas({ app }: { app: App }) {
  const replicas = useQuery({ ...replicasQuery(app.name), refetchInterval: usePolling() });
  return (
    <Section title="Replicas" aside={healthy(app)}>
      <Answered answer={replicas} what="replicas">
        {({ items }) =>
          items.length === 0 ? (
            <p className="faint">Nothing runs.</p>
          ) : (
            <ul className="replicas">
              {items.map((replica) => (
                <ReplicaRow
                  key={`${replica.deployment.id}/${replica.process}/${replica.index}`}
                  replica={replica}
                />
              ))}
            </ul>
          )
        }
      </Answered>
    </Section>
  );
}

function healthy(app: App): string {
  if (app.replicas_wanted === 0) return "";
  const web = `${app.replicas_healthy} of ${app.replicas_wanted} healthy`;
  const others = app.processes.map(
    ({ name, replicas_healthy, replicas_wanted }) =>
      `${name} ${replicas_healthy} of ${replicas_wanted}`,
  );
  return [web, ...others].join(", ");
}

function ReplicaRow({ replica }: { replica: Replica }) {
  return (
    <li>
      <span className="number">
        #{replica.deployment.number}/
        {replica.process === "web" ? replica.index : `${replica.process}.${replica.index}`}
      </span>
      <ReplicaStatus state={replica.state} />
      <span className="faint">on {replica.worker ?? "a worker"}</span>
      {replica.restarts > 0 ? (
        <span className="faint">{counted(replica.restarts, "restart")}</span>
      ) : null}
      {replica.detail ? <p className="faint">{replica.detail}</p> : null}
    </li>
  );
}
