// Requests, as edges tell of them, and which of them somebody wants to see.

import type { App } from "../api/types";
import { span } from "../format/span";
import { bytes } from "../format/text";
import type { MarkTone } from "../parts/Mark";

/** What the API's document calls `request` of an item of type `access`. */
export interface AccessRequest {
  method: string;
  host: string;
  path: string;
  client: string;
  /** Bytes of the answer's body. */
  sent: number;
  took_us: number;
  /** Not there where the client left before the answer. */
  status?: number;
  /** Who failed, where anybody did. */
  failed?: string;
  /** The version that answered, where one did. */
  deployment?: string;
}

/** A request; nothing where the text is none. */
export function requestOf(told: unknown): AccessRequest | undefined {
  if (typeof told !== "object" || told === null) return undefined;
  const whole = "method" in told && "host" in told && "path" in told && "client" in told;
  const counts = "sent" in told && "took_us" in told;
  return whole && counts ? (told as AccessRequest) : undefined;
}

export const statusOf = ({ status }: AccessRequest) => (status === undefined ? "–" : `${status}`);

export const placeOf = ({ host, path }: AccessRequest) => host + path;

/** How it went, in few words. */
export const failureOf = ({ failed }: AccessRequest) => (failed ? `failed: ${failed}` : "");

export const tookOf = ({ took_us }: AccessRequest) => span(took_us / 1000);

export const sentOf = ({ sent }: AccessRequest) => bytes(sent);

export function toneOf({ status, failed }: AccessRequest): MarkTone {
  if (status === undefined || status >= 500) return "bad";
  if (failed || status >= 400) return "warn";
  return status >= 300 ? "idle" : "good";
}

/** Characters of what comes after the columns. */
export function width(request: AccessRequest): number {
  const { length } = `${placeOf(request)}  ${failureOf(request)}  ${request.client}`;
  return length;
}

export const STATUS = [
  ["all", "Whatever the status"],
  ["2", "2xx: answered"],
  ["3", "3xx: sent on, or not changed"],
  ["4", "4xx: refused, or not there"],
  ["5", "5xx: errors"],
  ["failed", "Failed, whoever it was"],
] as const;

export interface AccessFilter {
  status: (typeof STATUS)[number][0];
  /** A part of host and path. */
  place: string;
  /** The id of the version that answered; empty for whichever. */
  version: string;
}

export const EVERYTHING: AccessFilter = { status: "all", place: "", version: "" };

export const wantsAll = ({ status, place, version }: AccessFilter) =>
  status === "all" && !place.trim() && !version;

/** The versions that have requests, where there are two of them. */
export function versionsOf({ live, rolling }: App): [string, string][] {
  if (!live || !rolling) return [];
  return [
    ["", "Whichever"],
    [live.id, `#${live.number}, which is live`],
    [rolling.id, `#${rolling.number}, which is on its way`],
  ];
}

export function fits(request: AccessRequest, { status, place, version }: AccessFilter): boolean {
  if (version && request.deployment !== version) return false;
  const part = place.trim().toLowerCase();
  if (part && !placeOf(request).toLowerCase().includes(part)) return false;
  if (status === "all") return true;
  // A client that left before the answer has no status.
  if (status === "failed") return request.failed !== undefined || request.status === undefined;
  return statusOf(request).startsWith(status);
}
