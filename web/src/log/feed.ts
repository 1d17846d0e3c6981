// A log as it comes in: what there is by compressed HTTP, page by page, then what follows over a
// WebSocket, resumed where it broke off.

import { mayPass, problemOf } from "../api/problem";
import type { LogItem, Problem } from "../api/types";
import { backoff } from "../live/backoff";
import { ReconnectingSocket, socketUrl } from "../live/socket";
import { LogBuffer } from "./buffer";
import type { LogSource } from "./sources";

export type FeedState =
  | { name: "loading" }
  | { name: "following" }
  | { name: "reconnecting" }
  | { name: "ended" }
  | { name: "failed"; problem: Problem };

/** After so many attempts to follow it, and after each so many more, it is asked why that does not work. */
const ATTEMPTS = 4;

export class LogFeed {
  readonly buffer: LogBuffer;
  #source: LogSource;
  #state: FeedState = { name: "loading" };
  #version = 0;
  #listeners = new Set<() => void>();
  #frame: number | undefined;
  #socket: ReconnectingSocket | undefined;
  #looking: AbortController | undefined;

  constructor(source: LogSource) {
    this.#source = source;
    this.buffer = new LogBuffer(...source.keeps);
  }

  get state(): FeedState {
    return this.#state;
  }

  /** Another number whenever there is something new to show; at most once per frame. */
  version = (): number => this.#version;

  subscribe = (listener: () => void): (() => void) => {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  };

  start(): () => void {
    const abort = new AbortController();
    this.#looking = abort;
    void this.#load(abort.signal);
    return () => {
      abort.abort();
      this.#looking = undefined;
      this.#socket?.close();
      this.#socket = undefined;
      if (this.#frame !== undefined) cancelAnimationFrame(this.#frame);
      this.#frame = undefined;
    };
  }

  /** Once more, after it failed. */
  again = (): void => {
    if (this.#looking && this.#state.name === "failed") void this.#load(this.#looking.signal);
  };

  async #load(signal: AbortSignal): Promise<void> {
    let failures = 0;
    this.#become({ name: "loading" });
    while (!signal.aborted) {
      try {
        const before = this.buffer.cursor;
        const page = await this.#source.page(before, signal);
        // It may have come in the moment in which nobody looked any more.
        if (signal.aborted) return;
        failures = 0;
        this.buffer.append(page.items);
        this.#changed();
        if (page.more && this.buffer.cursor !== before) continue;
        if (this.buffer.ended) this.#become({ name: "ended" });
        else this.#follow(signal);
        return;
      } catch (error) {
        if (signal.aborted) return;
        if (!mayPass(error)) {
          this.#become({ name: "failed", problem: problemOf(error) });
          return;
        }
        this.#become({ name: "reconnecting" });
        await pause(backoff(failures, Math.random), signal);
        failures += 1;
      }
    }
  }

  #follow(signal: AbortSignal): void {
    this.#socket?.close();
    const { path, query } = this.#source;
    let attempts = 0;
    this.#socket = new ReconnectingSocket({
      url: () => {
        attempts += 1;
        if (attempts % ATTEMPTS === 0) void this.#askWhy(signal);
        return socketUrl(path, { ...query, cursor: this.buffer.cursor });
      },
      onMessage: (message) => {
        if (!isItem(message)) return;
        this.buffer.append([message]);
        this.#changed();
      },
      onEnd: () => this.#become({ name: "ended" }),
      onState: (state) => {
        if (state === "open") {
          attempts = 0;
          this.#become({ name: "following" });
        }
        if (state === "reconnecting") this.#become({ name: "reconnecting" });
      },
    });
    this.#socket.open();
  }

  /** A browser does not say why a socket was refused: the app may be gone, and no attempt helps. */
  async #askWhy(signal: AbortSignal): Promise<void> {
    const error = await this.#source.page(this.buffer.cursor, signal).then(
      () => undefined,
      (error: unknown) => error,
    );
    if (signal.aborted || error === undefined || mayPass(error)) return;
    this.#socket?.close();
    this.#become({ name: "failed", problem: problemOf(error) });
  }

  #become(state: FeedState): void {
    if (state.name === this.#state.name) return;
    this.#state = state;
    this.#changed();
  }

  #changed(): void {
    this.#frame ??= requestAnimationFrame(() => {
      this.#frame = undefined;
      this.#version += 1;
      for (const listener of this.#listeners) listener();
    });
  }
}

function isItem(message: unknown): message is LogItem {
  return typeof message === "object" && message !== null && "type" in message;
}

function pause(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, ms);
    signal.addEventListener("abort", () => {
      clearTimeout(timer);
      resolve();
    });
  });
}
