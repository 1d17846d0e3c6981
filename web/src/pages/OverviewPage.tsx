import { useApp } from "../app/current";
import { Deployments } from "../app/Deployments";
import { Replicas } from "../app/Replicas";
import { Source } from "../app/Source";

/** How an app is doing, and what it was. */
export function OverviewPage() {
  const app = useApp();
  return (
    <>
      <Deployments app={app} />
      <div className="two">
        <Source app={app} />
        <Replicas app={app} />
      </div>
    </>
  );
}
