import { createRootRoute, createRoute, createRouter } from "@tanstack/react-router";
import { AppPage } from "./pages/AppPage";
import { AppsPage } from "./pages/AppsPage";
import { DeploymentPage } from "./pages/DeploymentPage";
import { NotFoundPage } from "./pages/NotFoundPage";
import { Gate } from "./parts/Gate";
import { Fault } from "./parts/Notice";

const rootRoute = createRootRoute({
  component: Gate,
  notFoundComponent: NotFoundPage,
  errorComponent: ({ error }) => <Fault error={error} />,
});

const apps = createRoute({ getParentRoute: () => rootRoute, path: "/", component: AppsPage });

const app = createRoute({
  getParentRoute: () => rootRoute,
  path: "/apps/$app",
  component: function AppRoute() {
    const { app: name } = app.useParams();
    return <AppPage key={name} name={name} />;
  },
});

const deployment = createRoute({
  getParentRoute: () => rootRoute,
  path: "/deployments/$deployment",
  component: function DeploymentRoute() {
    const { deployment: id } = deployment.useParams();
    return <DeploymentPage key={id} id={id} />;
  },
});

export function newRouter() {
  return createRouter({
    routeTree: rootRoute.addChildren([apps, app, deployment]),
    scrollRestoration: true,
    defaultPreload: false,
  });
}

declare module "@tanstack/react-router" {
  interface Register {
    router: ReturnType<typeof newRouter>;
  }
}
