import { useInfiniteQuery } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { useState } from "react";
import { appsQuery } from "../api/first";
import type { App } from "../api/types";
import { AppTable } from "../app/AppTable";
import { Deleted } from "../app/Deleted";
import { counted } from "../format/text";
import { usePolling } from "../live/live";
import { NameField } from "../parts/NameField";
import { Answered } from "../parts/Notice";
import { onDemand } from "../parts/onDemand";
import { Command, Heading, More } from "../parts/Small";

/** With so many or more, there is a way to find one. */
const MANY = 8;

const NewApp = onDemand(() => import("../app/NewApp").then((file) => file.NewApp), {
  within: true,
});

export function AppsPage() {
  const polling = usePolling();
  const apps = useInfiniteQuery({ ...appsQuery, refetchInterval: polling });
  const [making, setMaking] = useState(false);
  return (
    <div className="page">
      <Answered answer={apps} what="apps" page>
        {({ pages }) => {
          const all = pages.flatMap((page) => page.items);
          return (
            <>
              <div className="title">
                <Heading title="Apps">Apps</Heading>
                {all.length > 0 ? <p className="faint">{summary(all, apps.hasNextPage)}</p> : null}
                <Link to="/projects">Projects</Link>
                <button
                  type="button"
                  className="at-end"
                  aria-expanded={making}
                  onClick={() => setMaking(!making)}
                >
                  New app
                </button>
              </div>
              {making ? (
                <div className="making">
                  <NewApp />
                </div>
              ) : null}
              {all.length > 0 ? <Found apps={all} more={apps.hasNextPage} /> : <Empty />}
              <More query={apps} />
              <div className="deleted">
                <Deleted />
              </div>
            </>
          );
        }}
      </Answered>
    </div>
  );
}

function summary(apps: App[], more: boolean): string {
  const running = apps.filter((app) => app.status === "running").length;
  const count = more ? `the first ${counted(apps.length, "app")}` : counted(apps.length, "app");
  return running === apps.length ? `${count}, all running` : `${count}, ${running} running`;
}

/** All of them, or those with a part of a name. */
function Found({ apps, more }: { apps: App[]; more: boolean }) {
  const [part, setPart] = useState("");
  const wanted = part.trim().toLowerCase();
  const found = apps.filter(({ name, project }) =>
    [name, project].some((text) => text.includes(wanted)),
  );
  return (
    <>
      {apps.length < MANY && !part ? null : (
        <div className="fields log-filter">
          <NameField
            label="Name or project contains"
            type="search"
            value={part}
            onChange={setPart}
          />
        </div>
      )}
      {found.length > 0 ? (
        <AppTable apps={found} />
      ) : (
        <p className="faint">
          None of these {apps.length} fits{more ? "; there are more, which can be shown" : null}.
        </p>
      )}
    </>
  );
}

function Empty() {
  return (
    <section className="empty">
      <h2>Nothing has landed here yet</h2>
      <p>
        Give Hythe a git repository. It builds the app, starts it, checks its health, and gives it
        an address. Make a new app above, or on this machine run:
      </p>
      <Command text="hythe deploy my-app --repo https://github.com/you/my-app.git --wait" />
      <p className="faint">The app appears here as soon as you have.</p>
    </section>
  );
}
