// @vitest-environment happy-dom

import { screen } from "@testing-library/react";
import { describe, expect, it } from "vitest";
import type { Deployment } from "../api/types";
import { open } from "../test/pages";
import { deployment, site } from "../test/samples";

const AT = `/deployments/${deployment.id}`;
const page = (edits: Partial<Deployment>) =>
  open(AT, {
    [`GET /api/v1${AT}`]: { ...deployment, ...edits },
    [`GET /api/v1${AT}/logs?limit=5000`]: {
      items: [{ type: "note", text: "the image is built" }],
      more: false,
    },
  });
const fact = (name: string) => screen.queryByText(name, { selector: "dt" })?.nextSibling;

describe("a deployment", () => {
  it("has replicas and an image", async () => {
    await page({});
    expect(fact("Replicas")?.textContent).toBe("1");
    expect(fact("Static site")).toBeUndefined();
    expect(fact("Canary")).toBeUndefined();
  });

  it("that is a static site has files in their place", async () => {
    await page({ site, image: null });
    expect(fact("Static site")?.textContent).toBe("12 files, 1.5 MiB, as 5a01c44298");
    expect(fact("Replicas")).toBeUndefined();
  });

  it("that is a canary says its part, and where to go on", async () => {
    await page({ status: "healthy", settled: false, canary_percent: 10 });
    expect(fact("Canary")?.textContent).toMatch(/^takes 10% of the requests/);
    const link = screen.getByRole("link", { name: "promote it, or take it back" });
    expect(link.getAttribute("href")).toBe("/apps/shop");
  });
});
