// Asking for something that an app does then.

import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { useNavigate } from "@tanstack/react-router";
import { appQuery, deploymentQuery } from "../api/queries";
import type { App, Deployment } from "../api/types";

/** Asks for a deployment, and goes to where its way can be seen. */
export function useDeployment(app: string, ask: () => Promise<Deployment>) {
  const queries = useQueryClient();
  const navigate = useNavigate();
  return useMutation({
    mutationFn: ask,
    onSuccess: (deployment) => {
      queries.setQueryData(deploymentQuery(deployment.id).queryKey, deployment);
      queries.invalidateQueries({ queryKey: appQuery(app).queryKey });
      navigate({ to: "/deployments/$deployment", params: { deployment: deployment.id } });
    },
  });
}

/** Asks for a change of the app itself, and shows the app as it is then. */
export function useChange<T = void>(app: string, ask: (given: T) => Promise<App>) {
  const queries = useQueryClient();
  return useMutation({
    mutationFn: ask,
    onSuccess: (now) => {
      queries.setQueryData(appQuery(app).queryKey, now);
      // What else is shown of it follows from it.
      queries.invalidateQueries({ queryKey: appQuery(app).queryKey });
    },
  });
}

/** The deployment that has the traffic, in full. */
export function useServing(app: App) {
  const { live } = app;
  return useQuery({ ...deploymentQuery(live?.id ?? ""), enabled: live != null });
}
