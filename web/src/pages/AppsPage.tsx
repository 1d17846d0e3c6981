import { useInfiniteQuery } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { appsQuery } from "../api/queries";
import type { App } from "../api/types";
import { Deleted } from "../app/Deleted";
import { counted } from "../format/text";
import { usePolling } from "../live/live";
import { AppState, DeploymentState } from "../parts/Mark";
import { Answered } from "../parts/Notice";
import { Address, Ago, Command, Commit, Heading, More } from "../parts/Small";

export function AppsPage() {
  const polling = usePolling();
  const apps = useInfiniteQuery({ ...appsQuery, refetchInterval: polling });
  return (
    <div className="page">
      <Answered answer={apps} what="apps" page>
        {({ pages }) => {
          const all = pages.flatMap((page) => page.items);
          return (
            <>
              <div className="title">
                <Heading title="Apps">Apps</Heading>
                {all.length > 0 ? <p className="faint">{summary(all, apps.hasNextPage)}</p> : null}
              </div>
              {all.length > 0 ? <AppTable apps={all} /> : <Empty />}
              <More query={apps} />
              <div className="deleted">
                <Deleted />
              </div>
            </>
          );
        }}
      </Answered>
    </div>
  );
}

function summary(apps: App[], more: boolean): string {
  const running = apps.filter((app) => app.status === "running").length;
  const count = more ? `the first ${counted(apps.length, "app")}` : counted(apps.length, "app");
  return running === apps.length ? `${count}, all running` : `${count}, ${running} running`;
}

function AppTable({ apps }: { apps: App[] }) {
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

function Empty() {
  return (
    <section className="empty">
      <h2>Nothing has landed here yet</h2>
      <p>
        Give Hythe a git repository with a Dockerfile. It builds the app, starts it, checks its
        health, and gives it an address. On this machine, run:
      </p>
      <Command text="hythe deploy my-app --repo https://github.com/you/my-app.git --wait" />
      <p className="faint">The app appears here as soon as you have.</p>
    </section>
  );
}
