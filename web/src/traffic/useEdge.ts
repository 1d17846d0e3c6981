// Changing how edges serve an app.

import { useMutation, useQueryClient } from "@tanstack/react-query";
import { edge } from "../api/edge";
import { edgeQuery, routesQuery } from "../api/queries";
import type { UpdateEdge } from "../api/types";

/** `done`: what else to do once it holds. */
export function useEdge<T>(
  app: string,
  change: (given: T) => UpdateEdge,
  done: (given: T) => void = () => {},
) {
  const queries = useQueryClient();
  return useMutation({
    // A password may be among it: nothing of that stays.
    gcTime: 0,
    mutationFn: (given: T) => edge.update(app, change(given)),
    onSuccess: (now, given) => {
      queries.setQueryData(edgeQuery(app).queryKey, now);
      // Where apps are follows from it.
      queries.invalidateQueries({ queryKey: routesQuery.queryKey });
      done(given);
    },
  });
}
