import { expect, it } from "vitest";
import type { DeploymentStatus } from "../api/types";
import { app, canary } from "../test/samples";
import { sharesOf, standing } from "./canary";

const rolling = (status: DeploymentStatus) => ({
  ...app,
  rolling: { ...canary.deployment, status },
});

it("takes its part once it has begun", () => {
  expect(standing(rolling("healthy"), canary)).toBe("takes");
  expect(sharesOf(canary)).toBe("takes 10% of the requests, #2 the others");
});

it("is ahead until it is healthy, and over once it is promoted", () => {
  const not = { ...canary, started: false };
  expect(standing(rolling("building"), not)).toBe("ahead");
  expect(standing(rolling("switching"), not)).toBeUndefined();
});

it("is nobody's that the app does not know of any more", () => {
  expect(standing(app, canary)).toBeUndefined();
  expect(standing(rolling("healthy"), null)).toBeUndefined();
  const another = { ...canary, deployment: { ...canary.deployment, id: "another" } };
  expect(standing(rolling("healthy"), another)).toBeUndefined();
});
