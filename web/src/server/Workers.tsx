import { useQuery } from "@tanstack/react-query";
import { workersQuery } from "../api/queries";
import type { Worker, WorkerStatus } from "../api/types";
import { bytes, words } from "../format/text";
import { usePolling } from "../live/live";
import { type MarkTone, Status } from "../parts/Mark";
import { Answered } from "../parts/Notice";
import { Section } from "../parts/Section";
import { Ago, None } from "../parts/Small";

const TONE: Record<WorkerStatus, MarkTone> = {
  ready: "good",
  draining: "idle",
  engine_unreachable: "bad",
  lost: "bad",
};

/** The machines that build and run apps. */
export function Workers() {
  const workers = useQuery({ ...workersQuery, refetchInterval: usePolling() });
  return (
    <Section title="Workers">
      <Answered answer={workers} what="workers">
        {({ items }) =>
          items.length === 0 ? (
            <p className="faint">
              None has joined yet: <code>hythe agent</code>, or <code>hythe up</code>, is one.
            </p>
          ) : (
            <WorkerTable workers={items} />
          )
        }
      </Answered>
    </Section>
  );
}

function WorkerTable({ workers }: { workers: Worker[] }) {
  return (
    <table className="rows wraps">
      <thead>
        <tr>
          <th scope="col">Worker</th>
          <th scope="col">Status</th>
          <th scope="col">Replicas</th>
          <th scope="col">Builds</th>
          <th scope="col">Has</th>
          <th scope="col">Engine</th>
          <th scope="col">Heard of</th>
        </tr>
      </thead>
      <tbody>
        {workers.map((worker) => (
          <tr key={worker.id}>
            <th scope="row">{worker.name}</th>
            <td data-label="Status">
              <Status tone={TONE[worker.status]} text={words(worker.status)} />
              {[worker.detail, ...worker.build_remarks].map((text) =>
                text ? (
                  <p key={text} className="faint breaks">
                    {text}
                  </p>
                ) : null,
              )}
            </td>
            <td data-label="Replicas">{worker.replicas}</td>
            <td data-label="Builds">
              {worker.builds_at_once == null
                ? worker.builds
                : `${worker.builds} of ${worker.builds_at_once} at once`}
            </td>
            <td data-label="Has">
              {worker.cpu_millis / 1000} CPU, {bytes(worker.memory_bytes)}
            </td>
            <td data-label="Engine" className="breaks">
              {worker.engine ?? <None />}
            </td>
            <td data-label="Heard of">
              {worker.seen_at ? <Ago at={worker.seen_at} /> : "not since the server started"}
            </td>
          </tr>
        ))}
      </tbody>
    </table>
  );
}
