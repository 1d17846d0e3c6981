import { useInfiniteQuery } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import type { RefObject } from "react";
import { clockAhead } from "../api/client";
import { deploymentsQuery } from "../api/queries";
import type { App, Deployment } from "../api/types";
import { taken } from "../deployment/passage";
import { RollBack } from "../deployment/RollBack";
import { running, span } from "../format/span";
import { useNow } from "../live/live";
import { DeploymentState } from "../parts/Mark";
import { Answered } from "../parts/Notice";
import { Section } from "../parts/Section";
import { Ago, Command, Commit, More } from "../parts/Small";
import { Cell, RowName, Table, TableRow } from "../parts/Table";

/** The versions that there were, each a way back. */
export function Deployments({
  app,
  heading,
}: {
  app: App;
  /** For the focus, where what is above goes. */
  heading: RefObject<HTMLHeadingElement | null>;
}) {
  const deployments = useInfiniteQuery(deploymentsQuery(app.name));
  return (
    <Section title="Deployments" heading={heading}>
      <Answered answer={deployments} what="deployments">
        {({ pages }) => {
          const all = pages.flatMap((page) => page.items);
          if (all.length === 0) return <NeverDeployed app={app} />;
          return (
            <>
              <DeploymentTable app={app} deployments={all} />
              <More query={deployments} />
            </>
          );
        }}
      </Answered>
    </Section>
  );
}

function NeverDeployed({ app }: { app: App }) {
  const repository = app.settings.repository ? "" : " --repo https://github.com/you/my-app.git";
  return (
    <div className="empty">
      <p>This app was never deployed. To bring its first version live, run:</p>
      <Command text={`hythe deploy ${app.name}${repository} --wait`} />
    </div>
  );
}

function DeploymentTable({ app, deployments }: { app: App; deployments: Deployment[] }) {
  return (
    <Table
      label="Deployments"
      columns={["Number", "Status", "Commit", "Took", "Asked for", "By"]}
      actions
      className="deployments"
    >
      {deployments.map((deployment) => (
        <TableRow key={deployment.id} data-live={deployment.id === app.live?.id || undefined}>
          <RowName>
            <Link to="/deployments/$deployment" params={{ deployment: deployment.id }}>
              #{deployment.number}
            </Link>
          </RowName>
          <Cell of="Status">
            <DeploymentState status={deployment.status} />
            {deployment.canary_percent ? (
              <p className="faint">takes {deployment.canary_percent}% of the requests</p>
            ) : null}
            {deployment.failure ? (
              <p className="faint one-line" title={deployment.failure.message}>
                {deployment.failure.message}
              </p>
            ) : null}
          </Cell>
          <Cell of="Commit">
            <Commit id={deployment.commit ?? deployment.source.commit} />
            {deployment.takes_over?.number ? (
              <span className="faint"> of #{deployment.takes_over.number}</span>
            ) : null}
          </Cell>
          <Cell of="Took" className="figure">
            <Taken deployment={deployment} />
          </Cell>
          <Cell of="Asked for">
            <Ago at={deployment.created_at} />
          </Cell>
          <Cell of="By">{deployment.requested_by}</Cell>
          <Cell>
            <RollBack app={app} to={deployment} />
          </Cell>
        </TableRow>
      ))}
    </Table>
  );
}

function Taken({ deployment }: { deployment: Deployment }) {
  const moving = !deployment.settled;
  const now = useNow(moving ? 1_000 : 60_000) + clockAhead();
  const ms = taken(deployment, now);
  return <>{moving ? running(ms) : span(ms)}</>;
}
