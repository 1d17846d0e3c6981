import type { CronRun } from "../api/types";
import { type MarkTone, Status } from "../parts/Mark";
import { Ago } from "../parts/Small";

/** So many of the newest are shown. */
const MOST = 5;

/** How the newest runs of a cron job went. */
export function CronRuns({ runs }: { runs: CronRun[] }) {
  if (runs.length === 0) return <p className="faint">It has not run yet.</p>;
  return (
    <>
      <h4>Newest runs</h4>
      <ul className="lines">
        {runs.slice(0, MOST).map((run) => (
          <li key={run.id}>
            <Status tone={tone(run)} text={run.end ?? "runs"} />
            <span>
              began <Ago at={run.begun_at} />
            </span>
            <span className="faint">{run.due_at ? "by its schedule" : "asked for"}</span>
          </li>
        ))}
      </ul>
    </>
  );
}

function tone({ end, code }: CronRun): MarkTone {
  if (end == null) return "busy";
  return code === 0 ? "good" : "bad";
}
