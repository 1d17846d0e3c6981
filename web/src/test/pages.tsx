// Shows a page of the dashboard at its address, with answers in place of a server.

import { QueryClientProvider } from "@tanstack/react-query";
import { createMemoryHistory, RouterProvider } from "@tanstack/react-router";
import { act, cleanup, render, screen, waitFor } from "@testing-library/react";
import { userEvent } from "@testing-library/user-event";
import { afterEach, expect, vi } from "vitest";
import { newQueryClient } from "../api/first";
import type { Problem } from "../api/types";
import { type Live, LiveContext } from "../live/live";
import { newRouter } from "../router";
// Pages are loaded when they are wanted, and here they are to be there at once.
import "../app/AppLayout";
import "../app/NewApp";
import "../pages/ActivityPage";
import "../pages/AppsPage";
import "../pages/AutomationPage";
import "../pages/CertificatesPage";
import "../pages/DeploymentPage";
import "../pages/DomainsPage";
import "../pages/LogsPage";
import "../pages/OverviewPage";
import "../pages/ProjectsPage";
import "../pages/ServerPage";
import "../pages/SettingsPage";
import "../pages/SignInPage";
import "../pages/TrafficPage";
import { app, session } from "./samples";

/** What was asked of the server. */
export interface Asked {
  method: string;
  path: string;
  body: unknown;
}

/** An answer: what it says, or a problem, or what makes either of what was asked. */
type Answer = object | ((asked: Asked) => object);

/** No content: what a removal is answered with. */
export const GONE = {};

afterEach(() => {
  cleanup();
  vi.unstubAllGlobals();
});

/**
 * Opens the page at `path`. `answers` are by method and path, such as `GET /api/v1/apps/shop`; who is
 * signed in and the app `shop` are there without being named. What nobody answers is a failure. `live`:
 * the connection for events, where the page is to have one.
 */
export async function open(path: string, answers: Record<string, Answer> = {}, live?: Live) {
  const all: Record<string, Answer> = {
    "GET /api/v1/session": session,
    "GET /api/v1/apps/shop": app,
    ...answers,
  };
  const asked: Asked[] = [];
  const missing: string[] = [];
  vi.stubGlobal("fetch", async (request: Request) => {
    const url = new URL(request.url);
    const text = await request.text();
    const one = {
      method: request.method,
      path: url.pathname + url.search,
      body: text ? JSON.parse(text) : undefined,
    };
    asked.push(one);
    const name = `${one.method} ${one.path}`;
    const answer = all[name];
    if (!answer) {
      missing.push(name);
      return answered({ ...NOTHING, detail: name });
    }
    return answered(typeof answer === "function" ? answer(one) : answer);
  });
  const user = userEvent.setup();
  const router = newRouter(createMemoryHistory({ initialEntries: [path] }));
  const queries = newQueryClient();
  render(
    <QueryClientProvider client={queries}>
      <LiveContext value={live}>
        <RouterProvider router={router} />
      </LiveContext>
    </QueryClientProvider>,
  );
  await screen.findByRole("heading", { level: 1 });
  await waitFor(() => expect(document.querySelector(".skeleton")).toBeNull());
  return {
    user,
    router,
    /** What was asked for that changes something. */
    writes: () => asked.filter(({ method }) => method !== "GET"),
    /** Asks again for all that is shown, as after an event. */
    again: () => act(() => queries.invalidateQueries()),
    /** Questions that the test has no answer to. */
    missing: () => missing,
    /** Another answer from now on. */
    answer: (name: string, answer: Answer) => {
      all[name] = answer;
    },
  };
}

const NOTHING: Problem = {
  type: "/problems/not-found",
  title: "There is nothing here",
  status: 404,
  detail: "",
};

function answered(body: object): Response {
  if (body === GONE) return new Response(null, { status: 204 });
  const status =
    "status" in body && "title" in body && "detail" in body ? Number(body.status) : 200;
  const kind = status === 200 ? "application/json" : "application/problem+json";
  return new Response(JSON.stringify(body), { status, headers: { "content-type": kind } });
}
