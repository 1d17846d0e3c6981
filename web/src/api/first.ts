// What is asked for before anything else, by the first page that somebody sees; what becomes of errors.

import {
  infiniteQueryOptions,
  MutationCache,
  QueryCache,
  QueryClient,
  queryOptions,
} from "@tanstack/react-query";
import { api } from "./client";
import { deleted } from "./deleted";
import { isUnauthorized, mayPass } from "./problem";

/** Asked again when an event comes in. */
export const live = { live: true };

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
