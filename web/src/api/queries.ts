// What is asked for by pages beyond the list of apps, and how it is named.

import { infiniteQueryOptions, queryOptions } from "@tanstack/react-query";
import { githubApps, registries, sourceTokens } from "./access";
import { crons, hooks, previews, triggers } from "./automation";
import { canaries } from "./canaries";
import { certificates } from "./certificates";
import { api } from "./client";
import { domains } from "./domains";
import { edge } from "./edge";
import { env } from "./env";
import { live } from "./first";
import { journal, type WantedEvents } from "./journal";
import { isMissing } from "./problem";
import { projects } from "./projects";
import { allRoutes } from "./routes";
import { runs } from "./runs";
import { server } from "./server";

export { appsQuery } from "./first";

export const eventsQuery = (wanted: WantedEvents) =>
  infiniteQueryOptions({
    queryKey: ["events", wanted.app ?? "", wanted.who ?? ""],
    queryFn: ({ pageParam, signal }) => journal.events(wanted, pageParam, signal),
    initialPageParam: undefined as number | undefined,
    getNextPageParam: (page) => (page.done ? undefined : page.next),
    meta: live,
  });

/** Not asked again by itself: what it goes back to stays, and what follows takes long to look for. */
export const whyQuery = (sequence: number) =>
  queryOptions({
    queryKey: ["event", sequence, "why"],
    queryFn: ({ signal }) => journal.why(sequence, signal),
    staleTime: 60_000,
  });

export const statusQuery = queryOptions({
  queryKey: ["status"],
  queryFn: ({ signal }) => server.status(signal),
  meta: live,
});

export const workersQuery = queryOptions({
  queryKey: ["workers"],
  queryFn: ({ signal }) => server.workers(signal),
  meta: live,
});

export const registriesQuery = queryOptions({
  queryKey: ["logins", "registries"],
  queryFn: ({ signal }) => registries.list(signal),
  meta: live,
});

export const sourceTokensQuery = queryOptions({
  queryKey: ["logins", "sources"],
  queryFn: ({ signal }) => sourceTokens.list(signal),
  meta: live,
});

export const githubAppsQuery = queryOptions({
  queryKey: ["github-apps"],
  queryFn: ({ signal }) => githubApps.list(signal),
  meta: live,
});

/** Not asked again by itself: GitHub counts what it is asked. */
export const githubAppQuery = (app: string) =>
  queryOptions({
    queryKey: ["github-app", app],
    queryFn: ({ signal }) => githubApps.show(app, signal),
    staleTime: 60_000,
  });

export const projectsQuery = queryOptions({
  queryKey: ["projects"],
  queryFn: ({ signal }) => projects.list(signal),
  meta: live,
});

export const appQuery = (app: string) =>
  queryOptions({
    queryKey: ["app", app],
    queryFn: ({ signal }) => api.app(app, signal),
    meta: live,
  });

export const envQuery = (app: string) =>
  queryOptions({
    queryKey: ["app", app, "env"],
    queryFn: ({ signal }) => env.list(app, signal),
    meta: live,
  });

export const replicasQuery = (app: string) =>
  queryOptions({
    queryKey: ["app", app, "replicas"],
    queryFn: ({ signal }) => api.replicas(app, signal),
    meta: live,
  });

export const domainsQuery = (app: string) =>
  queryOptions({
    queryKey: ["app", app, "domains"],
    queryFn: ({ signal }) => domains.list(app, signal),
    meta: live,
  });

export const deploymentsQuery = (app: string) =>
  infiniteQueryOptions({
    queryKey: ["app", app, "deployments"],
    queryFn: ({ pageParam, signal }) => api.deployments(app, pageParam, signal),
    initialPageParam: undefined as string | undefined,
    getNextPageParam: (page) => page.next ?? undefined,
    meta: live,
  });

export const deploymentQuery = (deployment: string) =>
  queryOptions({
    queryKey: ["deployment", deployment],
    queryFn: ({ signal }) => api.deployment(deployment, signal),
    meta: live,
  });

export const edgeQuery = (app: string) =>
  queryOptions({
    queryKey: ["app", app, "edge"],
    queryFn: ({ signal }) => edge.show(app, signal),
    meta: live,
  });

export const routesQuery = queryOptions({
  queryKey: ["routes"],
  queryFn: ({ signal }) => allRoutes(signal),
  meta: live,
});

/** An app's canary; `null` where it has none. */
export const canaryQuery = (app: string) =>
  queryOptions({
    queryKey: ["app", app, "canary"],
    queryFn: ({ signal }) =>
      canaries.show(app, signal).catch((error: unknown) => {
        if (isMissing(error)) return null;
        throw error;
      }),
    meta: live,
  });

export const certificatesQuery = queryOptions({
  queryKey: ["certificates"],
  queryFn: ({ signal }) => certificates.list(signal),
  meta: live,
});

export const certificateSettingsQuery = queryOptions({
  queryKey: ["certificates", "settings"],
  queryFn: ({ signal }) => certificates.settings(signal),
  meta: live,
});

export const hooksQuery = (app: string) =>
  queryOptions({
    queryKey: ["app", app, "hooks"],
    queryFn: ({ signal }) => hooks.list(app, signal),
    meta: live,
  });

export const deliveriesQuery = (hook: string) =>
  queryOptions({
    queryKey: ["hook", hook, "deliveries"],
    queryFn: ({ signal }) => hooks.deliveries(hook, signal),
    meta: live,
  });

export const triggersQuery = (app: string) =>
  queryOptions({
    queryKey: ["app", app, "triggers"],
    queryFn: ({ signal }) => triggers.show(app, signal),
    meta: live,
  });

export const previewsQuery = (app: string) =>
  queryOptions({
    queryKey: ["app", app, "previews"],
    queryFn: ({ signal }) => previews.list(app, signal),
    meta: live,
  });

export const cronsQuery = (app: string) =>
  queryOptions({
    queryKey: ["app", app, "crons"],
    queryFn: ({ signal }) => crons.list(app, signal),
    meta: live,
  });

export const runsQuery = (app: string) =>
  queryOptions({
    queryKey: ["app", app, "runs"],
    queryFn: ({ signal }) => runs.list(app, signal),
    meta: live,
  });
