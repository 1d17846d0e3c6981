import { useQuery } from "@tanstack/react-query";
import { Outlet } from "@tanstack/react-router";
import { useContext, useEffect } from "react";
import { sessionQuery } from "../api/first";
import { LiveContext } from "../live/live";
import "../session/fromLink";
import { Answered } from "./Notice";
import { onDemand } from "./onDemand";
import { Shell } from "./Shell";

const SignInPage = onDemand(() => import("../pages/SignInPage").then((file) => file.SignInPage));

/** The page for whoever is signed in, at whatever address; for everybody else, how to sign in. */
export function Gate() {
  const session = useQuery({
    ...sessionQuery,
    refetchInterval: (query) => (query.state.error ? 3_000 : false),
  });
  const live = useContext(LiveContext);
  const signedIn = Boolean(session.data);

  useEffect(() => (signedIn ? live?.start() : undefined), [signedIn, live]);

  if (session.data) {
    return (
      <Shell session={session.data}>
        <Outlet />
      </Shell>
    );
  }
  if (session.data === null) return <SignInPage />;
  return (
    <Shell>
      <div className="page">
        <Answered answer={session} what="Hythe" page>
          {() => null}
        </Answered>
      </div>
    </Shell>
  );
}
