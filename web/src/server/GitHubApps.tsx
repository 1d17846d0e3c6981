import { useQuery } from "@tanstack/react-query";
import { useId, useState } from "react";
import { githubAppQuery, githubAppsQuery } from "../api/queries";
import type { GitHubApp, GitHubAppBegun, GitHubAppSeen } from "../api/types";
import { Deliveries } from "../automation/Deliveries";
import { address, href, sentence } from "../format/text";
import { Status } from "../parts/Mark";
import { Answered } from "../parts/Notice";
import { Section } from "../parts/Section";
import { Ago, Ahead, Command } from "../parts/Small";

/** The Apps through which GitHub tells of pushes and lends builds tokens. */
export function GitHubApps() {
  const answer = useQuery(githubAppsQuery);
  return (
    <Section title="GitHub Apps">
      <Answered answer={answer} what="GitHub Apps">
        {({ items, begun }) => (
          <>
            {items.length + begun.length === 0 ? (
              <p className="faint note">
                There is none: repositories tell of pushes by webhooks of their own, and private
                ones are reached with tokens or keys. To make one:
              </p>
            ) : null}
            {items.map((app) => (
              <AppCard key={app.id} app={app} />
            ))}
            {begun.length > 0 ? (
              <ul className="lines">
                {begun.map((app) => (
                  <BegunRow key={app.id} app={app} />
                ))}
              </ul>
            ) : null}
            {items.length + begun.length === 0 ? (
              <Command text="hythe source github-app create --org ORGANIZATION" />
            ) : null}
          </>
        )}
      </Answered>
    </Section>
  );
}

function BegunRow({ app: { name, organization, server, expires_at } }: { app: GitHubAppBegun }) {
  return (
    <li>
      <span className="breaks">{name}</span>
      <span className="faint breaks">
        is about to be made at {address(server)}
        {organization ? `, for ${organization}` : null}
      </span>
      <span className="faint">
        expires <Ahead at={expires_at} />
      </span>
    </li>
  );
}

function AppCard({ app }: { app: GitHubApp }) {
  const label = useId();
  const told = useId();
  const [open, setOpen] = useState(false);
  const { slug, owner, server, created_at, key_set_at, secret_set_at, secret_told } = app;
  return (
    <article className="card" aria-labelledby={label}>
      <div className="card-head">
        <h3 id={label} className="breaks">
          {slug}
        </h3>
        <span className="breaks">
          of {owner}, at {address(server)}
        </span>
        <span className="faint">
          made <Ago at={created_at} />
        </span>
      </div>
      <p className="faint">
        Its key is from <Ago at={key_set_at} />, its secret from <Ago at={secret_set_at} />.
      </p>
      {secret_told ? null : (
        <p>
          <Status tone="warn" text="GitHub was not told of the newest secret yet" />; deliveries
          that are signed with the one before are taken.
        </p>
      )}
      <div className="actions">
        <Away to={app.page} text="Its page" />
        <Away to={app.install_page} text="Install it" />
        <Away to={app.settings_page} text="Change it" />
      </div>
      <button
        type="button"
        className="link"
        aria-expanded={open}
        aria-controls={open ? told : undefined}
        onClick={() => setOpen(!open)}
      >
        Where it is installed, and what came<span className="unseen"> through {slug}</span>
      </button>
      {open ? (
        <div id={told}>
          <Installed app={app.id} />
          <Deliveries hook={app} />
        </div>
      ) : null}
    </article>
  );
}

/** A page at GitHub. */
function Away({ to, text }: { to: string; text: string }) {
  return (
    <a href={href(to)} target="_blank" rel="noreferrer">
      {text}
    </a>
  );
}

function Installed({ app }: { app: string }) {
  const answer = useQuery(githubAppQuery(app));
  return (
    <>
      <h4>Installed</h4>
      <Answered answer={answer} what="where it is installed">
        {(seen) => <Installations seen={seen} />}
      </Answered>
    </>
  );
}

function Installations({ seen: { installations, more, refused } }: { seen: GitHubAppSeen }) {
  if (refused) {
    return (
      <p className="breaks">
        <Status tone="bad" text="GitHub did not say" /> {sentence(refused)}
      </p>
    );
  }
  if (installations.length === 0) return <p className="faint">Nowhere yet: install it.</p>;
  return (
    <>
      <ul className="lines">
        {installations.map(({ id, account, selected, suspended }) => (
          <li key={id}>
            <span className="breaks">{account}</span>
            <span className="faint">
              {selected ? "repositories that were chosen" : "all repositories"}
            </span>
            {suspended ? <Status tone="bad" text="suspended: it reaches none of them" /> : null}
          </li>
        ))}
      </ul>
      {more ? <p className="faint">There are more than these.</p> : null}
    </>
  );
}
