// @vitest-environment happy-dom

import { screen, waitFor, within } from "@testing-library/react";
import { describe, expect, it } from "vitest";
import type { Certificate, CertificateSettings } from "../api/types";
import { GONE, open } from "../test/pages";
import { certificateSettings, failing, given, issued, problem } from "../test/samples";

const LIST = "GET /api/v1/certificates";
const SETTINGS = "GET /api/v1/certificates/settings";

const page = (items: Certificate[], settings: CertificateSettings = certificateSettings) =>
  open("/certificates", { [LIST]: { items }, [SETTINGS]: settings });
const card = (name: string) => screen.findByRole("article", { name });
const file = (text: string, name: string) => new File([text], name);

describe("certificates", () => {
  it("say who signed them, until when they are good, and when they are renewed", async () => {
    const { missing } = await page([issued, given]);
    expect(document.title).toBe("Certificates · Hythe");
    const one = within(await card("shop.example.com"));
    one.getByText("valid");
    one.getByText("signed by letsencrypt");
    one.getByText("in 80 days");
    one.getByText("in 50 days");
    one.getByText("proven by http-01");
    expect(one.getByRole("link", { name: "shop" }).getAttribute("href")).toBe("/apps/shop");
    screen.getByText("2 in all");
    expect(missing()).toEqual([]);
  });

  it("are found by a part of a host, the failing ones first", async () => {
    const { user } = await page([issued, given, failing]);
    const names = () =>
      screen.getAllByRole("article").map((one) => within(one).getByRole("heading").textContent);
    await card("old.example.com");
    expect(names()[0]).toBe("old.example.com");
    await user.type(screen.getByLabelText("Host or app contains"), "intra");
    expect(names()).toEqual(["intranet.example, *.intranet.example"]);
    await user.type(screen.getByLabelText("Host or app contains"), "!");
    screen.getByText("None of the 3 fits.");
  });

  it("say what to do where there are none, and where nobody agreed to any terms", async () => {
    await page([], { ...certificateSettings, agreed: [] });
    await screen.findByText(/None is there, and none is wanted/);
    await screen.findByText("hythe certificate settings --email ADDRESS --agree-tos");
    screen.getByText("letsencrypt (terms not agreed to)");
  });

  it("are ordered now, and say why they are not", async () => {
    const { user, writes, answer } = await page([failing, given]);
    const at = "POST /api/v1/certificates/old.example.com/renew";
    answer(at, problem(429, "Too much was asked for", "four orders an hour are the most"));
    const one = within(await card("old.example.com"));
    await user.click(one.getByRole("button", { name: "Order now old.example.com" }));
    await one.findByText(/Four orders an hour are the most\./);
    answer(at, failing);
    answer(LIST, { items: [{ ...failing, state: "pending", detail: "it is ordered" }, given] });
    await user.click(one.getByRole("button", { name: /^Order now/ }));
    await one.findByText("It is ordered; how that goes shows here.");
    await one.findByText("pending");
    const rests = one.getByRole("button", { name: /^Order now/ });
    expect(rests.getAttribute("aria-disabled")).toBe("true");
    expect(writes()).toHaveLength(2);
    const other = within(await card("intranet.example, *.intranet.example"));
    expect(other.queryByRole("button", { name: /^Renew/ })).toBeNull();
  });

  it("that were given are removed once that is confirmed", async () => {
    const { user, writes, answer } = await page([given]);
    const one = within(await card("intranet.example, *.intranet.example"));
    await user.click(one.getByRole("button", { name: /^Remove/ }));
    expect(writes()).toEqual([]);
    answer(`DELETE /api/v1/certificates/${given.id}`, GONE);
    answer(LIST, { items: [] });
    await user.click(within(screen.getByRole("dialog")).getByRole("button", { name: "Remove" }));
    await screen.findByText(/^The certificate for intranet\.example.* is gone\.$/);
    await waitFor(() => expect(screen.queryByRole("article")).toBeNull());
    await waitFor(() => expect(document.activeElement?.textContent).toBe("There, or wanted"));
    expect(writes()).toHaveLength(1);
  });

  it("are given as two files, of which nothing stays in the page", async () => {
    const { user, writes, answer } = await page([]);
    const send = await screen.findByRole("button", { name: "Give the certificate" });
    const chain = screen.getByLabelText<HTMLInputElement>("Certificate");
    const key = screen.getByLabelText<HTMLInputElement>("Private key");
    await user.upload(chain, file("the chain", "chain.pem"));
    expect(send.getAttribute("aria-disabled")).toBe("true");
    await user.upload(key, file("the key", "key.pem"));
    answer("POST /api/v1/certificates", problem(422, "It is not valid", "key: it does not fit"));
    await user.click(send);
    await screen.findByText(/it does not fit\./);
    answer("POST /api/v1/certificates", given);
    answer(LIST, { items: [given] });
    await user.click(send);
    await screen.findByText(/it is served from now on, and nobody renews it\.$/);
    expect(screen.getByLabelText<HTMLInputElement>("Private key").files).toHaveLength(0);
    expect(document.body.innerHTML).not.toContain("the key");
    expect(writes().map(({ body }) => body)).toEqual([
      { certificate: "the chain", key: "the key" },
      { certificate: "the chain", key: "the key" },
    ]);
  });

  it("are not sent where a file cannot be one", async () => {
    const { user, writes } = await page([]);
    const key = await screen.findByLabelText<HTMLInputElement>("Private key");
    await user.upload(screen.getByLabelText("Certificate"), file("chain", "chain.pem"));
    await user.upload(key, file("", "key.pem"));
    await screen.findByText("The file is empty: choose another one.");
    expect(key.getAttribute("aria-invalid")).toBe("true");
    await user.click(screen.getByRole("button", { name: "Give the certificate" }));
    expect(writes()).toEqual([]);
  });
});
