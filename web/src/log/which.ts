// Which of an app's logs an address is for.

export type LogName = "output" | "requests";

/** What the address says behind its `?`; nothing where it is the usual one. */
export const logOf = ({ log }: Record<string, unknown>): { log?: "requests" } =>
  log === "requests" ? { log } : {};
