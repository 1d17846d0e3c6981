// @vitest-environment happy-dom

import { screen, waitFor, within } from "@testing-library/react";
import { describe, expect, it } from "vitest";
import type { Certificate, Domain } from "../api/types";
import { GONE, open } from "../test/pages";
import { failing, given, issued, pending, problem, proxied, verified } from "../test/samples";

const LIST = "GET /api/v1/apps/shop/domains";
const CERTIFICATES = "GET /api/v1/certificates";
const page = (items: Domain[], certificates: Certificate[] = []) =>
  open("/apps/shop/domains", {
    [LIST]: { items },
    [CERTIFICATES]: { items: certificates },
  });
const card = (host: string) => screen.findByRole("article", { name: host });

describe("an app's domains", () => {
  it("says what to do where there is none", async () => {
    await page([]);
    await screen.findByText("hythe domain add shop shop.example.com");
    expect(document.title).toBe("shop: domains · Hythe");
    const tabs = within(screen.getByRole("navigation", { name: "Pages of shop" }));
    expect(tabs.getByRole("link", { current: "page" }).textContent).toBe("Domains");
  });

  it("shows to the letter which records are missing, and what resolvers saw", async () => {
    const { user } = await page([pending]);
    const domain = within(await card("shop.example.com"));
    domain.getByText("pending");
    expect(domain.getByText(/^Wanted: a TXT record at _hythe/).textContent).toContain(
      "found: no TXT record (at 1.1.1.1:53",
    );
    domain.getByText(/leads elsewhere: A 198\.51\.100\.4/);
    const rows = within(domain.getByRole("table", { name: /Records to set/ })).getAllByRole("row");
    const texts = rows.slice(1).map((row) => row.textContent);
    expect(texts[0]).toContain("_hythe.shop.example.com");
    expect(texts[0]).toContain(pending.proof.value);
    expect(texts[0]).toContain("missing or wrong");
    expect(texts[1]).toMatch(/^CNAMEshop\.example\.com.*edge\.example\.net.*leads elsewhere/);
    expect(texts[2]).toContain("203.0.113.7");
    domain.getByText(/either the CNAME or the addresses/);
    expect(domain.getAllByText("no TXT record")).toHaveLength(3);

    await user.click(domain.getByRole("button", { name: "Copy the value of the TXT record" }));
    expect(await navigator.clipboard.readText()).toBe(pending.proof.value);
    await domain.findByText("Copied");
  });

  it("warns of a network in front, although the domain is proven", async () => {
    await page([proxied]);
    const domain = within(await card("old.example.com"));
    domain.getByText("verified");
    domain.getByText("Cloudflare stands in front");
    domain.getByText(/switch its proxy off for this host/);
    domain.getByText("behind Cloudflare");
  });

  it("says which CAA record is missing before an authority refuses", async () => {
    const why =
      'the CAA records at bücher.example permit no certificate of xn--bcher-kva.example by letsencrypt.org: 0 issue "pki.goog". Set one more there: CAA 0 issue "letsencrypt.org"';
    const record = {
      type: "CAA",
      name: "xn--bcher-kva.example",
      value: '0 issue "letsencrypt.org"',
    };
    const { check } = verified;
    if (!check) throw new Error("it was looked at");
    await page([{ ...verified, check: { ...check, caa: { detail: why, record } } }]);
    const domain = within(await card("bücher.example"));
    domain.getByText("Certificates are refused");
    domain.getByText(/permit no certificate/);
    const rows = within(domain.getByRole("table", { name: /Records to set/ })).getAllByRole("row");
    expect(rows.at(-1)?.textContent).toMatch(/^CAA.*0 issue "letsencrypt\.org".*missing/);
    expect(domain.queryByText("Its records")).toBeNull();
  });

  it("shows a proven one as people write it, with its records out of the way", async () => {
    await page([verified]);
    const domain = within(await card("bücher.example"));
    domain.getByText("redirects to shop.example.com");
    const records = domain.getByText("Its records").closest("details");
    expect(records?.open).toBe(false);
  });

  it("offers nothing that a wildcard cannot do", async () => {
    await page([{ ...proxied, host: "*.example.com" }]);
    const domain = within(await card("*.example.com"));
    domain.getByRole("button", { name: /^Check now/ });
    expect(domain.queryByRole("button", { name: /main one/ })).toBeNull();
  });

  it("adds one, with the mode that was chosen, and says so", async () => {
    const { user, writes, answer } = await page([]);
    const host = await screen.findByLabelText("Domain");
    answer("POST /api/v1/apps/shop/domains", pending);
    answer(LIST, { items: [pending] });
    await user.type(host, " shop.example.com ");
    await user.selectOptions(screen.getByLabelText("Its requests get"), "serve");
    await user.click(screen.getByRole("button", { name: "Add domain" }));
    await card("shop.example.com");
    await screen.findByText(/shop\.example\.com is added\. Set its records/);
    expect(writes()).toEqual([
      {
        method: "POST",
        path: "/api/v1/apps/shop/domains",
        body: { host: "shop.example.com", mode: "serve" },
      },
    ]);
  });

  it("says why one is refused, where it was asked for", async () => {
    const { user, answer } = await page([]);
    answer(
      "POST /api/v1/apps/shop/domains",
      problem(422, "It is not valid", "host: a name of one label is nobody's"),
    );
    await user.type(await screen.findByLabelText("Domain"), "shop{Enter}");
    const alert = await screen.findByText(/a name of one label/);
    expect(alert.closest("[role=alert]")).not.toBeNull();
    expect(alert.textContent).toBe("It is not valid. Host: a name of one label is nobody's.");
  });

  it("checks one now, and makes one the main one", async () => {
    const { user, writes, answer } = await page([proxied, verified]);
    const domain = within(await card("bücher.example"));
    const at = "/api/v1/apps/shop/domains/xn--bcher-kva.example";
    answer(`POST ${at}/check`, { ...verified, state: "failing", detail: "its record is gone" });
    await user.click(domain.getByRole("button", { name: /^Check now/ }));
    await domain.findByText("failing");
    await domain.findByText("Looked: xn--bcher-kva.example is failing.");
    const main = { ...verified, mode: "main", redirects_to: null };
    answer(`PATCH ${at}`, main);
    answer(LIST, { items: [proxied, main] });
    await user.click(domain.getByRole("button", { name: /^Make it the main one/ }));
    await domain.findByText("xn--bcher-kva.example: main.");
    // The button is gone.
    await waitFor(() => expect(document.activeElement?.textContent).toBe("bücher.example"));
    expect(writes().map(({ method, body }) => [method, body])).toEqual([
      ["POST", undefined],
      ["PATCH", { mode: "main" }],
    ]);
  });

  it("removes one when that is confirmed, and leaves the focus where it can be heard", async () => {
    const { user, writes, answer } = await page([pending]);
    const domain = within(await card("shop.example.com"));
    await user.click(domain.getByRole("button", { name: "Remove shop.example.com" }));
    const dialog = within(screen.getByRole("dialog", { name: "Remove shop.example.com?" }));
    expect(writes()).toEqual([]);
    answer("DELETE /api/v1/apps/shop/domains/shop.example.com", GONE);
    answer(LIST, { items: [] });
    await user.click(dialog.getByRole("button", { name: "Remove" }));
    await screen.findByText(/leads nowhere any more/);
    await waitFor(() => expect(screen.queryByRole("article")).toBeNull());
    await waitFor(() => expect(document.activeElement?.textContent).toBe("Domains"));
    expect(writes()).toHaveLength(1);
  });
});

describe("an app's certificates", () => {
  it("are those of its hosts, with why one is not to be had", async () => {
    await page([pending], [issued, failing, given]);
    const section = within(screen.getByRole("region", { name: "Certificates" }));
    const cards = await section.findAllByRole("article");
    expect(cards).toHaveLength(2);
    const bad = within(section.getByRole("article", { name: "old.example.com" }));
    bad.getByText("failing");
    bad.getByText("old.example.com leads elsewhere; set its CNAME to edge.example.net.");
    bad.getByText("in 30 min");
    section.getByRole("link", { name: /^All certificates/ });
  });

  it("say when there will be one", async () => {
    await page([pending], [given]);
    await screen.findByText(/One is ordered for a domain once that is proven/);
  });
});
