// Pages that are loaded once somebody goes there, or is about to.
//
// The server has the files of its own version and no others, so a dashboard that was open during an
// upgrade may ask for a page that is gone. It says so, and what helps; nothing is loaded anew by
// itself, since that would throw away what somebody has typed.

import { type ComponentType, type ReactNode, useEffect, useSyncExternalStore } from "react";
import { NotLoaded } from "./NotLoaded";
import { Skeleton } from "./Skeleton";

type Part<P> = { name: "loading" } | { name: "there"; Page: ComponentType<P> } | { name: "failed" };

interface OnDemand<P> {
  (props: P): ReactNode;
  /** Begins to load it. Nobody waits for that: where it is not there yet, its place says so. */
  preload: () => undefined;
}

/** `within`: it stands in a page that is there already, as those of an app do. */
export function onDemand<P extends object>(
  load: () => Promise<ComponentType<P>>,
  { within = false } = {},
): OnDemand<P> {
  let part: Part<P> = { name: "loading" };
  let asked = false;
  const listeners = new Set<() => void>();
  const become = (now: Part<P>) => {
    part = now;
    for (const listener of listeners) listener();
  };
  const ask = () => {
    if (asked) return;
    asked = true;
    load().then(
      (Page) => become({ name: "there", Page }),
      () => {
        asked = false;
        // Where nobody is there to see it, whoever comes asks again.
        if (listeners.size > 0) become({ name: "failed" });
      },
    );
  };
  const subscribe = (listener: () => void) => {
    listeners.add(listener);
    return () => {
      listeners.delete(listener);
      if (listeners.size === 0 && part.name === "failed") part = { name: "loading" };
    };
  };
  const now = () => part;

  function OnDemandPage(props: P) {
    const is = useSyncExternalStore(subscribe, now);
    useEffect(ask, []);
    if (is.name === "there") return <is.Page {...props} />;
    const place =
      is.name === "failed" ? (
        <NotLoaded within={within} again={ask} />
      ) : (
        <Skeleton what="the page" />
      );
    return within ? place : <div className="page">{place}</div>;
  }
  // The router asks for it at once, beside everything else, and when a link is pointed at.
  return Object.assign(OnDemandPage, { preload: () => void ask() as undefined });
}
