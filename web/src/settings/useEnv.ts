// Changing an app's variables.

import { useMutation, useQueryClient } from "@tanstack/react-query";
import { env } from "../api/env";
import { envQuery } from "../api/queries";
import type { ChangeEnv } from "../api/types";

/** `done`: what else to do once it is set. */
export function useEnv(app: string, change: () => ChangeEnv, done: () => void) {
  const queries = useQueryClient();
  return useMutation({
    // Nothing of a value stays.
    gcTime: 0,
    mutationFn: () => env.change(app, change()),
    onSuccess: (now) => {
      queries.setQueryData(envQuery(app).queryKey, now);
      done();
    },
  });
}
