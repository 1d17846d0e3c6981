import { describe, expect, it } from "vitest";
import type { Certificate } from "../api/types";
import { failing, given, issued } from "../test/samples";
import { arranged, concerns, orders, removes, signer, summary, told, which } from "./words";

const wildcard: Certificate = { ...issued, app: null, names: ["*.example.com"] };

describe("a certificate", () => {
  it("is of the app that it is for, and of whose hosts it names", () => {
    expect(concerns(issued, "shop", [])).toBe(true);
    expect(concerns(issued, "store", ["store.example.com"])).toBe(false);
    expect(concerns(issued, "store", ["shop.example.com"])).toBe(true);
  });

  it("with a wildcard is for the hosts right below it", () => {
    const for_ = (host: string) => concerns(wildcard, "shop", [host]);
    expect(["a.example.com", "*.example.com"].map(for_)).toEqual([true, true]);
    const others = ["example.com", "a.b.example.com", "a.example.org", "com"];
    expect(others.map(for_)).toEqual([false, false, false, false]);
  });

  it("is ordered unless it was given, or nothing asks for it", () => {
    expect([issued, failing, given].map(orders)).toEqual([true, true, false]);
    expect(orders({ ...issued, state: "unused" })).toBe(false);
    expect([issued, failing, given].map(removes)).toEqual([false, false, true]);
  });

  it("is asked for by its id, and by its host before it has one", () => {
    expect(which(issued)).toBe(issued.id);
    expect(which(failing)).toBe("old.example.com");
  });

  it("says who signed it", () => {
    expect(signer(issued)).toBe("signed by letsencrypt");
    expect(signer(given)).toBe("given, not ordered");
    expect(signer({ ...issued, issuer: "local" })).toBe("signed by this installation");
    expect(signer(failing)).toBe("");
  });

  it("leaves a host as it is written", () => {
    expect(told(issued)).toBe("It is served.");
    expect(told(failing)).toBe(
      "old.example.com leads elsewhere; set its CNAME to edge.example.net.",
    );
  });
});

describe("all of them", () => {
  it("begin with those that need somebody", () => {
    const all = arranged([issued, given, failing, { ...issued, state: "expired" }], "");
    expect(all.map(({ state }) => state)).toEqual(["failing", "expired", "valid", "valid"]);
    expect(summary(all)).toBe("4 in all, 2 failing or over");
    expect(summary([issued])).toBe("1 in all");
  });

  it("are found by host and by app", () => {
    expect(arranged([issued, given, failing], " Old.")).toEqual([failing]);
    expect(arranged([issued, wildcard], "shop")).toEqual([issued]);
  });
});
