import { Link } from "@tanstack/react-router";
import type { App } from "../api/types";
import { AppState, DeploymentState } from "../parts/Mark";
import { Address, Ago, Commit } from "../parts/Small";

/** Apps: how each is, where it answers, what it runs. */
export function AppTable({ apps }: { apps: App[] }) {
  return (
    <table className="rows apps">
      <thead>
        <tr>
          <th scope="col">App</th>
          <th scope="col">Status</th>
          <th scope="col">Address</th>
          <th scope="col">Live commit</th>
          <th scope="col">Last deployment</th>
          <th scope="col">Since</th>
        </tr>
      </thead>
      <tbody>
        {apps.map((app) => (
          <tr key={app.id} data-app={app.name}>
            <th scope="row">
              <Link to="/apps/$app" params={{ app: app.name }}>
                {app.name}
              </Link>
              {app.project === "default" ? null : <span className="faint"> in {app.project}</span>}
            </th>
            <td data-label="Status">
              <AppState status={app.status} />
              {app.status === "running" ? null : <p className="faint">{app.status_detail}</p>}
            </td>
            <td data-label="Address">
              {app.live && app.url ? (
                <Address url={app.url} />
              ) : (
                <span className="none faint">–</span>
              )}
            </td>
            <td data-label="Live commit">
              <Commit id={app.live?.commit} />
            </td>
            <td data-label="Last deployment">
              {app.latest ? (
                <Link
                  className="plain"
                  to="/deployments/$deployment"
                  params={{ deployment: app.latest.id }}
                >
                  <span className="number">#{app.latest.number}</span>
                  <DeploymentState status={app.latest.status} />
                </Link>
              ) : (
                <span className="none faint">–</span>
              )}
            </td>
            <td data-label="Since">
              <Ago at={(app.latest ?? app).created_at} />
            </td>
          </tr>
        ))}
      </tbody>
    </table>
  );
}
