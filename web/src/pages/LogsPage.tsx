import { Link } from "@tanstack/react-router";
import { useApp } from "../app/current";
import { AccessLog } from "../log/AccessLog";
import { OutputLog } from "../log/OutputLog";
import type { LogName } from "../log/which";
import { Command } from "../parts/Small";

/** What an app writes, and what was asked of it. Builds have theirs on the pages of deployments. */
export function LogsPage({ log }: { log: LogName }) {
  const app = useApp();
  const exact = { exact: true };
  return (
    <div className="logs">
      <nav className="choices" aria-label="Which log">
        <ul>
          <li>
            <Link to="/apps/$app/logs" params={{ app: app.name }} search={{}} activeOptions={exact}>
              Output
            </Link>
          </li>
          <li>
            <Link
              to="/apps/$app/logs"
              params={{ app: app.name }}
              search={{ log: "requests" }}
              activeOptions={exact}
            >
              Requests
            </Link>
          </li>
          {app.latest ? (
            <li>
              <Link to="/deployments/$deployment" params={{ deployment: app.latest.id }}>
                Build of #{app.latest.number}
              </Link>
            </li>
          ) : null}
        </ul>
      </nav>
      {log === "requests" ? <AccessLog app={app} /> : <OutputLog app={app} />}
      <div className="faint">
        <p>The page begins with the last 2000. All that is kept:</p>
        <Command text={`hythe logs ${app.name}${log === "requests" ? " --access" : ""}`} />
      </div>
    </div>
  );
}
