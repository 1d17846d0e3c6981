import { expect, it } from "vitest";
import { event } from "../test/samples";
import { began, by } from "./words";

it.each([
  ["owner", "owner"],
  ["system", "Hythe by itself"],
  ["worker/019eb2a4-5f00-7c11-9d3c-00000000000a", "a worker"],
  ["webhook/github/octocat", "octocat, by a webhook of github"],
  ["webhook/gitlab/Ada / Byron", "Ada / Byron, by a webhook of gitlab"],
  ["webhook", "webhook"],
  ["", ""],
])("%s is %s", (actor, text) => expect(by(actor)).toBe(text));

it("says what a chain begins with", () => {
  expect(began("request", event)).toBe("It began with a request of owner.");
  expect(began("request", undefined)).toBe("It began with a request of somebody.");
  expect(began("watch", event)).toBe("It began with what Hythe noticed by itself.");
});
