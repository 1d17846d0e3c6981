import { useApp } from "../app/current";
import { DeleteApp } from "../settings/DeleteApp";
import { Environment } from "../settings/Environment";
import { HowItRuns } from "../settings/HowItRuns";
import { Processes } from "../settings/Processes";
import { Volumes } from "../settings/Volumes";

/** What people set of an app, but for how it is served. */
export function SettingsPage() {
  const app = useApp();
  return (
    <div className="sections">
      <Processes app={app} />
      <Environment app={app} />
      <Volumes app={app} />
      <HowItRuns app={app} />
      <DeleteApp app={app} />
    </div>
  );
}
