import { describe, expect, it } from "vitest";
import {
  advice,
  answered,
  isUnauthorized,
  mayPass,
  NoAnswer,
  ProblemError,
  problemOf,
} from "./problem";

describe("problems", () => {
  it("takes the server's word", () => {
    const error = answered(409, {
      type: "/problems/conflict",
      title: "It does not fit the present state",
      status: 409,
      detail: "the deployment is over",
    });
    expect(error.problem.detail).toBe("the deployment is over");
    expect(mayPass(error)).toBe(false);
  });

  it("says so when something else answers", () => {
    for (const body of [undefined, "<html>", {}, { title: 1, detail: 2 }]) {
      const { problem } = answered(502, body);
      expect(problem).toMatchObject({ status: 502, title: "The server answered 502" });
      expect(mayPass(new ProblemError(problem))).toBe(true);
    }
  });

  it("tells a server that does not answer from a mistake of the page", () => {
    expect(problemOf(new NoAnswer(undefined)).title).toBe("Hythe does not answer");
    const mistake = new TypeError("Cannot read properties of undefined (reading 'map')");
    expect(problemOf(mistake).title).toBe("This page made a mistake");
    expect(problemOf("odd")).toMatchObject({ title: "This page made a mistake", detail: "odd" });
  });

  it("says what to do, also where nothing is done again by itself", () => {
    const away = problemOf(new NoAnswer(undefined));
    expect(advice(away)).toContain("asked again by itself");
    expect(advice(away, true)).toContain("Whether it was done is not known");
    expect(advice(problemOf(new RangeError("odd")), true)).toContain("Load the page again.");
    expect(mayPass(new RangeError("odd"))).toBe(false);
    expect(advice({ ...away, status: 429, retry_after: 7 })).toBe("Try again in 7 s.");
  });

  it("knows who must sign in", () => {
    expect(isUnauthorized(answered(401, undefined))).toBe(true);
    expect(isUnauthorized(answered(403, undefined))).toBe(false);
    expect(isUnauthorized(new TypeError("x"))).toBe(false);
  });
});
