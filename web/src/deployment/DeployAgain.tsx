import { api } from "../api/client";
import type { App } from "../api/types";
import { Button } from "../parts/Button";
import { Refusal } from "../parts/Refusal";
import { useDeployment } from "./useDeployment";

/** Makes changed settings and variables hold. */
export function DeployAgain({ app }: { app: App }) {
  const again = useDeployment(app.name, () => api.redeploy(app.name));
  if (!app.live) return null;
  return (
    <>
      <Button rests={again.isPending} onClick={() => again.mutate()}>
        {again.isPending ? "Working…" : "Deploy again"}
      </Button>
      <Refusal error={again.error} />
    </>
  );
}
