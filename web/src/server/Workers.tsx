import { useQuery } from "@tanstack/react-query";
import { workersQuery } from "../api/queries";
import type { Worker, WorkerStatus } from "../api/types";
import { bytes, words } from "../format/text";
import { usePolling } from "../live/live";
import { type MarkTone, Status } from "../parts/Mark";
import { Answered } from "../parts/Notice";
import { Section } from "../parts/Section";
import { Ago, None } from "../parts/Small";
import { Cell, RowName, Table, TableRow } from "../parts/Table";

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
    <Table
      label="Workers"
      columns={["Worker", "Status", "Replicas", "Builds", "Has", "Engine", "Heard of"]}
      className="wraps"
    >
      {workers.map((worker) => (
        <TableRow key={worker.id}>
          <RowName>{worker.name}</RowName>
          <Cell of="Status">
            <Status tone={TONE[worker.status]} text={words(worker.status)} />
            {[worker.detail, ...worker.build_remarks].map((text) =>
              text ? (
                <p key={text} className="faint breaks">
                  {text}
                </p>
              ) : null,
            )}
          </Cell>
          <Cell of="Replicas">{worker.replicas}</Cell>
          <Cell of="Builds">
            {worker.builds_at_once == null
              ? worker.builds
              : `${worker.builds} of ${worker.builds_at_once} at once`}
          </Cell>
          <Cell of="Has">
            {worker.cpu_millis / 1000} CPU, {bytes(worker.memory_bytes)}
          </Cell>
          <Cell of="Engine" className="breaks">
            {worker.engine ?? <None />}
          </Cell>
          <Cell of="Heard of">
            {worker.seen_at ? <Ago at={worker.seen_at} /> : "not since the server started"}
          </Cell>
        </TableRow>
      ))}
    </Table>
  );
}
