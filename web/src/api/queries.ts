// What is asked for, how it is named, and what becomes of errors.

import {
  infiniteQueryOptions,
  MutationCache,
  QueryCache,
  QueryClient,
  queryOptions,
} from "@tanstack/react-query";
import { githubApps, registries, sourceTokens } from "./access";
import { crons, hooks, previews, triggers } from "./automation";
import { canaries } from "./canaries";
import { certificates } from "./certificates";
import { api } from "./client";
import { deleted } from "./deleted";
import { domains } from "./domains";
import { edge } from "./edge";
import { env } from "./env";
import { journal, type WantedEvents } from "./journal";
import { isMissing, isUnauthorized, mayPass } from "./problem";
import { projects } from "./projects";
import { allRoutes } from "./routes";
import { runs } from "./runs";
import { server } from "./server";

/** Asked again when an event comes in. */
const live = { live: true };

/** Who is signed in; `null` where nobody is. */
export const sessionQuery = queryOptions({
  queryKey: ["session"],
  queryFn: ({ signal }) =>
    api.session(signal).catch((error: unknown) => {
      if (isUnauthorized(error)) return null;
      throw error;
    }),
  staleTime: 60_000,
});

export const appsQuery = infiniteQueryOptions({
  queryKey: ["apps"],
  queryFn: ({ pageParam, signal }) => api.apps(pageParam, signal),
  initialPageParam: undefined as string | undefined,
  getNextPageParam: (page) => page.next ?? undefined,
  meta: live,
});

export const deletedQuery = queryOptions({
  queryKey: ["deleted"],
  queryFn: ({ signal }) => deleted.list(signal),
  meta: live,
});

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

export function newQueryClient(): QueryClient {
  // The session may end under a page that is open: it asks for the token again, where it is.
  const signedOut = (error: unknown) => {
    if (isUnauthorized(error)) queries.setQueryData(sessionQuery.queryKey, null);
  };
  const queries = new QueryClient({
    queryCache: new QueryCache({ onError: signedOut }),
    mutationCache: new MutationCache({ onError: signedOut }),
    defaultOptions: {
      queries: {
        retry: (failures, error) => failures < 2 && mayPass(error),
        retryDelay: (failures) => 400 * 2 ** failures,
        staleTime: 1_000,
        // A server on the same machine answers without any network.
        networkMode: "always",
      },
      mutations: { retry: false, networkMode: "always" },
    },
  });
  return queries;
}
