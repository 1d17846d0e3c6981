// The pages of an app.

export const TABS = [
  { to: "/apps/$app", name: "Overview" },
  { to: "/apps/$app/logs", name: "Logs" },
  { to: "/apps/$app/domains", name: "Domains" },
  { to: "/apps/$app/traffic", name: "Traffic" },
  { to: "/apps/$app/automation", name: "Automation" },
  { to: "/apps/$app/activity", name: "Activity" },
  { to: "/apps/$app/settings", name: "Settings" },
] as const;

/** The title of the page at this address: the app's name, and which of its pages it is. */
export function title(app: string, path: string): string {
  const last = path.replace(/\/$/, "").split("/").slice(3).join("/");
  const tab = TABS.find(({ to }) => last !== "" && to.endsWith(`/${last}`));
  return tab ? `${app}: ${tab.name.toLowerCase()}` : app;
}
