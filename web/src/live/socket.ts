// A WebSocket that comes back.
//
// Whoever uses it says where to resume: `url` is asked again before every attempt. A connection
// counts as good once it has held for a while, so that a server that accepts and drops at once is
// not asked in a tight loop.

import { backoff } from "./backoff";

export type SocketState = "connecting" | "open" | "reconnecting" | "closed";

export interface SocketOptions {
  url: () => string;
  onMessage: (data: unknown) => void;
  onState?: (state: SocketState) => void;
  /** Where what is told can come to an end: the server says so by closing in the normal way. */
  onEnd?: () => void;
  /** The browser's own, but in tests. */
  connect?: (url: string) => WebSocket;
  random?: () => number;
}

/** So long a connection must hold before failures are forgotten. */
const HELD = 5_000;
/** How a server closes that has told everything. */
const NORMAL = 1000;
/** So long an attempt may take. */
const PATIENCE = 10_000;

export class ReconnectingSocket {
  #options: SocketOptions;
  #socket: WebSocket | undefined;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #failures = 0;
  #state: SocketState = "closed";

  constructor(options: SocketOptions) {
    this.#options = options;
  }

  get state(): SocketState {
    return this.#state;
  }

  open(): void {
    if (this.#state !== "closed") return;
    this.#failures = 0;
    this.#attempt("connecting");
  }

  close(): void {
    this.#drop();
    this.#become("closed");
  }

  /** Tries at once where it would wait: the network is back, or somebody looks again. */
  hurry(): void {
    if (this.#state !== "reconnecting" || this.#socket) return;
    this.#attempt("reconnecting");
  }

  #attempt(state: SocketState): void {
    this.#drop();
    this.#become(state);
    const { connect = (url: string) => new WebSocket(url), url } = this.#options;
    const socket = connect(url());
    this.#socket = socket;
    this.#timer = setTimeout(() => this.#failed(), PATIENCE);
    socket.onopen = () => {
      clearTimeout(this.#timer);
      this.#timer = setTimeout(() => {
        this.#failures = 0;
      }, HELD);
      this.#become("open");
    };
    socket.onmessage = (message: MessageEvent) => this.#options.onMessage(parse(message.data));
    // `error` is always followed by `close`.
    socket.onclose = (close: CloseEvent) => {
      if (close.code === NORMAL && this.#options.onEnd) {
        this.close();
        this.#options.onEnd();
      } else {
        this.#failed();
      }
    };
  }

  #failed(): void {
    this.#drop();
    const wait = backoff(this.#failures, this.#options.random ?? Math.random);
    this.#failures += 1;
    this.#timer = setTimeout(() => this.#attempt("reconnecting"), wait);
    this.#become("reconnecting");
  }

  #drop(): void {
    clearTimeout(this.#timer);
    const socket = this.#socket;
    this.#socket = undefined;
    if (!socket) return;
    socket.onopen = null;
    socket.onmessage = null;
    socket.onclose = null;
    socket.close();
  }

  #become(state: SocketState): void {
    if (state === this.#state) return;
    this.#state = state;
    this.#options.onState?.(state);
  }
}

/** The address of a WebSocket of this server. */
export function socketUrl(path: string, query: Record<string, string | undefined> = {}): string {
  const url = new URL(path, window.location.href);
  url.protocol = url.protocol === "https:" ? "wss:" : "ws:";
  for (const [name, value] of Object.entries(query)) {
    if (value !== undefined) url.searchParams.set(name, value);
  }
  return url.href;
}

function parse(data: unknown): unknown {
  if (typeof data !== "string") return undefined;
  try {
    return JSON.parse(data);
  } catch {
    return undefined;
  }
}
