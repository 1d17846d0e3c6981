// Changing which volumes an app has. What is in them stays, whatever is done here.

import { api } from "../api/client";
import type { App, AppSettings } from "../api/types";
import { useChange } from "../deployment/useDeployment";

export type Volumes = NonNullable<AppSettings["volumes"]>;

/**
 * `change`: which it has then, given which it has now; the API takes all of them at once, so it is asked
 * first: what the page shows may be older than what somebody else set. `done`: what else to do once it is so.
 */
export function useVolumes(app: App, change: (now: Volumes) => Volumes, done: () => void) {
  return useChange(app.name, async () => {
    const { settings } = await api.app(app.name);
    const now = await api.update(app.name, { volumes: change(settings.volumes ?? {}) });
    done();
    return now;
  });
}
