import { describe, expect, it } from "vitest";
import { app, canary, deployment } from "../test/samples";
import {
  type AccessFilter,
  type AccessRequest,
  EVERYTHING,
  fits,
  requestOf,
  toneOf,
  versionsOf,
  wantsAll,
} from "./access";

const request: AccessRequest = {
  method: "GET",
  host: "shop.localhost",
  path: "/Prices",
  client: "203.0.113.7",
  sent: 1_204,
  took_us: 12_400,
  status: 200,
};
const { status: _, ...left } = request;

describe("a request", () => {
  it("is what has all that is shown of it", () => {
    expect(requestOf(request)).toBe(request);
    expect(requestOf(null)).toBeUndefined();
    expect(requestOf({ method: "GET", host: "shop.localhost" })).toBeUndefined();
  });

  it.each<[Partial<AccessRequest>, string]>([
    [{ status: 204 }, "good"],
    [{ status: 304 }, "idle"],
    [{ status: 404 }, "warn"],
    [{ status: 200, failed: "client" }, "warn"],
    [{ status: 502, failed: "app" }, "bad"],
  ])("%o is %s", (edits, tone) => expect(toneOf({ ...request, ...edits })).toBe(tone));

  it("is bad without an answer", () => expect(toneOf(left)).toBe("bad"));
});

describe("a filter", () => {
  const shown = (filter: Partial<AccessFilter>, edits: Partial<AccessRequest> = {}) =>
    fits({ ...request, ...edits }, { ...EVERYTHING, ...filter });

  it("takes everything, unless something is said", () => {
    expect(shown({})).toBe(true);
    expect(wantsAll({ ...EVERYTHING, place: " " })).toBe(true);
    expect(wantsAll({ ...EVERYTHING, status: "5" })).toBe(false);
    expect(wantsAll({ ...EVERYTHING, version: "id" })).toBe(false);
  });

  it("goes by a part of host and path, in letters of any size", () => {
    expect(shown({ place: " localhost/pri" })).toBe(true);
    expect(shown({ place: "/cart" })).toBe(false);
  });

  it("goes by the class of the status", () => {
    expect(shown({ status: "2" })).toBe(true);
    expect(shown({ status: "5" })).toBe(false);
    expect(shown({ status: "5" }, { status: 503 })).toBe(true);
    expect(shown({ status: "5", place: "/cart" }, { status: 503 })).toBe(false);
  });

  it("goes by the version that answered, where two of them do", () => {
    expect(shown({ version: "id" }, { deployment: "id" })).toBe(true);
    expect(shown({ version: "id" }, { deployment: "another" })).toBe(false);
    expect(shown({ version: "id" })).toBe(false);
    expect(versionsOf(app)).toEqual([]);
    const two = versionsOf({ ...app, rolling: canary.deployment });
    expect(two.slice(1)).toEqual([
      [deployment.id, "#2, which is live"],
      [canary.deployment.id, "#3, which is on its way"],
    ]);
  });

  it("finds what failed, and what has no answer", () => {
    expect(shown({ status: "failed" })).toBe(false);
    expect(shown({ status: "failed" }, { failed: "client" })).toBe(true);
    expect(fits(left, { ...EVERYTHING, status: "failed" })).toBe(true);
    expect(fits(left, { ...EVERYTHING, status: "2" })).toBe(false);
  });
});
