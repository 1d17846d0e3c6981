import { Link } from "@tanstack/react-router";
import type { App } from "../api/types";
import { AppState, DeploymentState } from "../parts/Mark";
import { Address, Ago, Commit, None } from "../parts/Small";
import { Cell, RowName, Table, TableRow } from "../parts/Table";

/** Apps: how each is, where it answers, what it runs. */
export function AppTable({ apps }: { apps: App[] }) {
  return (
    <Table
      label="Apps"
      columns={["App", "Status", "Address", "Live commit", "Last deployment", "Since"]}
      className="apps"
    >
      {apps.map((app) => (
        <TableRow key={app.id} data-app={app.name}>
          <RowName>
            <Link to="/apps/$app" params={{ app: app.name }}>
              {app.name}
            </Link>
            {app.project === "default" ? null : <span className="faint"> in {app.project}</span>}
          </RowName>
          <Cell of="Status">
            <AppState status={app.status} />
            {app.status === "running" ? null : <p className="faint">{app.status_detail}</p>}
          </Cell>
          <Cell of="Address">{app.live && app.url ? <Address url={app.url} /> : <None />}</Cell>
          <Cell of="Live commit">
            <Commit id={app.live?.commit} />
          </Cell>
          <Cell of="Last deployment">
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
              <None />
            )}
          </Cell>
          <Cell of="Since">
            <Ago at={(app.latest ?? app).created_at} />
          </Cell>
        </TableRow>
      ))}
    </Table>
  );
}
