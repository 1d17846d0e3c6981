import { Activity } from "../activity/Activity";
import { AsItWas } from "../activity/AsItWas";
import { Changes } from "../activity/Changes";
import { useApp } from "../app/current";
import { Command, Heading } from "../parts/Small";

/** What happened in the whole installation. */
export function ActivityPage() {
  return (
    <div className="page">
      <div className="title">
        <Heading title="Activity">Activity</Heading>
        <p className="faint">everything that changed anything, and who made it so</p>
      </div>
      <Activity />
      <OnTheCommandLine command="hythe events -f" />
    </div>
  );
}

/** The same of one app. */
export function AppActivityPage() {
  const app = useApp();
  return (
    <>
      <Activity app={app} />
      <OnTheCommandLine command={`hythe events --app ${app.name} -f`} />
      <div className="changes">
        <Changes app={app} />
        <AsItWas app={app} />
      </div>
    </>
  );
}

function OnTheCommandLine({ command }: { command: string }) {
  return (
    <div className="faint">
      <p>The same as it happens, with more to choose by:</p>
      <Command text={command} />
    </div>
  );
}
