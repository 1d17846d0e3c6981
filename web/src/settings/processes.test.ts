import { expect, it } from "vitest";
import { app } from "../test/samples";
import { processes } from "./processes";

it("has web first, and what a process says nothing of as web has it", () => {
  const worker = { command: ["bin/worker"], replicas: 2, cpu_millis: 250 };
  const shop = {
    ...app,
    replicas_healthy: 1,
    replicas_wanted: 1,
    processes: [
      { name: "mail", replicas_healthy: 0, replicas_wanted: 0 },
      { name: "worker", replicas_healthy: 1, replicas_wanted: 2 },
    ],
    settings: { ...app.settings, process_types: { clock: { ...worker, replicas: 0 }, worker } },
  };
  expect(
    processes(shop).map(({ name, replicas, healthy, wanted }) => [name, replicas, healthy, wanted]),
  ).toEqual([
    ["web", 1, 1, 1],
    ["clock", 0, 0, 0],
    ["worker", 2, 1, 2],
    // Its repository names it, and nobody scaled it yet.
    ["mail", 0, 0, 0],
  ]);
  expect(processes(shop)[2]).toMatchObject({
    command: ["bin/worker"],
    memoryBytes: app.settings.memory_bytes,
    cpuMillis: 250,
  });
});
