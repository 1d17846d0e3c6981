import { useQuery } from "@tanstack/react-query";
import { useState } from "react";
import { canaryQuery } from "../api/queries";
import { useApp } from "../app/current";
import { Deployments } from "../app/Deployments";
import { Replicas } from "../app/Replicas";
import { Source } from "../app/Source";
import { StaticSite } from "../app/StaticSite";
import { CanarySection } from "../deployment/CanarySection";
import { standing } from "../deployment/canary";
import { useServing } from "../deployment/useDeployment";
import { Fault } from "../parts/Notice";
import { Outcome } from "../parts/Outcome";
import { useFocusBack } from "../parts/useFocusBack";

/** How an app is doing, and what it was. */
export function OverviewPage() {
  const app = useApp();
  const serving = useServing(app);
  // Only what is on its way can be a canary.
  const canary = useQuery({ ...canaryQuery(app.name), enabled: app.rolling != null });
  const stands = standing(app, canary.data);
  const { heading, leave } = useFocusBack();
  const [said, setSaid] = useState("");
  return (
    <>
      <div className="canary">
        {canary.data && stands ? (
          <CanarySection
            app={app}
            canary={canary.data}
            takes={stands === "takes"}
            onOver={(text) => {
              leave();
              setSaid(text);
            }}
          />
        ) : null}
        {app.rolling && canary.error ? (
          <Fault error={canary.error} retry={() => void canary.refetch()} />
        ) : null}
        <Outcome>{said}</Outcome>
      </div>
      <Deployments app={app} heading={heading} />
      <div className="two">
        <Source app={app} />
        {serving.isLoading ? null : serving.data?.site ? (
          <StaticSite site={serving.data.site} />
        ) : (
          <Replicas app={app} />
        )}
      </div>
    </>
  );
}
