import { useQuery } from "@tanstack/react-query";
import { statusQuery } from "../api/queries";
import { usePolling } from "../live/live";
import { Answered } from "../parts/Notice";
import { Command, Heading } from "../parts/Small";
import { AccessOfBuilds } from "../server/AccessOfBuilds";
import { Backups } from "../server/Backups";
import { GitHubApps } from "../server/GitHubApps";
import { Housekeeping } from "../server/Housekeeping";
import { HowItIs } from "../server/HowItIs";
import { Workers } from "../server/Workers";

/** How the installation itself is: what it needs, its backups, the machines that it has. */
export function ServerPage() {
  // Room, lag and who is heard of are seen, not events.
  const status = useQuery({ ...statusQuery, refetchInterval: usePolling() });
  return (
    <div className="page">
      <div className="title">
        <Heading title="Server">Server</Heading>
      </div>
      <div className="sections">
        <Answered answer={status} what="how the server is doing">
          {(now) => (
            <>
              <HowItIs status={now} />
              <Backups backup={now.backup} />
            </>
          )}
        </Answered>
        <Workers />
        <Housekeeping />
        <AccessOfBuilds />
        <GitHubApps />
        <div className="faint">
          <p>The same on the command line, which fails where something is broken:</p>
          <Command text="hythe status" />
        </div>
      </div>
    </div>
  );
}
