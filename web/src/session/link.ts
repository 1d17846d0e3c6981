// The token in a link: `/#token=…`. What follows the `#` is sent to no server, so it is in no log.

export interface Taken {
  token: string;
  /** The address without the token. */
  clean: string;
}

export function takeToken(address: string): Taken | undefined {
  const url = new URL(address);
  const hash = new URLSearchParams(url.hash.slice(1));
  const token = hash.get("token");
  return token ? { token, clean: `${url.pathname}${url.search}` } : undefined;
}

/** Takes it out of the address bar and the history at once, before anything else can read it. */
export function takeTokenFromAddress(): string {
  const taken = takeToken(window.location.href);
  if (!taken) return "";
  window.history.replaceState(null, "", taken.clean);
  return taken.token;
}
