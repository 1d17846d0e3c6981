import {
  createRootRoute,
  createRoute,
  createRouter,
  type RouterHistory,
} from "@tanstack/react-router";
import { logOf } from "./log/which";
import { NotFoundPage } from "./pages/NotFoundPage";
import { Broken } from "./parts/Broken";
import { Gate } from "./parts/Gate";
import { onDemand } from "./parts/onDemand";

// Each is a file of its own: what nobody looks at is not loaded.
const within = { within: true };
const AppsPage = onDemand(() => import("./pages/AppsPage").then((file) => file.AppsPage));
const CertificatesPage = onDemand(() =>
  import("./pages/CertificatesPage").then((file) => file.CertificatesPage),
);
const ActivityPage = onDemand(() =>
  import("./pages/ActivityPage").then((file) => file.ActivityPage),
);
const ProjectsPage = onDemand(() =>
  import("./pages/ProjectsPage").then((file) => file.ProjectsPage),
);
const ServerPage = onDemand(() => import("./pages/ServerPage").then((file) => file.ServerPage));
const DeploymentPage = onDemand(() =>
  import("./pages/DeploymentPage").then((file) => file.DeploymentPage),
);
const AppLayout = onDemand(() => import("./app/AppLayout").then((file) => file.AppLayout));
const OverviewPage = onDemand(
  () => import("./pages/OverviewPage").then((file) => file.OverviewPage),
  within,
);
const LogsPage = onDemand(() => import("./pages/LogsPage").then((file) => file.LogsPage), within);
const DomainsPage = onDemand(
  () => import("./pages/DomainsPage").then((file) => file.DomainsPage),
  within,
);
const TrafficPage = onDemand(
  () => import("./pages/TrafficPage").then((file) => file.TrafficPage),
  within,
);
const AutomationPage = onDemand(
  () => import("./pages/AutomationPage").then((file) => file.AutomationPage),
  within,
);
const AppActivityPage = onDemand(
  () => import("./pages/ActivityPage").then((file) => file.AppActivityPage),
  within,
);
const SettingsPage = onDemand(
  () => import("./pages/SettingsPage").then((file) => file.SettingsPage),
  within,
);

const rootRoute = createRootRoute({
  component: Gate,
  notFoundComponent: NotFoundPage,
  errorComponent: Broken,
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
  component: Object.assign(
    function AppRoute() {
      const { app: name } = app.useParams();
      return <AppLayout key={name} name={name} />;
    },
    { preload: AppLayout.preload },
  ),
});

const logs = createRoute({
  getParentRoute: () => app,
  path: "/logs",
  validateSearch: logOf,
  component: Object.assign(
    function LogsRoute() {
      const { log = "output" } = logs.useSearch();
      return <LogsPage log={log} />;
    },
    { preload: LogsPage.preload },
  ),
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
  component: Object.assign(
    function DeploymentRoute() {
      const { deployment: id } = deployment.useParams();
      return <DeploymentPage key={id} id={id} />;
    },
    { preload: DeploymentPage.preload },
  ),
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
    defaultErrorComponent: Broken,
    // Of a page there is nothing to be loaded before but its file.
    defaultPreload: "intent",
    ...(history ? { history } : {}),
  });
}

declare module "@tanstack/react-router" {
  interface Register {
    router: ReturnType<typeof newRouter>;
  }
}
