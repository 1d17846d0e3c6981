// @vitest-environment happy-dom

import { cleanup, render, screen } from "@testing-library/react";
import { userEvent } from "@testing-library/user-event";
import { afterEach, expect, it, vi } from "vitest";
import { Button } from "./Button";

afterEach(cleanup);

it("does nothing while it rests, and keeps the focus", async () => {
  const click = vi.fn();
  const user = userEvent.setup();
  const { rerender } = render(
    <Button rests={false} onClick={click}>
      Check
    </Button>,
  );
  await user.click(screen.getByRole("button"));
  rerender(
    <Button rests onClick={click}>
      Checking…
    </Button>,
  );
  await user.click(screen.getByRole("button"));
  expect(click).toHaveBeenCalledTimes(1);
  expect(document.activeElement).toBe(screen.getByRole("button", { name: "Checking…" }));
});

it("sends no form while it rests, not even by Enter in a field", async () => {
  const submit = vi.fn((event: { preventDefault: () => void }) => event.preventDefault());
  const user = userEvent.setup();
  const form = (rests: boolean) => (
    <form onSubmit={submit}>
      <input aria-label="Name" />
      <Button type="submit" rests={rests}>
        Save
      </Button>
    </form>
  );
  const { rerender } = render(form(true));
  await user.type(screen.getByLabelText("Name"), "a{Enter}");
  expect(submit).not.toHaveBeenCalled();
  rerender(form(false));
  await user.type(screen.getByLabelText("Name"), "{Enter}");
  expect(submit).toHaveBeenCalledTimes(1);
});
