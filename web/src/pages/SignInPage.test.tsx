// @vitest-environment happy-dom

import { screen } from "@testing-library/react";
import { expect, it } from "vitest";
import { open } from "../test/pages";
import { problem, session } from "../test/samples";

const page = () =>
  open("/", {
    "GET /api/v1/session": problem(401, "Not signed in", "sign in first"),
    "GET /api/v1/apps?limit=100": { items: [] },
    "GET /api/v1/deleted-apps": { items: [] },
  });

it("a token is refused with the reason, and the focus stays where it was", async () => {
  const { user, answer } = await page();
  const field = screen.getByLabelText("Owner token");
  expect(document.activeElement).toBe(field);
  const button = screen.getByRole("button", { name: "Sign in" });
  // Nothing to send yet, and it can be reached all the same.
  expect(button.getAttribute("aria-disabled")).toBe("true");
  answer("POST /api/v1/session", problem(401, "Not signed in", "this is not the owner's token"));
  await user.type(field, "wrong");
  await user.click(button);
  const alert = await screen.findByText(/This is not the owner's token\./);
  expect(alert.textContent).toMatch(/^Not the right token\./);
  expect(field.getAttribute("aria-invalid")).toBe("true");
  expect(document.activeElement).toBe(button);
});

it("too many attempts are told with when to go on, and the right token signs in", async () => {
  const { user, answer } = await page();
  const field = screen.getByLabelText("Owner token");
  const busy = { ...problem(429, "Too many requests", "slow down"), retry_after: 9 };
  answer("POST /api/v1/session", busy);
  await user.type(field, "right{Enter}");
  await screen.findByText(/Slow down\. Try again in 9 s\./);
  answer("POST /api/v1/session", session);
  await user.keyboard("{Enter}");
  await screen.findByRole("heading", { name: "Apps", level: 1 });
});
