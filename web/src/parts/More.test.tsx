// @vitest-environment happy-dom

import { cleanup, render, screen } from "@testing-library/react";
import { userEvent } from "@testing-library/user-event";
import { afterEach, expect, it, vi } from "vitest";
import { More } from "./Small";

afterEach(cleanup);

it("keeps the focus while more is loaded, and asks for it once", async () => {
  const user = userEvent.setup();
  const fetchNextPage = vi.fn();
  const query = (isFetchingNextPage: boolean) => ({
    hasNextPage: true,
    isFetchingNextPage,
    fetchNextPage,
  });
  const { rerender } = render(<More query={query(false)} />);
  await user.click(screen.getByRole("button", { name: "Show more" }));
  rerender(<More query={query(true)} />);
  const button = screen.getByRole("button", { name: "Loading…" });
  expect(document.activeElement).toBe(button);
  await user.click(button);
  expect(fetchNextPage).toHaveBeenCalledTimes(1);
});
