import { useMutation, useQueryClient } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import type { ReactNode } from "react";
import { api } from "../api/client";
import { sessionQuery } from "../api/queries";
import type { Session } from "../api/types";
import { useLive } from "../live/live";
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
  const state = useLive();
  return (
    <div className="reconnecting" role="status">
      {state === "reconnecting" ? (
        <p>
          <strong>Reconnecting to Hythe.</strong> What you see may be a few seconds old; your apps
          are not affected.
        </p>
      ) : null}
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
