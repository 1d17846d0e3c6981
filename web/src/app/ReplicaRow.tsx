import type { Replica } from "../api/types";
import { counted } from "../format/text";
import { clean } from "../log/clean";
import { ReplicaStatus } from "../parts/Mark";
import { Ago } from "../parts/Small";

/** A replica: how it is and since when, what its last check found, and what it wrote before that. */
export function ReplicaRow({ replica }: { replica: Replica }) {
  const { deployment, detail, endpoint, index, log, process, since, state, worker } = replica;
  return (
    <li>
      <span className="number">
        #{deployment.number}/{process === "web" ? index : `${process}.${index}`}
      </span>
      <ReplicaStatus state={state} />
      {since ? (
        <span className="faint">
          since <Ago at={since} />
        </span>
      ) : null}
      <span className="faint breaks">
        on {worker ?? "a worker"}
        {endpoint ? `, at ${endpoint}` : null}
      </span>
      {replica.restarts > 0 ? <span className="faint">{restarts(replica)}</span> : null}
      {detail ? <p className="faint breaks">{detail}</p> : null}
      {log.length > 0 ? (
        <details>
          <summary>The last lines that it wrote</summary>
          {/* biome-ignore lint/a11y/noNoninteractiveTabindex: it scrolls, so the keyboard must reach it */}
          <pre tabIndex={0}>{log.map(clean).join("\n")}</pre>
        </details>
      ) : null}
    </li>
  );
}

function restarts({ restarts, restarts_in_a_row }: Replica): string {
  const all = counted(restarts, "restart");
  return restarts_in_a_row > 1 ? `${all}, ${restarts_in_a_row} in a row` : all;
}
