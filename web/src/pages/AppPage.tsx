import { useInfiniteQuery, useQuery } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { useId } from "react";
import { clockAhead } from "../api/client";
import { appQuery, deploymentsQuery, domainsQuery, envQuery, replicasQuery } from "../api/queries";
import type { App, Deployment, Domain, Replica } from "../api/types";
import { AppActions, RollBack } from "../deployment/Actions";
import { taken } from "../deployment/passage";
import { check } from "../format/health";
import { running, span } from "../format/span";
import { bytes, counted } from "../format/text";
import { useNow, usePolling } from "../live/live";
import { AppState, DeploymentState, ReplicaStatus } from "../parts/Mark";
import { Answered } from "../parts/Notice";
import { Address, Ago, Command, Commit, Fact, Heading, More } from "../parts/Small";

export function AppPage({ name }: { name: string }) {
  const polling = usePolling();
  const app = useQuery({ ...appQuery(name), refetchInterval: polling });
  return (
    <div className="page">
      <nav className="crumbs" aria-label="You are here">
        <Link to="/">Apps</Link>
      </nav>
      <Answered answer={app} what={name} page>
        {(data) => (
          <>
            <div className="title">
              <Heading title={data.name}>{data.name}</Heading>
              <div role="status">
                <AppState status={data.status} />
              </div>
              {data.live && data.url ? <Address url={data.url} /> : null}
              <AppActions app={data} />
            </div>
            <p className="lead">{data.status_detail}</p>
            <Deployments app={data} />
            <div className="two">
              <Settings app={data} />
              <div>
                <Replicas app={data} polling={polling} />
                <Domains app={data} />
                <Environment app={data} />
              </div>
            </div>
          </>
        )}
      </Answered>
    </div>
  );
}

function Deployments({ app }: { app: App }) {
  const deployments = useInfiniteQuery(deploymentsQuery(app.name));
  const label = useId();
  return (
    <section aria-labelledby={label}>
      <h2 id={label}>Deployments</h2>
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
    </section>
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
    <table className="rows deployments">
      <thead>
        <tr>
          <th scope="col">Number</th>
          <th scope="col">Status</th>
          <th scope="col">Commit</th>
          <th scope="col">Took</th>
          <th scope="col">Asked for</th>
          <th scope="col">By</th>
          <th scope="col" aria-label="Actions" />
        </tr>
      </thead>
      <tbody>
        {deployments.map((deployment) => (
          <tr key={deployment.id} data-live={deployment.id === app.live?.id || undefined}>
            <th scope="row">
              <Link to="/deployments/$deployment" params={{ deployment: deployment.id }}>
                #{deployment.number}
              </Link>
            </th>
            <td data-label="Status">
              <DeploymentState status={deployment.status} />
              {deployment.failure ? (
                <p className="faint one-line" title={deployment.failure.message}>
                  {deployment.failure.message}
                </p>
              ) : null}
            </td>
            <td data-label="Commit">
              <Commit id={deployment.commit ?? deployment.source.commit} />
              {deployment.takes_over?.number ? (
                <span className="faint"> of #{deployment.takes_over.number}</span>
              ) : null}
            </td>
            <td data-label="Took" className="figure">
              <Taken deployment={deployment} />
            </td>
            <td data-label="Asked for">
              <Ago at={deployment.created_at} />
            </td>
            <td data-label="By">{deployment.requested_by}</td>
            <td>
              <RollBack app={app} to={deployment} />
            </td>
          </tr>
        ))}
      </tbody>
    </table>
  );
}

function Taken({ deployment }: { deployment: Deployment }) {
  const moving = !deployment.settled;
  const now = useNow(moving ? 1_000 : 60_000) + clockAhead();
  const ms = taken(deployment, now);
  return <>{moving ? running(ms) : span(ms)}</>;
}

function Settings({ app }: { app: App }) {
  const label = useId();
  const { settings } = app;
  return (
    <section aria-labelledby={label}>
      <h2 id={label}>Settings</h2>
      <dl className="facts">
        <Fact name="Repository">
          {settings.repository ? (
            <code className="breaks">{settings.repository}</code>
          ) : (
            "none yet: nothing can be deployed without one"
          )}
        </Fact>
        <Fact name="Version">
          {settings.commit ? (
            <>
              always commit <Commit id={settings.commit} />
            </>
          ) : settings.tag ? (
            <>
              always tag <code>{settings.tag}</code>
            </>
          ) : settings.branch ? (
            <>
              newest of <code>{settings.branch}</code>
            </>
          ) : (
            "newest of the default branch"
          )}
        </Fact>
        <Fact name="Dockerfile">
          {settings.dockerfile ? <code>{settings.dockerfile}</code> : "found by itself"}
        </Fact>
        <Fact name="Port">{settings.port ?? "found from the image"}</Fact>
        <Fact name="Health check">{check(settings)}</Fact>
        <Fact name="Each replica">
          {bytes(settings.memory_bytes)} memory, {settings.cpu_millis / 1000} CPU,{" "}
          {settings.processes} processes at the most
        </Fact>
        {Object.keys(settings.process_types).length > 0 ? (
          <Fact name="Beside web">
            <ul className="plain-list">
              {Object.entries(settings.process_types).map(([name, process]) => (
                <li key={name}>
                  {name}: {counted(process.replicas, "replica")} of{" "}
                  <code className="breaks">{process.command.join(" ")}</code>
                </li>
              ))}
            </ul>
          </Fact>
        ) : null}
        {settings.domains.length > 0 ? (
          <Fact name="Set without proof">
            <ul className="plain-list">
              {settings.domains.map((domain) => (
                <li key={domain}>{domain}</li>
              ))}
            </ul>
          </Fact>
        ) : null}
        <Fact name="Created">
          <Ago at={app.created_at} />
        </Fact>
      </dl>
    </section>
  );
}

