import { type CSSProperties, useId } from "react";
import { clockAhead } from "../api/client";
import type { Deployment } from "../api/types";
import { moment } from "../format/moment";
import { running, span } from "../format/span";
import { useNow } from "../live/live";
import { LABEL, passage, type Share, type Step, shares, taken, tone } from "./passage";

/** The way of a deployment: its stages, how long each took, what it waits for. */
export function Stages({ deployment }: { deployment: Deployment }) {
  const label = useId();
  const now = useNow(deployment.settled ? 60_000 : 500) + clockAhead();
  const steps = passage(deployment);
  const total = taken(deployment, now);
  return (
    <section className="passage" aria-labelledby={label}>
      <h2 id={label}>
        Stages{" "}
        <span className="faint figure">
          {deployment.settled ? span(total) : running(total)} in all
        </span>
      </h2>
      <Scale shares={shares(steps, now)} />
      <ol className="stages">
        {steps.map((step, index) => (
          // A stage may be come to twice, so its place in the row belongs to its name.
          // biome-ignore lint/suspicious/noArrayIndexKey: rows are only ever appended
          <Stage key={`${step.stage}/${index}`} step={step} deployment={deployment} now={now} />
        ))}
      </ol>
    </section>
  );
}

/** Where the time went, drawn like the scale of a chart. */
function Scale({ shares }: { shares: Share[] }) {
  if (shares.length === 0) return null;
  const text = shares.map(({ stage, ms }) => `${LABEL[stage].name} ${span(ms)}`).join(", ");
  return (
    <div className="scale" role="img" aria-label={`Where the time went: ${text}`}>
      {shares.map(({ stage, ms, part, here }, index) => (
        <span
          // biome-ignore lint/suspicious/noArrayIndexKey: parts are only ever appended
          key={`${stage}/${index}`}
          className="scale-part"
          data-here={here || undefined}
          title={`${LABEL[stage].name}: ${span(ms)}`}
          style={{ "--part": part } as CSSProperties}
        />
      ))}
    </div>
  );
}

function Stage({ step, deployment, now }: { step: Step; deployment: Deployment; now: number }) {
  const { stage, state } = step;
  const { name, doing } = LABEL[stage];
  return (
    <li
      className="stage"
      data-stage={stage}
      data-state={state}
      data-tone={step.broke ? "bad" : tone(stage)}
      aria-current={state === "here" ? "step" : undefined}
    >
      <span className="stage-name">
        {name}
        {step.broke ? <span className="stage-broke"> failed here</span> : null}
      </span>
      <span className="stage-time figure">
        <StageTime step={step} now={now} />
      </span>
      {state === "here" ? (
        <p className="stage-doing">
          {deployment.waiting_for ? `Waits for ${deployment.waiting_for}` : doing}
          <Until until={deployment.waiting_until} now={now} />
        </p>
      ) : null}
    </li>
  );
}

function StageTime({ step, now }: { step: Step; now: number }) {
  switch (step.state) {
    case "ahead":
      return null;
    case "here":
      return running(now - (step.at ?? now));
    case "done":
      return step.durationMs === undefined ? null : span(step.durationMs);
    case "end":
      return step.at === undefined ? null : (
        <time dateTime={new Date(step.at).toISOString()} title={moment(step.at)}>
          {new Date(step.at).toLocaleTimeString([], { hour: "2-digit", minute: "2-digit" })}
        </time>
      );
  }
}

function Until({ until, now }: { until: string | null | undefined; now: number }) {
  if (!until) return null;
  const left = Date.parse(until) - now;
  return (
    <span className="faint">
      {" "}
      {left > 0 ? `for ${running(left)} more at the most` : "and is out of time"}
    </span>
  );
}
