// What came of a delivery, in a mark and words.

import type { Delivery, DeliveryOutcome } from "../api/types";
import type { MarkTone } from "../parts/Mark";

export const OUTCOME: Record<DeliveryOutcome, MarkTone> = {
  deployed: "good",
  removed: "good",
  repeated: "idle",
  skipped: "idle",
  ignored: "idle",
  refused: "bad",
  failed: "bad",
};

export interface Came {
  /** Of which app; none where it came to no app. */
  app: string | undefined;
  outcome: DeliveryOutcome;
  reason: string | undefined;
  deployment: string | undefined;
}

/** What came of it for each app; or, where it came to none, all in all. */
export function came(delivery: Delivery): Came[] {
  if (delivery.apps.length === 0) {
    const { outcome, reason } = delivery;
    return [{ app: undefined, outcome, reason: reason ?? undefined, deployment: undefined }];
  }
  return delivery.apps.map(({ name, outcome, reason, deployment }) => ({
    app: name,
    outcome,
    reason: reason ?? undefined,
    deployment: deployment ?? undefined,
  }));
}
