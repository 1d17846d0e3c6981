import { expect, it } from "vitest";
import type { Route } from "../api/types";
import { app } from "../test/samples";
import { guests, isThere } from "./mounted";

const api = { id: "019eb2a4-5f00-7c11-9d3c-0000000000ab", name: "api" };
const route = (of: Route["app"], host: string, path?: string): Route => ({
  app: of,
  host,
  state: "serving",
  targets: [],
  ...(path ? { path } : {}),
});
const routes = [
  route(app, "shop.example"),
  route(app, "store.example", "/shop"),
  route(api, "api.localhost"),
  route(api, "shop.example", "/v2"),
  route(api, "shop.example", "/api"),
  route(api, "store.example", "/api"),
];

it("is there where the table says so, for the app itself", () => {
  expect(isThere(routes, app, "store.example/shop")).toBe(true);
  expect(isThere(routes, app, "store.example/api")).toBe(false);
  expect(isThere(routes, app, "shop.example")).toBe(false);
});

it("has others at its own hosts, and not at those where it is a guest itself", () => {
  expect(guests(routes, app)).toEqual([
    { at: "shop.example/api", app: "api" },
    { at: "shop.example/v2", app: "api" },
  ]);
});
