import { useApp } from "../app/current";
import { Crons } from "../automation/Crons";
import { OfPreview } from "../automation/OfPreview";
import { Previews } from "../automation/Previews";
import { Runs } from "../automation/Runs";
import { TriggersSection } from "../automation/TriggersSection";
import { Webhooks } from "../automation/Webhooks";

/** What happens to an app, and in it, without anybody asking each time. */
export function AutomationPage() {
  const app = useApp();
  return (
    <div className="sections">
      {app.preview ? (
        <OfPreview preview={app.preview} />
      ) : (
        <>
          <Webhooks app={app} />
          <TriggersSection app={app} />
          <Previews app={app} />
        </>
      )}
      <Crons app={app} />
      <Runs app={app} />
    </div>
  );
}
