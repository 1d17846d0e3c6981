import type { App } from "../api/types";
import { useServing } from "../deployment/useDeployment";
import { Section } from "../parts/Section";
import { Command } from "../parts/Small";
import { ProcessRow } from "./ProcessRow";
import { processes } from "./processes";

/** What runs of the app's image, and how many of each. */
export function Processes({ app }: { app: App }) {
  const all = processes(app);
  const serving = useServing(app);
  return (
    <Section title="Processes">
      {serving.data?.site ? (
        <p className="faint note">
          What is live is a static site: edges serve it, and nothing of it runs. This holds for a
          version that runs in replicas.
        </p>
      ) : null}
      <ul className="lines">
        {all.map((process) => (
          <ProcessRow key={process.name} app={app} process={process} />
        ))}
      </ul>
      {all.length === 1 ? (
        <>
          <p className="faint note">
            Only web, which has the traffic. A worker runs from the same image beside it, from the
            next deployment on:
          </p>
          <Command text={`hythe process set ${app.name} worker -- COMMAND`} />
        </>
      ) : null}
    </Section>
  );
}
