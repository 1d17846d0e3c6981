import {
  createRootRoute,
  createRoute,
  createRouter,
  type RouterHistory,
} from "@tanstack/react-router";
import { AppLayout } from "./app/AppLayout";
import { logOf } from "./log/which";
import { ActivityPage, AppActivityPage } from "./pages/ActivityPage";
import { AppsPage } from "./pages/AppsPage";
import { AutomationPage } from "./pages/AutomationPage";
import { CertificatesPage } from "./pages/CertificatesPage";
import { DeploymentPage } from "./pages/DeploymentPage";
import { DomainsPage } from "./pages/DomainsPage";
import { LogsPage } from "./pages/LogsPage";
import { NotFoundPage } from "./pages/NotFoundPage";
import { OverviewPage } from "./pages/OverviewPage";
import { ProjectsPage } from "./pages/ProjectsPage";
import { ServerPage } from "./pages/ServerPage";
import { SettingsPage } from "./pages/SettingsPage";
import { TrafficPage } from "./pages/TrafficPage";
import { Gate } from "./parts/Gate";
import { Fault } from "./parts/Notice";

const rootRoute = createRootRoute({
  component: Gate,
  notFoundComponent: NotFoundPage,
  errorComponent: ({ error }) => <Fault error={error} />,
});

const apps = createRoute({ getParentRoute: () => rootRoute, path: "/", component: AppsPage });

const listed = createRoute({ getParentRoute: () => rootRoute, path: "/apps", component: AppsPage });

const certificates = createRoute({
  getParentRoute: () => rootRoute,
  path: "/certificates",
  component: CertificatesPage,
});

const activity = createRoute({
  getParentRoute: () => rootRoute,
  path: "/events",
  component: ActivityPage,
});

const projects = createRoute({
  getParentRoute: () => rootRoute,
  path: "/projects",
  component: ProjectsPage,
});

const server = createRoute({
  getParentRoute: () => rootRoute,
  path: "/server",
  component: ServerPage,
});

const app = createRoute({
  getParentRoute: () => rootRoute,
  path: "/apps/$app",
  component: function AppRoute() {
    const { app: name } = app.useParams();
    return <AppLayout key={name} name={name} />;
  },
});

const logs = createRoute({
  getParentRoute: () => app,
  path: "/logs",
  validateSearch: logOf,
  component: function LogsRoute() {
    const { log = "output" } = logs.useSearch();
    return <LogsPage log={log} />;
  },
});

const pagesOfApp = [
  createRoute({ getParentRoute: () => app, path: "/", component: OverviewPage }),
  logs,
  createRoute({ getParentRoute: () => app, path: "/domains", component: DomainsPage }),
  createRoute({ getParentRoute: () => app, path: "/traffic", component: TrafficPage }),
  createRoute({ getParentRoute: () => app, path: "/automation", component: AutomationPage }),
  createRoute({ getParentRoute: () => app, path: "/activity", component: AppActivityPage }),
  createRoute({ getParentRoute: () => app, path: "/settings", component: SettingsPage }),
] as const;

const deployment = createRoute({
  getParentRoute: () => rootRoute,
  path: "/deployments/$deployment",
  component: function DeploymentRoute() {
    const { deployment: id } = deployment.useParams();
    return <DeploymentPage key={id} id={id} />;
  },
});

/** `history`: another one than the browser's. */
export function newRouter(history?: RouterHistory) {
  return createRouter({
    routeTree: rootRoute.addChildren([
      apps,
      listed,
      certificates,
      activity,
      projects,
      server,
      app.addChildren(pagesOfApp),
      deployment,
    ]),
    scrollRestoration: true,
    defaultPreload: false,
    ...(history ? { history } : {}),
  });
}

declare module "@tanstack/react-router" {
  interface Register {
    router: ReturnType<typeof newRouter>;
  }
}
