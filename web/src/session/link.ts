// The token in a link that Hythe printed: `/#token=…` or `/setup?token=…`.

export interface Taken {
  token: string;
  /** The address without the token. */
  clean: string;
}

export function takeToken(address: string): Taken | undefined {
  const url = new URL(address);
  const hash = new URLSearchParams(url.hash.slice(1));
  const setup = /^\/setup\/?$/.test(url.pathname);
  const token = hash.get("token") ?? (setup ? url.searchParams.get("token") : null);
  if (!token) return undefined;
  const clean = setup ? "/" : `${url.pathname}${url.search}`;
  return { token, clean };
}

/** Takes it out of the address bar and the history at once, before anything else can read it. */
export function takeTokenFromAddress(): string {
  const taken = takeToken(window.location.href);
  if (!taken) return "";
  window.history.replaceState(null, "", taken.clean);
  return taken.token;
}
