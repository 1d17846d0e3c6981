import { type UseMutationResult, useMutation, useQueryClient } from "@tanstack/react-query";
import { useNavigate } from "@tanstack/react-router";
import { type ReactNode, useState } from "react";
import { api } from "../api/client";
import { problemOf } from "../api/problem";
import { appQuery, deploymentQuery, deploymentsQuery } from "../api/queries";
import type { App, Deployment } from "../api/types";
import { Confirm } from "../parts/Confirm";
import { canComeBack } from "./passage";

/** Asks for a deployment, and goes to where its way can be seen. */
function useDeployment(app: string, ask: () => Promise<Deployment>) {
  const queries = useQueryClient();
  const navigate = useNavigate();
  return useMutation({
    mutationFn: ask,
    onSuccess: (deployment) => {
      queries.setQueryData(deploymentQuery(deployment.id).queryKey, deployment);
      queries.invalidateQueries({ queryKey: appQuery(app).queryKey });
      queries.invalidateQueries({ queryKey: deploymentsQuery(app).queryKey });
      navigate({ to: "/deployments/$deployment", params: { deployment: deployment.id } });
    },
  });
}

/** Asks for a change of the app itself, and shows the app as it is then. */
function useChange(app: string, ask: () => Promise<App>) {
  const queries = useQueryClient();
  return useMutation({
    mutationFn: ask,
    onSuccess: (now) => {
      queries.setQueryData(appQuery(app).queryKey, now);
      queries.invalidateQueries({ queryKey: deploymentsQuery(app).queryKey });
    },
  });
}

function Asking<T>({
  action,
  title,
  does,
  className,
  children,
}: {
  action: string;
  title: string;
  does: UseMutationResult<T, Error, void>;
  className?: string;
  children: ReactNode;
}) {
  const [asking, setAsking] = useState(false);
  return (
    <>
      <button
        type="button"
        className={className}
        onClick={() => {
          does.reset();
          setAsking(true);
        }}
      >
        {action}
      </button>
      {asking ? (
        <Confirm
          title={title}
          action={action}
          keep="Leave it"
          busy={does.isPending}
          error={does.error}
          onConfirm={() => does.mutate(undefined, { onSuccess: () => setAsking(false) })}
          onClose={() => setAsking(false)}
        >
          {children}
        </Confirm>
      ) : null}
    </>
  );
}

export function RollBack({ app, to }: { app: App; to: Deployment }) {
  const back = useDeployment(app.name, () => api.rollback(app.name, to.id));
  if (!canComeBack(to, app)) return null;
  return (
    <Asking
      action="Roll back"
      title={`Bring ${app.name} #${to.number} back?`}
      does={back}
      className="link"
    >
      <p>
        Its image, settings, variables and domains come back, without a build. What has the traffic
        now serves until that is healthy; what is on its way is called off.
      </p>
    </Asking>
  );
}

export function AppActions({ app }: { app: App }) {
  const restart = useDeployment(app.name, () => api.restart(app.name));
  const stop = useChange(app.name, () => api.stop(app.name));
  const start = useChange(app.name, () => api.start(app.name));
  if (app.stopped) {
    return (
      <div className="actions at-end">
        {start.error ? <p role="alert">{problemOf(start.error).detail}</p> : null}
        <button
          type="button"
          className="primary"
          disabled={start.isPending}
          onClick={() => start.mutate()}
        >
          Start
        </button>
      </div>
    );
  }
  if (!app.live) return null;
  return (
    <div className="actions at-end">
      <Asking action="Stop" title={`Stop ${app.name}?`} does={stop}>
        <p>
          Its address answers with a page that says so, and nothing of it runs until it is started
          or deployed. What is on its way is cancelled.
        </p>
      </Asking>
      <Asking action="Restart" title={`Restart ${app.name}?`} does={restart}>
        <p>
          The live version starts in new replicas, with the settings and variables that it has. The
          old ones serve until those are healthy.
        </p>
      </Asking>
    </div>
  );
}
