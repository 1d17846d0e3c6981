import { api } from "../api/client";
import type { App } from "../api/types";
import { Asking } from "../parts/Asking";
import { Button } from "../parts/Button";
import { Refusal } from "../parts/Refusal";
import { Deploy } from "./Deploy";
import { WayBack } from "./RollBack";
import { useChange, useDeployment } from "./useDeployment";

/** What can be done with the app as a whole. `onSwitched`: it stops or starts, and these are others. */
export function AppActions({ app, onSwitched }: { app: App; onSwitched: () => void }) {
  const switched = async (asked: Promise<App>) => {
    const now = await asked;
    onSwitched();
    return now;
  };
  const restart = useDeployment(app.name, () => api.restart(app.name));
  const stop = useChange(app.name, () => switched(api.stop(app.name)));
  const start = useChange(app.name, () => switched(api.start(app.name)));
  if (app.stopped) {
    return (
      <div className="actions at-end">
        <Button className="primary" rests={start.isPending} onClick={() => start.mutate()}>
          {start.isPending ? "Starting…" : "Start"}
        </Button>
        <Refusal error={start.error} />
      </div>
    );
  }
  if (!app.live) {
    return (
      <div className="actions at-end">
        <Deploy app={app} />
      </div>
    );
  }
  return (
    <div className="actions at-end">
      <Deploy app={app} />
      <Asking action="Stop" title={`Stop ${app.name}?`} does={stop}>
        <p>
          Its address answers with a page that says so, and nothing of it runs until it is started
          or deployed. What is on its way is cancelled.
        </p>
      </Asking>
      <Asking action="Restart" title={`Restart ${app.name}?`} does={restart} harmless>
        <p>
          The live version starts in new replicas, with the settings and variables that it has. The
          old ones serve until those are healthy.
        </p>
      </Asking>
      <WayBack app={app} />
    </div>
  );
}