function Domains({ app }: { app: App }) {
  const domains = useQuery(domainsQuery(app.name));
  const label = useId();
  return (
    <section aria-labelledby={label}>
      <h2 id={label}>Domains</h2>
      <Answered answer={domains} what="domains">
        {({ items }) =>
          items.length === 0 ? (
            <Command text={`hythe domain add ${app.name} shop.example.com`} />
          ) : (
            <dl className="facts">
              {items.map((domain) => (
                <Fact key={domain.host} name={domain.unicode ?? domain.host}>
                  <DomainFacts app={app} domain={domain} />
                </Fact>
              ))}
            </dl>
          )
        }
      </Answered>
    </section>
  );
}

/** Whether it is proven, what it does, and what is still to be set where. */
function DomainFacts({ app, domain }: { app: App; domain: Domain }) {
  const leads = domain.check && domain.check.leads !== "here" ? domain.check.leads_detail : null;
  const proven = domain.state === "verified";
  return (
    <>
      <p>
        {domain.state}, {domain.redirects_to ? `redirects to ${domain.redirects_to}` : domain.mode}
      </p>
      <p className="faint breaks">{domain.detail}</p>
      {leads && leads !== domain.detail ? <p className="faint breaks">{leads}</p> : null}
      {proven ? null : (
        <>
          <p className="breaks">
            <code>
              {domain.proof.name} {domain.proof.type} {domain.proof.value}
            </code>
          </p>
          <Command text={`hythe domain check ${app.name} ${domain.host}`} />
        </>
      )}
    </>
  );
}

function Replicas({ app, polling }: { app: App; polling: number }) {
  const replicas = useQuery({ ...replicasQuery(app.name), refetchInterval: polling });
  const label = useId();
  return (
    <section aria-labelledby={label}>
      <h2 id={label}>
        Replicas{" "}
        {app.replicas_wanted > 0 ? (
          <span className="faint">
            {app.replicas_healthy} of {app.replicas_wanted} healthy
            {app.processes.map(
              ({ name, replicas_healthy, replicas_wanted }) =>
                `, ${name} ${replicas_healthy} of ${replicas_wanted}`,
            )}
          </span>
        ) : null}
      </h2>
      <Answered answer={replicas} what="replicas">
        {({ items }) =>
          items.length === 0 ? (
            <p className="faint">Nothing runs.</p>
          ) : (
            <ul className="replicas">
              {items.map((replica) => (
                <ReplicaRow
                  key={`${replica.deployment.id}/${replica.process}/${replica.index}`}
                  replica={replica}
                />
              ))}
            </ul>
          )
        }
      </Answered>
    </section>
  );
}

function ReplicaRow({ replica }: { replica: Replica }) {
  return (
    <li>
      <span className="number">
        #{replica.deployment.number}/
        {replica.process === "web" ? replica.index : `${replica.process}.${replica.index}`}
      </span>
      <ReplicaStatus state={replica.state} />
      <span className="faint">on {replica.worker ?? "a worker"}</span>
      {replica.restarts > 0 ? (
        <span className="faint">{counted(replica.restarts, "restart")}</span>
      ) : null}
      {replica.detail ? <p className="faint">{replica.detail}</p> : null}
    </li>
  );
}

function Environment({ app }: { app: App }) {
  const env = useQuery(envQuery(app.name));
  const label = useId();
  return (
    <section aria-labelledby={label}>
      <h2 id={label}>Environment</h2>
      <Answered answer={env} what="the environment">
        {({ items }) =>
          items.length === 0 ? (
            <>
              <p className="faint">No variables. To set one:</p>
              <Command text={`hythe env set ${app.name} NAME=value`} />
            </>
          ) : (
            <>
              <ul className="names">
                {items.map((variable) => (
                  <li key={variable.name}>
                    <code>{variable.name}</code>
                  </li>
                ))}
              </ul>
              <p className="faint">Values can be set, but are shown to nobody.</p>
            </>
          )
        }
      </Answered>
    </section>
  );
}
