import { useQuery } from "@tanstack/react-query";
import { Link, Outlet, useLocation } from "@tanstack/react-router";
import { appQuery } from "../api/queries";
import type { App } from "../api/types";
import { AppActions } from "../deployment/Actions";
import { usePolling } from "../live/live";
import { AppState } from "../parts/Mark";
import { Answered } from "../parts/Notice";
import { Address, Heading } from "../parts/Small";
import { useFocusBack } from "../parts/useFocusBack";
import { AppContext } from "./current";
import { Tabs } from "./Tabs";
import { title } from "./tabs";

/** What is around every page of an app: which one it is, how it is, and where else to look. */
export function AppLayout({ name }: { name: string }) {
  const app = useQuery({ ...appQuery(name), refetchInterval: usePolling() });
  return (
    <div className="page">
      <nav className="crumbs" aria-label="You are here">
        <Link to="/">Apps</Link>
      </nav>
      <Answered answer={app} what={name} page>
        {(data) => (
          <AppContext value={data}>
            <Head app={data} />
            <Tabs app={data.name} />
            <Outlet />
          </AppContext>
        )}
      </Answered>
    </div>
  );
}

function Head({ app }: { app: App }) {
  const path = useLocation({ select: ({ pathname }) => pathname });
  const { heading, leave } = useFocusBack();
  return (
    <>
      <div className="title">
        <Heading title={title(app.name, path)} back={heading}>
          {app.name}
        </Heading>
        <div role="status">
          <AppState status={app.status} />
        </div>
        {app.live && app.url ? <Address url={app.url} /> : null}
        <AppActions app={app} onSwitched={leave} />
      </div>
      <p className="lead">{app.status_detail}</p>
      {app.preview ? (
        <p className="lead">
          A preview of{" "}
          <Link to="/apps/$app/automation" params={{ app: app.preview.app }}>
            {app.preview.app}
          </Link>
          , for pull request #{app.preview.number}
        </p>
      ) : null}
    </>
  );
}
