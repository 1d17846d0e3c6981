import type { App } from "../api/types";
import { Section } from "../parts/Section";
import { Command } from "../parts/Small";

/** Where the app keeps what outlives its replicas. */
export function Volumes({ app }: { app: App }) {
  const volumes = Object.entries(app.settings.volumes ?? {});
  return (
    <Section title="Volumes">
      {volumes.length === 0 ? (
        <>
          <p className="faint note">
            None: what its replicas write goes with them. To give it one, from the next deployment
            on:
          </p>
          <Command text={`hythe app set ${app.name} --volume data:/var/lib/${app.name}`} />
        </>
      ) : (
        <>
          <table className="rows">
            <thead>
              <tr>
                <th scope="col">Folder in its replicas</th>
                <th scope="col">Volume</th>
                <th scope="col">The app</th>
              </tr>
            </thead>
            <tbody>
              {volumes.map(([folder, { volume, read_only }]) => (
                <tr key={folder}>
                  <th scope="row">
                    <code>{folder}</code>
                  </th>
                  <td data-label="Volume">
                    <code className="breaks">{volume}</code>
                  </td>
                  <td data-label="The app">
                    {read_only ? "only reads it" : "reads and writes it"}
                  </td>
                </tr>
              ))}
            </tbody>
          </table>
          <p className="faint note">
            A volume lies on the worker that runs the app, and stays when the app goes.
          </p>
        </>
      )}
    </Section>
  );
}
