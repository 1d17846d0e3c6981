// Of domains and certificates.

import type { Certificate, CertificateSettings, Domain } from "../../api/types";
import { LATER, THEN } from "./apps";

const TOKEN = "5f0c".repeat(16);

const wanted = `wanted: a TXT record at _hythe.shop.example.com that says "${TOKEN}"`;

/** Just added, and looked for once: nothing is set yet. */
export const pending: Domain = {
  host: "shop.example.com",
  mode: "main",
  redirects_to: null,
  state: "pending",
  detail: `${wanted}; found: no TXT record (at 1.1.1.1:53, 8.8.8.8:53, 9.9.9.9:53)`,
  added_at: THEN,
  verified_at: null,
  failing_since: null,
  trusted_until: null,
  proof: { type: "TXT", name: "_hythe.shop.example.com", value: TOKEN },
  target: [
    { type: "CNAME", name: "shop.example.com", value: "edge.example.net" },
    { type: "A", name: "shop.example.com", value: "203.0.113.7" },
  ],
  check: {
    at: LATER,
    verdict: "absent",
    detail: `${wanted}; found: no TXT record (at 1.1.1.1:53, 8.8.8.8:53, 9.9.9.9:53)`,
    leads: "elsewhere",
    leads_detail:
      "shop.example.com leads elsewhere: A 198.51.100.4 (at 1.1.1.1:53); wanted: CNAME edge.example.net or A 203.0.113.7",
    resolvers: ["1.1.1.1:53", "8.8.8.8:53", "9.9.9.9:53"].map((resolver) => ({
      resolver,
      proof: "no TXT record",
      leads: "A 198.51.100.4",
    })),
  },
};

/** Proven, and nothing left to do. */
export const verified: Domain = {
  ...pending,
  host: "xn--bcher-kva.example",
  unicode: "bücher.example",
  mode: "redirect",
  redirects_to: "shop.example.com",
  state: "verified",
  detail: "xn--bcher-kva.example leads here: A 203.0.113.7 (at 1.1.1.1:53)",
  verified_at: LATER,
  proof: { type: "TXT", name: "_hythe.xn--bcher-kva.example", value: "77aa".repeat(16) },
  target: [{ type: "A", name: "xn--bcher-kva.example", value: "203.0.113.7" }],
  check: {
    at: LATER,
    verdict: "proven",
    detail: "the TXT record at _hythe.xn--bcher-kva.example is there (at 1.1.1.1:53)",
    leads: "here",
    leads_detail: "xn--bcher-kva.example leads here: A 203.0.113.7 (at 1.1.1.1:53)",
    resolvers: [
      { resolver: "1.1.1.1:53", proof: `TXT "${"77aa".repeat(16)}"`, leads: "A 203.0.113.7" },
    ],
  },
};

const inFront =
  'old.example.com leads to Cloudflare, which stands in front (A 104.16.1.1 (at 1.1.1.1:53)). Certificates that are proven by HTTP-01 or TLS-ALPN-01 can fail behind it: switch its proxy off for this host ("DNS only"), or have Cloudflare show its own certificate; wanted without it: CNAME edge.example.net';

/** Proven, and behind a content delivery network. */
export const proxied: Domain = {
  ...pending,
  host: "old.example.com",
  mode: "serve",
  state: "verified",
  detail: inFront,
  verified_at: LATER,
  proof: { type: "TXT", name: "_hythe.old.example.com", value: "09ef".repeat(16) },
  target: [{ type: "CNAME", name: "old.example.com", value: "edge.example.net" }],
  check: {
    at: LATER,
    verdict: "proven",
    detail: "the TXT record at _hythe.old.example.com is there (at 1.1.1.1:53)",
    leads: "proxied",
    network: "Cloudflare",
    leads_detail: inFront,
    resolvers: [
      { resolver: "1.1.1.1:53", proof: `TXT "${"09ef".repeat(16)}"`, leads: "A 104.16.1.1" },
    ],
  },
};

export const issued: Certificate = {
  id: "019eb2a4-5f00-7c11-9d3c-0000000000f1",
  names: ["shop.example.com"],
  app: "shop",
  state: "valid",
  detail: "it is served",
  issuer: "letsencrypt",
  challenge: "http-01",
  serial: "04a1b2",
  not_before: THEN,
  not_after: new Date(Date.now() + 80 * 86_400_000 + 60_000).toISOString(),
  renew_at: new Date(Date.now() + 50 * 86_400_000 + 60_000).toISOString(),
};

/** One that was not to be had so far. */
export const failing: Certificate = {
  names: ["old.example.com"],
  app: "shop",
  state: "failing",
  detail: "old.example.com leads elsewhere; set its CNAME to edge.example.net",
  next_attempt: new Date(Date.now() + 30 * 60_000 + 30_000).toISOString(),
};

/** One that somebody brought, for several hosts. */
export const given: Certificate = {
  ...issued,
  id: "019eb2a4-5f00-7c11-9d3c-0000000000f2",
  names: ["intranet.example", "*.intranet.example"],
  app: null,
  detail: "it is served, and nobody renews it",
  issuer: "own",
  challenge: null,
  renew_at: null,
};

export const certificateSettings: CertificateSettings = {
  cas: ["letsencrypt"],
  agreed: ["letsencrypt"],
  challenges: ["http-01", "tls-alpn-01"],
  email: "ops@example.com",
  external: [],
  local: false,
};
