import { useQuery } from "@tanstack/react-query";
import { replicasQuery } from "../api/queries";
import type { App } from "../api/types";
import { check } from "../format/health";
import { usePolling } from "../live/live";
import { Answered } from "../parts/Notice";
import { Section } from "../parts/Section";
import { ReplicaRow } from "./ReplicaRow";

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
            <>
              <ul className="replicas">
                {items.map((replica) => (
                  <ReplicaRow
                    key={`${replica.deployment.id}/${replica.process}/${replica.index}/${replica.worker_id}`}
                    replica={replica}
                  />
                ))}
              </ul>
              <p className="faint note breaks">Checked, as it is set now: {check(app.settings)}.</p>
            </>
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
