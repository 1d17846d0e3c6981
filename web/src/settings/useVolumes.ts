// Changing which volumes an app has. What is in them stays, whatever is done here.

import { api } from "../api/client";
import type { App, AppSettings } from "../api/types";
import { useChange } from "../deployment/useDeployment";

export type Volumes = NonNullable<AppSettings["volumes"]>;

/**
 * `change`: which it has then, given which it has now; the API takes all of them at once. `done`: what else
 * to do once it is so.
 */
export function useVolumes(app: App, change: (now: Volumes) => Volumes, done: () => void) {
  return useChange(app.name, async () => {
    const now = await api.update(app.name, { volumes: change(app.settings.volumes ?? {}) });
    done();
    return now;
  });
}
