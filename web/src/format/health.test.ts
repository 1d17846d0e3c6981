import { expect, test } from "vitest";
import type { AppSettings } from "../api/types";
import { check } from "./health";

test("each kind of check is a line", () => {
  const line = (health: AppSettings["health"], more: Partial<AppSettings> = {}) =>
    check({ health, ...more } as AppSettings);
  expect(line(null)).toContain("HEALTHCHECK, or else any answer below 500");
  expect(line({ type: "http", path: "/up", statuses: "204" }, { health_interval_ms: 10_000 })).toBe(
    "GET /up, 204, every 10.0 s",
  );
  expect(line({ type: "http", path: "/up" })).toBe("GET /up, 200-399");
  expect(line({ type: "tcp" }, { health_start_within_ms: 900 })).toBe(
    "a connection to the port, healthy within 900 ms",
  );
  expect(line({ type: "command", command: ["pg_isready", "-q"] })).toBe("pg_isready -q");
  expect(line({ type: "image" })).toBe("the image's HEALTHCHECK");
  expect(line({ type: "none" })).toContain("whatever runs");
});
