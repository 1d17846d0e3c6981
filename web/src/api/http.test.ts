// @vitest-environment happy-dom

import { afterEach, expect, it, vi } from "vitest";
import { client, idempotency, unwrap } from "./http";
import { NoAnswer, problemOf } from "./problem";

afterEach(() => vi.unstubAllGlobals());

function answer(body: string | null, init?: ResponseInit) {
  const fetch = vi.fn(async (_: Request) => new Response(body, init));
  vi.stubGlobal("fetch", fetch);
  return () => fetch.mock.calls[0]?.[0] as Request;
}

it("asks under the document's path, with what is named in it and what is asked for", async () => {
  const asked = answer('{"items":[]}');
  const path = { app: "a/b c" };
  await unwrap(client.GET("/api/v1/apps/{app}/diff", { params: { path, query: { from: "2 h" } } }));
  expect(new URL(asked().url).pathname).toBe("/api/v1/apps/a%2Fb%20c/diff");
  expect(new URL(asked().url).search).toBe("?from=2%20h");
  expect([asked().method, asked().headers.get("content-type")]).toEqual(["GET", null]);
});

it("sends a body as JSON, with its headers, and takes an answer without one", async () => {
  const asked = answer(null, { status: 204 });
  const params = { header: { "Idempotency-Key": "once" } };
  const said = await unwrap(client.POST("/api/v1/apps", { params, body: { name: "shop" } }));
  expect(said).toBeUndefined();
  expect(await asked().json()).toEqual({ name: "shop" });
  expect(asked().headers.get("content-type")).toBe("application/json");
  expect(asked().headers.get("idempotency-key")).toBe("once");
});

it.each([
  [502, "<html>Bad gateway</html>", "The server answered 502"],
  // A network that wants somebody to log in first answers for everybody.
  [200, "<html>Welcome to the hotel</html>", "The server answered 200"],
  [409, '{"title":"It does not fit","detail":"no"}', "It does not fit"],
])("an answer of %d, %s, is told as: %s", async (status, body, title) => {
  answer(body, { status });
  const error = await unwrap(client.GET("/api/v1/apps", {})).catch((error: unknown) => error);
  expect(problemOf(error)).toMatchObject({ title, status });
});

it("sends what takes effect once again where no answer comes, under the same key", async () => {
  const keys: (string | null)[] = [];
  const fetch = vi.fn(async (request: Request) => {
    keys.push(request.headers.get("idempotency-key"));
    if (keys.length < 3) throw new TypeError("Failed to fetch");
    return new Response(`"${await request.text()}"`.replaceAll('{"name":"shop"}', "done"));
  });
  vi.stubGlobal("fetch", fetch);
  vi.useFakeTimers();
  const params = { header: idempotency() };
  const said = unwrap(client.POST("/api/v1/apps", { params, body: { name: "shop" } }));
  await vi.advanceTimersByTimeAsync(2_000);
  vi.useRealTimers();
  expect(await said).toBe("done");
  expect(keys).toHaveLength(3);
  expect(new Set(keys).size).toBe(1);
});

it("asks only once for what has no such key", async () => {
  const fetch = vi.fn(() => Promise.reject(new TypeError("Failed to fetch")));
  vi.stubGlobal("fetch", fetch);
  await expect(unwrap(client.GET("/api/v1/apps", {}))).rejects.toThrow(NoAnswer);
  expect(fetch).toHaveBeenCalledTimes(1);
});

it("tells apart that nobody wants to know any more", async () => {
  const abort = new AbortController();
  vi.stubGlobal("fetch", (request: Request) => {
    abort.abort();
    return Promise.reject(request.signal.reason);
  });
  const { signal } = abort;
  await expect(unwrap(client.GET("/api/v1/apps", { signal }))).rejects.toThrow(DOMException);
});
