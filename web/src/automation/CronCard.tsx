import { useId } from "react";
import type { App, Cron, CronOverlap } from "../api/types";
import { moment } from "../format/moment";
import { span } from "../format/span";
import { Ago, Ahead, Fact } from "../parts/Small";
import { CronActions } from "./CronActions";
import { CronRuns } from "./CronRuns";

const OVERLAP: Record<CronOverlap, string> = {
  skip: "the later one is left out",
  allow: "they run side by side",
  replace: "the earlier one is ended first",
};

/** A cron job: what it runs, when next, and how it went. */
export function CronCard({
  app,
  cron,
  onRemoved,
}: {
  app: App;
  cron: Cron;
  onRemoved: () => void;
}) {
  const label = useId();
  return (
    <article className="card" aria-labelledby={label}>
      <div className="card-head">
        <h3 id={label}>{cron.name}</h3>
        <code>{cron.schedule}</code>
        <span className="faint">{cron.time_zone}</span>
        <code className="breaks">{cron.command.join(" ")}</code>
      </div>
      <dl className="facts">
        <Fact name="Next">
          <Next cron={cron} />
        </Fact>
        <Fact name="May take">{span(cron.timeout_ms)}</Fact>
        <Fact name="Still running">{OVERLAP[cron.overlap]}</Fact>
        {cron.skipped ? (
          <Fact name="Left out last">
            <Ago at={cron.skipped.last_at} />: {cron.skipped.why}
          </Fact>
        ) : null}
      </dl>
      <CronRuns runs={cron.runs} />
      <CronActions app={app} cron={cron} onRemoved={onRemoved} />
    </article>
  );
}

function Next({ cron: { waits, next_at } }: { cron: Cron }) {
  if (waits) return <>not due: {waits}</>;
  if (!next_at) return <>never due</>;
  return (
    <>
      <Ahead at={next_at} /> <span className="faint">{moment(next_at)}</span>
    </>
  );
}
