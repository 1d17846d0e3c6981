// What happens at the server, as it happens: events make the page ask again for what it shows.
//
// Events only say *that* something changed. What it is now, the API says: so there is no second
// place that folds events, and a missed one is made good by the next question.

import type { QueryClient } from "@tanstack/react-query";
import { createContext, useContext, useEffect, useState, useSyncExternalStore } from "react";
import { coalesce } from "./coalesce";
import { ReconnectingSocket, type SocketState, socketUrl } from "./socket";

/** So long (ms) a stream of events waits after an answer before it makes the page ask again. */
const GAP = 300;
/** So often (ms) the page asks again while nobody tells it anything. */
const UNTOLD = 5_000;

export class Live {
  #state: SocketState = "closed";
  #listeners = new Set<() => void>();
  #socket: ReconnectingSocket;
  #refresh: ReturnType<typeof coalesce>;
  #lost: number | undefined;
  #untold: ReturnType<typeof setInterval> | undefined;

  constructor(queries: QueryClient) {
    this.#refresh = coalesce(() => queries.invalidateQueries({ predicate: isLive }), GAP);
    this.#socket = new ReconnectingSocket({
      // From now on, also when it comes back: what happened meanwhile is in the answers. With a
      // cursor, a server that was restored from a backup would refuse it: its journal is shorter.
      url: () => socketUrl("/api/v1/events"),
      onMessage: () => this.#refresh.ask(),
      onState: (state) => {
        // What happened while nobody listened shows up in the answers.
        if (state === "open") {
          this.#refresh.ask();
          // It may be another version that is there now.
          if (this.#lost) void queries.invalidateQueries({ queryKey: ["session"] });
        }
        clearInterval(this.#untold);
        if (state === "reconnecting") {
          this.#lost ??= Date.now();
          this.#untold = setInterval(() => this.#refresh.ask(), UNTOLD);
        } else {
          this.#lost = undefined;
        }
        this.#state = state;
        for (const listener of this.#listeners) listener();
      },
    });
  }

  start(): () => void {
    const hurry = () => this.#socket.hurry();
    const look = () => {
      if (document.visibilityState === "visible") hurry();
    };
    window.addEventListener("online", hurry);
    document.addEventListener("visibilitychange", look);
    this.#socket.open();
    return () => {
      window.removeEventListener("online", hurry);
      document.removeEventListener("visibilitychange", look);
      this.#refresh.stop();
      this.#socket.close();
    };
  }

  subscribe = (listener: () => void): (() => void) => {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  };

  state = (): SocketState => this.#state;

  /** Since when (ms) nothing is told any more, where it is so. */
  lost = (): number | undefined => this.#lost;
}

const isLive = (query: { meta: Record<string, unknown> | undefined }) => query.meta?.live === true;

export const LiveContext = createContext<Live | undefined>(undefined);

/** How the connection to the server is. */
export function useLive(): SocketState {
  const live = useContext(LiveContext);
  return useSyncExternalStore(live?.subscribe ?? none, live?.state ?? closed);
}

/** Since when (ms) there is no connection to the server, where one was lost. */
export function useLost(): number | undefined {
  const live = useContext(LiveContext);
  return useSyncExternalStore(live?.subscribe ?? none, live?.lost ?? never);
}

/** Whether this device has a network at all. */
export function useOnline(): boolean {
  return useSyncExternalStore(networks, () => navigator.onLine);
}

function networks(listener: () => void) {
  window.addEventListener("online", listener);
  window.addEventListener("offline", listener);
  return () => {
    window.removeEventListener("online", listener);
    window.removeEventListener("offline", listener);
  };
}

const never = (): undefined => undefined;
const none = () => () => {};
const closed = (): SocketState => "closed";

/**
 * How often to ask without being told to: what replicas are doing is observed, not an event, so
 * now and then even while connected; often while not.
 */
export function usePolling(): number {
  return useLive() === "open" ? 10_000 : 3_000;
}

/** The present time, again every `every` milliseconds. */
export function useNow(every: number): number {
  const [now, setNow] = useState(Date.now);
  useEffect(() => {
    setNow(Date.now());
    const timer = setInterval(() => setNow(Date.now()), every);
    return () => clearInterval(timer);
  }, [every]);
  return now;
}
