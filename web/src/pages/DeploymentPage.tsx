import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { useId, useState } from "react";
import { api } from "../api/client";
import { appQuery, deploymentQuery } from "../api/queries";
import type { Deployment } from "../api/types";
import { Files } from "../app/Files";
import { cancellable, LABEL } from "../deployment/passage";
import { Stages } from "../deployment/Stages";
import { usePolling } from "../live/live";
import { BuildLog } from "../log/BuildLog";
import { clean } from "../log/clean";
import { Confirm } from "../parts/Confirm";
import { DeploymentState } from "../parts/Mark";
import { Answered } from "../parts/Notice";
import { Address, Ago, Commit, Fact, Heading } from "../parts/Small";

export function DeploymentPage({ id }: { id: string }) {
  const polling = usePolling();
  const deployment = useQuery({ ...deploymentQuery(id), refetchInterval: polling });
  return (
    <div className="page wide">
      <Answered answer={deployment} what="the deployment" page>
        {(data) => <Shown deployment={data} />}
      </Answered>
    </div>
  );
}

function Shown({ deployment }: { deployment: Deployment }) {
  const { app, number, status } = deployment;
  return (
    <>
      <nav className="crumbs" aria-label="You are here">
        <Link to="/">Apps</Link>
        <Link to="/apps/$app" params={{ app: app.name }}>
          {app.name}
        </Link>
      </nav>
      <div className="title">
        <Heading title={`${app.name} #${number}: ${LABEL[status].name.toLowerCase()}`}>
          {app.name} <span className="number">#{number}</span>
        </Heading>
        <div role="status">
          <DeploymentState status={status} />
        </div>
        {status === "live" && deployment.url ? <Address url={deployment.url} /> : null}
        <Cancel deployment={deployment} />
      </div>
      <Source deployment={deployment} />
      {deployment.failure ? <Failed deployment={deployment} /> : null}
      <div className="passage-and-log">
        <Stages deployment={deployment} />
        <BuildLog deployment={deployment.id} over={deployment.settled} />
      </div>
    </>
  );
}

function Source({ deployment }: { deployment: Deployment }) {
  const { source } = deployment;
  return (
    <dl className="facts in-line">
      <Fact name="Commit">
        <Commit id={deployment.commit ?? source.commit} />
        {source.branch || source.tag ? (
          <span className="faint">
            {" "}
            of {source.tag ? "tag " : null}
            <code>{source.tag ?? source.branch}</code>
          </span>
        ) : null}
      </Fact>
      {source.repository ? (
        <Fact name="Repository">
          <code className="breaks">{source.repository}</code>
        </Fact>
      ) : null}
      {deployment.image ? (
        <Fact name="Image">
          <Commit id={deployment.image} />
        </Fact>
      ) : null}
      {deployment.site ? (
        <Fact name="Static site">
          <Files site={deployment.site} />
        </Fact>
      ) : (
        <Fact name="Replicas">{deployment.replicas}</Fact>
      )}
      {deployment.canary_percent ? (
        <Fact name="Canary">
          takes {deployment.canary_percent}% of the requests:{" "}
          <Link to="/apps/$app" params={{ app: deployment.app.name }}>
            promote it, or take it back
          </Link>
        </Fact>
      ) : null}
      <Fact name="Asked for">
        <Ago at={deployment.created_at} />{" "}
        <span className="faint">by {deployment.requested_by}</span>
      </Fact>
    </dl>
  );
}

function Failed({ deployment }: { deployment: Deployment }) {
  const label = useId();
  const app = useQuery(appQuery(deployment.app.name));
  const failure = deployment.failure;
  if (!failure) return null;
  const live = app.data?.live;
  return (
    <section className="failure" aria-labelledby={label}>
      <h2 id={label}>Failed while {LABEL[failure.stage].name.toLowerCase()}</h2>
      <p className="failure-why">{failure.message}</p>
      {live && live.id !== deployment.id ? (
        <p>
          Version{" "}
          <Link to="/deployments/$deployment" params={{ deployment: live.id }}>
            #{live.number}
          </Link>{" "}
          has the traffic, as before.
        </p>
      ) : null}
      {failure.log.length > 0 ? (
        <>
          <h3>The last lines before it</h3>
          {/* biome-ignore lint/a11y/noNoninteractiveTabindex: it scrolls, so the keyboard must reach it */}
          <pre tabIndex={0}>{failure.log.map(clean).join("\n")}</pre>
        </>
      ) : null}
    </section>
  );
}

function Cancel({ deployment }: { deployment: Deployment }) {
  const [asking, setAsking] = useState(false);
  const queries = useQueryClient();
  const cancel = useMutation({
    mutationFn: () => api.cancel(deployment.id),
    onSuccess: (now) => {
      queries.setQueryData(deploymentQuery(deployment.id).queryKey, now);
      setAsking(false);
    },
  });
  if (!asking && !cancellable(deployment)) return null;
  return (
    <>
      <button
        type="button"
        className="at-end"
        onClick={() => {
          cancel.reset();
          setAsking(true);
        }}
      >
        Cancel deployment
      </button>
      {asking ? (
        <Confirm
          title={`Cancel ${deployment.app.name} #${deployment.number}?`}
          action="Cancel deployment"
          keep="Let it go on"
          busy={cancel.isPending}
          error={cancel.error}
          onConfirm={() => cancel.mutate()}
          onClose={() => setAsking(false)}
        >
          <p>
            What it has built and started so far is stopped and put away. The version that serves
            now goes on serving.
          </p>
        </Confirm>
      ) : null}
    </>
  );
}
