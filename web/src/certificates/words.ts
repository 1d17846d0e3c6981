// What is known of a certificate, in few words, and what can be done about it.

import type { Certificate, CertificateState } from "../api/types";
import { sentence } from "../format/text";
import type { MarkTone } from "../parts/Mark";

export const STATE: Record<CertificateState, MarkTone> = {
  valid: "good",
  pending: "busy",
  waiting: "warn",
  failing: "bad",
  expired: "bad",
  unused: "idle",
};

export const hosts = ({ names }: Certificate) => names.join(", ");

/** What tells it from all others: there may be two for the same hosts. */
export const which = ({ id, names }: Certificate) => id ?? names[0] ?? "";

/** Who signed it; nothing where there is none yet. */
export function signer({ issuer }: Certificate): string {
  switch (issuer) {
    case null:
    case undefined:
      return "";
    case "own":
      return "given, not ordered";
    case "local":
      return "signed by this installation";
    default:
      return `signed by ${issuer}`;
  }
}

/** What the API says of it, as a sentence; a host at its beginning stays as it is written. */
export function told({ names, detail }: Certificate): string {
  const host = names.find((name) => detail.startsWith(name)) ?? "";
  const rest = detail.slice(host.length);
  return host ? host + sentence(rest) : sentence(rest);
}

/** Whether it is one that is ordered: nobody orders what was given, or what nothing asks for. */
export const orders = ({ issuer, state }: Certificate) => issuer !== "own" && state !== "unused";

/** Whether it can be removed: only what was given, for anything else would come back. */
export const removes = ({ issuer }: Certificate) => issuer === "own";

/** Whether a name of a certificate is for a host: a wildcard is for all that are right below it. */
function covers(name: string, host: string): boolean {
  if (name === host) return true;
  const below = host.indexOf(".");
  return name.startsWith("*.") && below > 0 && host.slice(below) === name.slice(1);
}

/** Whether an app has to do with it: it is the app's, or is for one of the app's hosts. */
export function concerns(certificate: Certificate, app: string, itsHosts: string[]): boolean {
  if (certificate.app === app) return true;
  return certificate.names.some((name) => itsHosts.some((host) => covers(name, host)));
}

/** What somebody should look at first. */
const URGENCY: CertificateState[] = ["failing", "expired", "waiting", "pending", "valid", "unused"];

/** Those that a part of a host or an app finds, the urgent ones first. */
export function arranged(all: Certificate[], part: string): Certificate[] {
  const wanted = part.trim().toLowerCase();
  const found = all.filter(({ names, app }) =>
    [...names, app ?? ""].some((text) => text.includes(wanted)),
  );
  return found.sort((one, other) => URGENCY.indexOf(one.state) - URGENCY.indexOf(other.state));
}

/** How many there are, and how many need somebody to look. */
export function summary(all: Certificate[]): string {
  const ill = all.filter(({ state }) => state === "failing" || state === "expired").length;
  if (ill === 0) return `${all.length} in all`;
  return `${all.length} in all, ${ill} failing or over`;
}
