// What an app runs: web, which has the traffic, and what runs besides.

import type { App } from "../api/types";

export interface Process {
  name: string;
  /** How many were asked for. */
  replicas: number;
  healthy: number;
  /** How many of the live version there should be. */
  wanted: number;
  command: string[] | undefined;
  memoryBytes: number;
  cpuMillis: number;
}

/** As set, and what only the live version has: its repository names it, or it runs until the next deployment. */
export function processes(app: App): Process[] {
  const { settings } = app;
  const running = new Map(app.processes.map((process) => [process.name, process]));
  const web: Process = {
    name: "web",
    replicas: settings.replicas,
    healthy: app.replicas_healthy,
    wanted: app.replicas_wanted,
    command: settings.command ?? undefined,
    memoryBytes: settings.memory_bytes,
    cpuMillis: settings.cpu_millis,
  };
  const others = Object.entries(settings.process_types).map(([name, type]) => ({
    name,
    replicas: type.replicas,
    healthy: running.get(name)?.replicas_healthy ?? 0,
    wanted: running.get(name)?.replicas_wanted ?? 0,
    command: type.command,
    memoryBytes: type.memory_bytes ?? settings.memory_bytes,
    cpuMillis: type.cpu_millis ?? settings.cpu_millis,
  }));
  const ofVersion = app.processes
    .filter(({ name }) => !(name in settings.process_types))
    .map(({ name, replicas_healthy, replicas_wanted }) => ({
      name,
      replicas: replicas_wanted,
      healthy: replicas_healthy,
      wanted: replicas_wanted,
      command: undefined,
      memoryBytes: settings.memory_bytes,
      cpuMillis: settings.cpu_millis,
    }));
  return [web, ...others, ...ofVersion];
}
