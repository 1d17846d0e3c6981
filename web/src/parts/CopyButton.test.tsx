// @vitest-environment happy-dom

import { cleanup, fireEvent, render, screen } from "@testing-library/react";
import { afterEach, expect, it, vi } from "vitest";
import { CopyButton } from "./CopyButton";

afterEach(() => {
  cleanup();
  vi.unstubAllGlobals();
});

it.each([
  ["Copied", () => Promise.resolve()],
  ["Not allowed here", () => Promise.reject(new DOMException("no", "NotAllowedError"))],
])("says %s", async (said, writeText) => {
  const written = vi.fn<(text: string) => Promise<void>>(writeText);
  vi.stubGlobal("navigator", { clipboard: { writeText: written } });
  render(<CopyButton text="hythe status" what="the command" />);
  fireEvent.click(screen.getByRole("button", { name: "Copy the command" }));
  await screen.findByText(said);
  expect(written).toHaveBeenCalledWith("hythe status");
});
