// What is known of a domain and its records, in few words, as the command line says it.

import type { Domain, DomainCheck, DomainLeads, DomainState } from "../api/types";
import { sentence } from "../format/text";
import type { MarkTone } from "../parts/Mark";

export interface Said {
  tone: MarkTone;
  text: string;
}

export const STATE: Record<DomainState, MarkTone> = {
  pending: "busy",
  verified: "good",
  failing: "warn",
  lost: "bad",
};

/** What its requests get. */
export function requests(domain: Domain): string {
  switch (domain.mode) {
    case "main":
      return "main";
    case "redirect":
      return domain.redirects_to
        ? `redirects to ${domain.redirects_to}`
        : "redirects, once a main domain is proven";
    case "serve":
      return "serves";
  }
}

const NOT_YET: Said = { tone: "idle", text: "not looked for yet" };

/** Whether the record that proves it is there. */
export function proof(check: DomainCheck | null | undefined): Said {
  switch (check?.verdict) {
    case undefined:
      return NOT_YET;
    case "proven":
      return { tone: "good", text: "there" };
    case "absent":
      return { tone: "bad", text: "missing or wrong" };
    case "divided":
      return { tone: "warn", text: "not everywhere yet" };
    case "unheard":
      return { tone: "idle", text: "could not be asked" };
  }
}

/** Whether the record that leads it here is there. */
export function leads(check: DomainCheck | null | undefined): Said {
  if (!check) return NOT_YET;
  const said: Record<DomainLeads, Said> = {
    here: { tone: "good", text: "leads here" },
    partly: { tone: "warn", text: "only partly" },
    elsewhere: { tone: "bad", text: "leads elsewhere" },
    proxied: { tone: "warn", text: `behind ${check.network ?? "a network"}` },
    nowhere: { tone: "bad", text: "missing" },
    divided: { tone: "warn", text: "not everywhere yet" },
    unheard: { tone: "idle", text: "could not be asked" },
    unsaid: { tone: "idle", text: "not known" },
  };
  return said[check.leads];
}

/** Whether nothing is left to be set: then the records need not be in sight. */
export function settled(domain: Domain): boolean {
  const { state, check } = domain;
  return state === "verified" && check?.leads === "here" && !check.caa;
}

/** What the check found besides what `detail` says already. */
export function besides(domain: Domain): string | undefined {
  const { check } = domain;
  if (!check || check.leads === "here" || check.leads === "proxied") return undefined;
  // Where nobody said where it is to lead, that is what there is to say.
  if (domain.target.length === 0) return undefined;
  return check.leads_detail === domain.detail ? undefined : check.leads_detail;
}

/** What the API says of a domain, as a sentence; a host at its beginning stays as it is written. */
export function told(domain: Domain, text: string): string {
  if (!text.startsWith(domain.host)) return sentence(text);
  return domain.host + sentence(text.slice(domain.host.length));
}
