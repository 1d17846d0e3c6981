import { useMutation, useQueryClient } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { type ReactNode, useState } from "react";
import { api } from "../api/client";
import { sessionQuery } from "../api/first";
import type { Session } from "../api/types";
import { clock } from "../format/clock";
import { useLive, useLost, useOnline } from "../live/live";
import { Button } from "./Button";

/** What is around every page. */
export function Shell({ session, children }: { session?: Session; children: ReactNode }) {
  return (
    <>
      <a className="skip" href="#main">
        Skip to the content
      </a>
      <header className="bar">
        <div className="bar-in">
          <Link className="brand" to="/" aria-label="Hythe: all apps">
            <Logo />
            Hythe
          </Link>
          {session ? (
            <>
              <nav className="bar-nav" aria-label="Of the installation">
                <Link to="/events">Activity</Link>
                <Link to="/certificates">Certificates</Link>
                <Link to="/server">Server</Link>
              </nav>
              <Connection />
              <SignOut />
            </>
          ) : null}
        </div>
      </header>
      {session ? <Reconnecting /> : null}
      {session ? <Upgraded version={session.version} /> : null}
      <main id="main" tabIndex={-1}>
        {children}
      </main>
      {session ? (
        <footer className="foot">
          <span>Hythe {session.version}</span>
          <span>apps answer under {session.base_domain}</span>
        </footer>
      ) : null}
    </>
  );
}

/** A landing place: steps down to the water. */
export function Logo() {
  return (
    <svg className="logo" viewBox="0 0 24 24" aria-hidden="true">
      <path d="M2 5h7v4.500h5v4.500h8" />
      <path className="logo-water" d="M2 20q2.500-3 5 0t5 0 5 0 5 0" />
    </svg>
  );
}

function Connection() {
  const state = useLive();
  const text = {
    open: "Connected",
    connecting: "Connecting",
    reconnecting: "Reconnecting",
    closed: "",
  };
  return (
    <span className="connection" data-state={state} title="Whether changes show up by themselves">
      {text[state]}
    </span>
  );
}

function Reconnecting() {
  const lost = useLost();
  const online = useOnline();
  return (
    <div className="told" role="status">
      {lost === undefined ? null : (
        <p>
          <strong>{online ? "Reconnecting to Hythe." : "This device is offline."}</strong> What you
          see may be as it was at {clock(lost)}; your apps are not affected.
        </p>
      )}
    </div>
  );
}

/** That the server is newer than the page, which may lack what that has. */
function Upgraded({ version }: { version: string }) {
  const [before] = useState(version);
  return (
    <div className="told" role="status">
      {version === before ? null : (
        <p>
          <strong>Hythe was upgraded to {version}.</strong> This page is still of {before}.{" "}
          <button type="button" className="link" onClick={() => window.location.reload()}>
            Load it again
          </button>
        </p>
      )}
    </div>
  );
}

function SignOut() {
  const queries = useQueryClient();
  const signOut = useMutation({
    mutationFn: api.signOut,
    onSuccess: () => {
      queries.setQueryData(sessionQuery.queryKey, null);
      queries.removeQueries({ predicate: (query) => query.queryKey[0] !== "session" });
    },
  });
  return (
    <Button className="quiet" rests={signOut.isPending} onClick={() => signOut.mutate()}>
      <span aria-live="polite">{signOut.isError ? "Sign out failed, try again" : "Sign out"}</span>
    </Button>
  );
}
