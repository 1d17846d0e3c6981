// @vitest-environment happy-dom

import { screen, waitFor, within } from "@testing-library/react";
import { describe, expect, it } from "vitest";
import type { EdgeSettings } from "../api/types";
import { type Asked, open } from "../test/pages";
import { edgeSettings, problem } from "../test/samples";

const AT = "/api/v1/apps/shop/edge";

/** The page, with a server that does what it is asked to. */
async function page(given: Partial<EdgeSettings> = {}) {
  let now: EdgeSettings = { ...edgeSettings, ...given };
  const update = ({ body }: Asked) => {
    const { users, ...rest } = body as { users?: Record<string, string | null> };
    const kept = now.users.filter((user) => users?.[user] !== null);
    const added = Object.keys(users ?? {}).filter((user) => users?.[user] !== null);
    now = { ...now, ...rest, users: [...new Set([...kept, ...added])] };
    return now;
  };
  const opened = await open("/apps/shop/traffic", {
    [`GET ${AT}`]: () => now,
    [`PATCH ${AT}`]: update,
  });
  await screen.findByRole("heading", { name: "Maintenance" });
  return { ...opened, sent: () => opened.writes().map(({ body }) => body) };
}

const region = (name: string) => within(screen.getByRole("region", { name }));

describe("how an app is served", () => {
  it("shows the maintenance page after asking, and ends it", async () => {
    const { user, sent } = await page();
    await user.click(screen.getByRole("button", { name: "Show the maintenance page" }));
    const dialog = within(screen.getByRole("dialog"));
    await user.click(dialog.getByRole("button", { name: "Show the maintenance page" }));
    await screen.findByText("Everybody gets the maintenance page");
    await waitFor(() => expect(document.activeElement?.textContent).toBe("Maintenance"));
    await user.click(screen.getByRole("button", { name: "End the maintenance" }));
    await screen.findByText("shop answers again.");
    expect(sent()).toEqual([{ maintenance: true }, { maintenance: false }]);
  });

  it("sends what was changed, and nothing else", async () => {
    const { user, sent } = await page({ body_bytes: 1_048_576 });
    const form = region("Limits and answers");
    const save = form.getByRole("button", { name: "Save" });
    expect(save.getAttribute("aria-disabled")).toBe("true");
    await user.type(form.getByLabelText("Requests a second"), "20");
    await user.clear(form.getByLabelText("Largest request body"));
    await user.click(form.getByLabelText("Sticky"));
    await user.selectOptions(form.getByLabelText("Hosts that differ by www. only"), "remove");
    await user.click(save);
    await form.findByText("Saved; it holds at once.");
    expect(sent()).toEqual([
      { sticky: true, www: "remove", rate: { per_second: 20, burst: 40 }, body_bytes: null },
    ]);
    expect(form.getByLabelText<HTMLInputElement>("Requests at once").value).toBe("40");
  });

  it("says at the field what it takes, and sends nothing", async () => {
    const { user, sent } = await page();
    const form = region("Limits and answers");
    const wait = form.getByLabelText("Wait for a start");
    await user.clear(wait);
    await user.type(wait, "an hour");
    await user.click(form.getByRole("button", { name: "Save" }));
    expect(wait.getAttribute("aria-invalid")).toBe("true");
    const described = wait.getAttribute("aria-describedby")?.split(" ") ?? [];
    const texts = described.map((id) => document.getElementById(id)?.textContent);
    expect(texts).toContain("Seconds, 0 to 300.");
    await user.click(form.getByRole("button", { name: "Forget the changes" }));
    expect(form.getByLabelText<HTMLInputElement>("Wait for a start").value).toBe("0");
    expect(sent()).toEqual([]);
  });

  it("says why the server does not take it", async () => {
    const { user, answer } = await page();
    const form = region("From where");
    answer(`PATCH ${AT}`, problem(422, "It is not valid", "allow[0]: not a network"));
    await user.type(form.getByLabelText("Addresses and ranges"), "everywhere");
    await user.click(form.getByRole("button", { name: "Save" }));
    await form.findByText(/not a network/);
    expect(form.getByLabelText<HTMLTextAreaElement>("Addresses and ranges").value).toBe(
      "everywhere",
    );
  });

  it("takes addresses and for what they hold", async () => {
    const { user, sent } = await page({ allow: ["10.0.0.0/8"] });
    const form = region("From where");
    await user.type(form.getByLabelText("Addresses and ranges"), "{End}{Enter}203.0.113.7");
    await user.selectOptions(form.getByLabelText("Users and addresses hold for"), "previews");
    await user.click(form.getByRole("button", { name: "Save" }));
    await form.findByText("Saved; it holds at once.");
    expect(sent()).toEqual([{ allow: ["10.0.0.0/8", "203.0.113.7"], guards: "previews" }]);
  });

  it("adds a user, keeps no password in the page, and takes the last one away", async () => {
    const { user, sent } = await page();
    const users = region("Who may see it");
    await user.type(users.getByLabelText("User"), "ada");
    await user.type(users.getByLabelText("Password"), "a long password");
    await user.click(users.getByRole("button", { name: /^Add user/ }));
    await users.findByText("ada has a password now.");
    expect(users.getByLabelText<HTMLInputElement>("Password").value).toBe("");
    await user.click(users.getByRole("button", { name: "Remove ada" }));
    const dialog = within(screen.getByRole("dialog", { name: "Take ada away?" }));
    dialog.getByText(/nobody is asked for a password any more/);
    await user.click(dialog.getByRole("button", { name: "Remove" }));
    await users.findByText("ada is taken away.");
    await waitFor(() => expect(document.activeElement?.textContent).toBe("Who may see it"));
    expect(sent()).toEqual([{ users: { ada: "a long password" } }, { users: { ada: null } }]);
  });
});
