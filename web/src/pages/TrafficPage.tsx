import { useQuery } from "@tanstack/react-query";
import { edgeQuery } from "../api/queries";
import { useApp } from "../app/current";
import { Answered } from "../parts/Notice";
import { Command } from "../parts/Small";
import { From } from "../traffic/From";
import { Https } from "../traffic/Https";
import { Maintenance } from "../traffic/Maintenance";
import { Mounts } from "../traffic/Mounts";
import { Serving } from "../traffic/Serving";
import { Users } from "../traffic/Users";

/** How edges serve an app. All of it holds at once, without a deployment. */
export function TrafficPage() {
  const app = useApp();
  const edge = useQuery(edgeQuery(app.name));
  return (
    <div className="sections">
      <Answered answer={edge} what="how it is served">
        {(settings) => (
          <>
            <Maintenance app={app} settings={settings} />
            <Users app={app} settings={settings} />
            <From app={app} settings={settings} />
            <Serving app={app} settings={settings} />
            <Https app={app} settings={settings} />
            <Mounts app={app} settings={settings} />
          </>
        )}
      </Answered>
      <div className="faint">
        <p>All of it holds at once, without a deployment. On the command line:</p>
        <Command text={`hythe traffic show ${app.name}`} />
      </div>
    </div>
  );
}
