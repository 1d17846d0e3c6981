import { useState } from "react";
import type { App } from "../api/types";
import { DeployAgain } from "../deployment/DeployAgain";
import { Outcome } from "../parts/Outcome";
import { Section } from "../parts/Section";
import { Table } from "../parts/Table";
import { useFocusBack } from "../parts/useFocusBack";
import { AddVolume } from "./AddVolume";
import { VolumeRow } from "./VolumeRow";

/** Where the app keeps what outlives its replicas. */
export function Volumes({ app }: { app: App }) {
  const { heading, leave } = useFocusBack();
  const [said, setSaid] = useState("");
  const volumes = Object.entries(app.settings.volumes ?? {});
  return (
    <Section title="Volumes" heading={heading}>
      {volumes.length === 0 ? (
        <p className="faint note">None: what its replicas write goes with them.</p>
      ) : (
        <>
          <Table label="Volumes" columns={["Folder in its replicas", "Volume", "The app"]} actions>
            {volumes.map(([folder, mount]) => (
              <VolumeRow
                key={folder}
                app={app}
                folder={folder}
                mount={mount}
                onRemoved={() => {
                  leave();
                  setSaid(`${folder} is no volume, from the next deployment on.`);
                }}
              />
            ))}
          </Table>
          <p className="faint note">
            A volume lies on the worker that runs the app, and stays when the app goes.
          </p>
        </>
      )}
      <AddVolume
        app={app}
        onAdded={(volume) => setSaid(`It has ${volume}, from the next deployment on.`)}
      />
      <Outcome>{said}</Outcome>
      {said ? <DeployAgain app={app} /> : null}
    </Section>
  );
}
