// The way of a deployment through its stages, as the page draws it.

import type { App, Deployment, DeploymentStatus } from "../api/types";

/** The stages on the way to being live, in order. */
const WAY = [
  "requested",
  "queued",
  "building",
  "built",
  "releasing",
  "starting",
  "healthy",
  "switching",
  "draining",
  "live",
] as const satisfies DeploymentStatus[];

export const LABEL: Record<DeploymentStatus, { name: string; doing: string }> = {
  requested: { name: "Requested", doing: "waits for its turn" },
  queued: { name: "Queued", doing: "waits for a builder" },
  building: { name: "Building", doing: "fetches the source and builds the image" },
  built: { name: "Built", doing: "waits for a place to run" },
  releasing: { name: "Releasing", doing: "runs its release command" },
  starting: { name: "Starting", doing: "starts replicas and checks their health" },
  healthy: { name: "Healthy", doing: "is ready to take the traffic" },
  switching: { name: "Switching", doing: "the edges take up the new route" },
  draining: { name: "Draining", doing: "requests to the version before finish" },
  live: { name: "Live", doing: "has the traffic" },
  superseded: { name: "Superseded", doing: "another version took its place" },
  failed: { name: "Failed", doing: "did not get there" },
  cancelled: { name: "Cancelled", doing: "somebody stopped it" },
};

export type Tone = "good" | "bad" | "busy" | "idle";

export function tone(status: DeploymentStatus): Tone {
  switch (status) {
    case "live":
      return "good";
    case "failed":
      return "bad";
    case "superseded":
    case "cancelled":
      return "idle";
    case "requested":
    case "queued":
    case "building":
    case "built":
    case "releasing":
    case "starting":
    case "healthy":
    case "switching":
    case "draining":
      return "busy";
  }
}

export interface Step {
  stage: DeploymentStatus;
  /** `here`: it is in this stage and will leave it; `end`: it stays here; `ahead`: not yet. */
  state: "done" | "here" | "end" | "ahead";
  /** Whether the failure came in this stage. */
  broke: boolean;
  at: number | undefined;
  durationMs: number | undefined;
}

export function passage(deployment: Deployment): Step[] {
  const { stages, settled, status } = deployment;
  const steps: Step[] = stages.map((entry, index) => {
    const last = index === stages.length - 1;
    return {
      stage: entry.stage,
      state: last ? (settled ? "end" : "here") : "done",
      broke: last ? false : deployment.failure?.stage === entry.stage,
      at: Date.parse(entry.at),
      durationMs: entry.duration_ms ?? undefined,
    };
  });
  if (settled) return steps;
  const here = WAY.indexOf(status as (typeof WAY)[number]);
  for (const stage of WAY.slice(here + 1).filter((stage) => !skips(deployment, stage))) {
    steps.push({ stage, state: "ahead", broke: false, at: undefined, durationMs: undefined });
  }
  return steps;
}

/**
 * Whether it goes past a stage: nothing is built where an earlier deployment has the image, and
 * nothing is released where there is no command for that, or it has run.
 */
function skips(deployment: Deployment, stage: DeploymentStatus): boolean {
  const { takes_over, release_command, stages } = deployment;
  if (stage === "releasing") {
    return release_command == null || stages.some((entry) => entry.stage === "releasing");
  }
  const builds = stage === "queued" || stage === "building";
  return builds && takes_over != null && !takes_over.rebuilt;
}

export interface Share {
  stage: DeploymentStatus;
  ms: number;
  /** Of the whole, from 0 to 1. */
  part: number;
  here: boolean;
}

/**
 * Where the time went until it was live, or over. A stage too short to see gets a sliver all the
 * same, so that the order of things stays readable.
 */
export function shares(steps: Step[], now: number): Share[] {
  const SLIVER = 0.004;
  const spent = steps
    .filter((step) => step.state === "done" || step.state === "here")
    // How long it has been live says nothing about how it got there.
    .filter((step) => step.stage !== "live")
    .map((step) => ({
      stage: step.stage,
      ms: Math.max(0, step.durationMs ?? now - (step.at ?? now)),
      here: step.state === "here",
    }));
  const whole = spent.reduce((sum, { ms }) => sum + ms, 0);
  if (whole === 0) return [];
  return spent.map((share) => ({ ...share, part: Math.max(SLIVER, share.ms / whole) }));
}

/** Whether it may still be cancelled: until the traffic begins to move. */
export function cancellable(deployment: Deployment): boolean {
  if (deployment.settled) return false;
  const here = WAY.indexOf(deployment.status as (typeof WAY)[number]);
  return here >= 0 && here < WAY.indexOf("switching");
}

/** Whether an app can go back to it: it was built, and is not what has the traffic. */
export function canComeBack(deployment: Deployment, app: App): boolean {
  // A static site has no image.
  const built = deployment.image != null || deployment.site != null;
  return deployment.settled && built && deployment.id !== app.live?.id;
}

/** How long it took, or has taken so far. */
export function taken(deployment: Deployment, now: number): number {
  return deployment.durations_ms.total ?? Math.max(0, now - Date.parse(deployment.created_at));
}
