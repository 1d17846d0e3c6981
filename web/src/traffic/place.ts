// A place at a host, as `shop.example/api`.

/** The same without what comes along when an address is copied: its scheme, and a slash at its end. */
export const placeOf = (text: string): string =>
  text
    .trim()
    .replace(/^https?:\/\//i, "")
    .replace(/\/$/, "");
