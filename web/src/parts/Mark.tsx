import type { AppStatus, DeploymentStatus, ReplicaState } from "../api/types";
import { tone as deploymentTone, LABEL, type Tone } from "../deployment/passage";
import { words } from "../format/text";

export type MarkTone = Tone | "warn";

/**
 * A mark like those that buoys bear: told apart by shape as well as by colour, and never without
 * a word beside it.
 */
export function Mark({ tone }: { tone: MarkTone }) {
  return (
    <svg className="mark" data-tone={tone} viewBox="0 0 12 12" aria-hidden="true">
      {tone === "good" ? <circle cx="6" cy="6" r="5" /> : null}
      {tone === "bad" ? <rect x="1.500" y="1.500" width="9" height="9" /> : null}
      {tone === "warn" ? <path d="M6 .8 11.600 11H.4Z" /> : null}
      {tone === "idle" ? <circle className="mark-hollow" cx="6" cy="6" r="4.250" /> : null}
      {tone === "busy" ? (
        <>
          <circle className="mark-track" cx="6" cy="6" r="4.250" />
          <path className="mark-arc" d="M6 1.750A4.250 4.250 0 0 1 10.250 6" />
        </>
      ) : null}
    </svg>
  );
}

export function Status({ tone, text }: { tone: MarkTone; text: string }) {
  return (
    <span className="status" data-tone={tone}>
      <Mark tone={tone} />
      {text}
    </span>
  );
}

const APP: Record<AppStatus, MarkTone> = {
  never_deployed: "idle",
  deploying: "busy",
  running: "good",
  unknown: "idle",
  degraded: "warn",
  down: "bad",
  crash_loop: "bad",
  failed: "bad",
  stopped: "idle",
  asleep: "idle",
};

export const AppState = ({ status }: { status: AppStatus }) => (
  <Status tone={APP[status]} text={words(status)} />
);

export const DeploymentState = ({ status }: { status: DeploymentStatus }) => (
  <Status tone={deploymentTone(status)} text={LABEL[status].name.toLowerCase()} />
);

const REPLICA: Record<ReplicaState, MarkTone> = {
  unknown: "idle",
  creating: "busy",
  starting: "busy",
  healthy: "good",
  unhealthy: "warn",
  exited: "bad",
  crash_loop: "bad",
  failed: "bad",
  stopping: "idle",
};

export const ReplicaStatus = ({ state }: { state: ReplicaState }) => (
  <Status tone={REPLICA[state]} text={words(state)} />
);
