// @vitest-environment happy-dom

import { QueryClient, QueryClientProvider, useMutation } from "@tanstack/react-query";
import { cleanup, render, screen, waitFor, within } from "@testing-library/react";
import { userEvent } from "@testing-library/user-event";
import { afterEach, expect, it } from "vitest";
import { answered } from "../api/problem";
import { Asking } from "./Asking";

afterEach(cleanup);

function setUp(harmless = false) {
  let refuse = () => {};
  function Page() {
    const stop = useMutation({
      mutationFn: () =>
        new Promise<void>((_, reject) => {
          refuse = () => reject(answered(409, { title: "It does not fit", detail: "it is busy" }));
        }),
    });
    return (
      <Asking action="Stop" title="Stop shop?" does={stop} harmless={harmless}>
        <p>It ends.</p>
      </Asking>
    );
  }
  render(
    <QueryClientProvider client={new QueryClient()}>
      <Page />
    </QueryClientProvider>,
  );
  const dialog = () => within(screen.getByRole("dialog", { name: "Stop shop?" }));
  return { user: userEvent.setup(), dialog, refuse: () => refuse() };
}

it.each([
  [false, "danger"],
  [true, "primary"],
])("warns by its colour, but where nothing is lost (%s)", async (harmless, colour) => {
  const { user, dialog } = setUp(harmless);
  await user.click(screen.getByRole("button", { name: "Stop" }));
  expect(dialog().getByRole("button", { name: "Stop" }).className).toBe(colour);
  // Whatever it is, a hasty Enter does nothing.
  expect(document.activeElement).toBe(dialog().getByRole("button", { name: "Leave it" }));
});

it("says why it was refused where it was asked, and nothing of it once that is closed", async () => {
  const { user, dialog, refuse } = setUp();
  await user.click(screen.getByRole("button", { name: "Stop" }));
  await user.click(dialog().getByRole("button", { name: "Stop" }));
  refuse();
  await dialog().findByText(/It is busy\./);
  await user.click(dialog().getByRole("button", { name: "Leave it" }));
  await waitFor(() => expect(screen.queryByText(/It is busy\./)).toBeNull());
});

it("says it beside the button where nobody waited for the answer", async () => {
  const { user, dialog, refuse } = setUp();
  await user.click(screen.getByRole("button", { name: "Stop" }));
  await user.click(dialog().getByRole("button", { name: "Stop" }));
  await user.click(dialog().getByRole("button", { name: "Leave it" }));
  refuse();
  expect((await screen.findByText(/It is busy\./)).closest("[role=alert]")).not.toBeNull();
  expect(screen.queryByRole("dialog")).toBeNull();
  await user.click(screen.getByRole("button", { name: "Stop" }));
  await waitFor(() => expect(screen.queryByText(/It is busy\./)).toBeNull());
});
