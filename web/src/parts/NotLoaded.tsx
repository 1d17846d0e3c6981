import { useEffect, useState } from "react";
import { api } from "../api/client";
import { mayPass } from "../api/problem";
import { Skeleton } from "./Skeleton";
import { Heading } from "./Small";

/** How long (ms) to wait before the server is asked again, and how long for its answer. */
const PAUSE = 3_000;
const PATIENCE = 5_000;

/** That a page did not come, why, and what helps. `within`: it stands in a page that has a heading. */
export function NotLoaded({ within, again }: { within: boolean; again: () => void }) {
  const reached = useReached(again);
  if (reached === undefined) return <Skeleton what="the page" />;
  const title = reached ? "This page could not be loaded" : "Hythe does not answer";
  return (
    <section className="fault" role="alert">
      {within ? <h2>{title}</h2> : <Heading title={title}>{title}</Heading>}
      {reached ? (
        <>
          <p>
            Hythe answers, but has no such page any more: it was probably upgraded since this tab
            was opened. Your apps are not affected.
          </p>
          <div className="actions">
            <button type="button" className="primary" onClick={() => window.location.reload()}>
              Load again
            </button>
          </div>
        </>
      ) : (
        <p>
          The server may be restarting, or the network may be down. Your apps keep serving. The page
          is asked for again by itself.
        </p>
      )}
    </section>
  );
}

/**
 * Whether the server answers, asked until it does; then the page is asked for once more, since it may
 * have been the network. Some browsers remember what failed: there, only loading all of it helps.
 */
function useReached(again: () => void): boolean | undefined {
  const [reached, setReached] = useState<boolean>();
  useEffect(() => {
    let timer: ReturnType<typeof setTimeout> | undefined;
    let left = false;
    const look = async () => {
      const answers = await api.session(AbortSignal.timeout(PATIENCE)).then(
        () => true,
        // That nobody is signed in is an answer, too.
        (error: unknown) => !mayPass(error),
      );
      if (left) return;
      setReached(answers);
      if (answers) again();
      else timer = setTimeout(() => void look(), PAUSE);
    };
    void look();
    return () => {
      left = true;
      clearTimeout(timer);
    };
  }, [again]);
  return reached;
}
