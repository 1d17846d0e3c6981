import { describe, expect, it } from "vitest";
import type { DomainLeads, DomainVerdict } from "../api/types";
import { pending, proxied, verified } from "../test/samples";
import { besides, leads, proof, requests, settled, told } from "./words";

const check = proxied.check;
if (!check) throw new Error("the sample was looked for");

describe("a domain in words", () => {
  it("says what its requests get", () => {
    expect(requests(pending)).toBe("main");
    expect(requests(verified)).toBe("redirects to shop.example.com");
    expect(requests({ ...verified, redirects_to: null })).toContain("once a main domain is proven");
    expect(requests(proxied)).toBe("serves");
  });

  it.each<[DomainVerdict, string]>([
    ["proven", "good"],
    ["absent", "bad"],
    ["divided", "warn"],
    ["unheard", "idle"],
  ])("marks a record that is %s", (verdict, tone) => {
    expect(proof({ ...check, verdict }).tone).toBe(tone);
  });

  it.each<[DomainLeads, string]>([
    ["here", "leads here"],
    ["partly", "only partly"],
    ["elsewhere", "leads elsewhere"],
    ["proxied", "behind Cloudflare"],
    ["nowhere", "missing"],
    ["divided", "not everywhere yet"],
    ["unheard", "could not be asked"],
    ["unsaid", "not known"],
  ])("says of one that leads %s: %s", (to, text) => {
    expect(leads({ ...check, leads: to }).text).toBe(text);
  });

  it("knows what was not looked for yet", () => {
    expect([proof(null).text, leads(undefined).text]).toEqual([
      "not looked for yet",
      "not looked for yet",
    ]);
  });

  it("keeps records in sight until nothing is left to do", () => {
    expect([pending, proxied, verified].map(settled)).toEqual([false, false, true]);
  });

  it("says no thing twice", () => {
    expect(besides(pending)).toContain("leads elsewhere");
    expect(besides(verified)).toBeUndefined();
    expect(besides({ ...pending, target: [] })).toBeUndefined();
    const same = { ...pending, detail: pending.check?.leads_detail ?? "" };
    expect(besides(same)).toBeUndefined();
  });

  it("leaves hosts as they are written", () => {
    expect(told(pending, "shop.example.com leads nowhere")).toBe("shop.example.com leads nowhere.");
    expect(told(pending, "its record is gone")).toBe("Its record is gone.");
  });
});
