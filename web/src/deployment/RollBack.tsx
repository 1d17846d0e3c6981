import { useState } from "react";
import { api } from "../api/client";
import type { App, Deployment } from "../api/types";
import { Asking } from "../parts/Asking";
import { Switch } from "../parts/Switch";
import { canComeBack } from "./passage";
import { useDeployment } from "./useDeployment";

/** Back to one version. */
export function RollBack({ app, to }: { app: App; to: Deployment }) {
  if (!canComeBack(to, app)) return null;
  return (
    <Back
      app={app}
      to={to.id}
      of={`to #${to.number}`}
      title={`Bring ${app.name} #${to.number} back?`}
      className="link"
    />
  );
}

/** Back to what was live before, whichever that is. */
export function WayBack({ app }: { app: App }) {
  // While one is on its way, the server wants to hear which one is meant: a row's own button says so.
  if (!app.live || app.rolling || app.deployments < 2) return null;
  return <Back app={app} title={`Bring back what ${app.name} served before?`} />;
}

function Back({
  app,
  to,
  of,
  title,
  className,
}: {
  app: App;
  to?: string;
  of?: string;
  title: string;
  className?: string;
}) {
  const [keeps, setKeeps] = useState(false);
  const back = useDeployment(app.name, () => api.rollback(app.name, to, keeps));
  return (
    <Asking
      action="Roll back"
      title={title}
      does={back}
      {...(of ? { of } : {})}
      {...(className ? { className } : {})}
    >
      <p>
        {keeps
          ? "Its image comes back, without a build. "
          : "Its image, settings, variables and domains come back, without a build. "}
        What has the traffic now serves until that is healthy; what is on its way is called off.
      </p>
      <Switch
        label="Leave settings, variables and domains as they are"
        checked={keeps}
        onChange={setKeeps}
      />
    </Asking>
  );
}
