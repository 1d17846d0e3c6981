import type { App } from "../api/types";
import { Asking } from "../parts/Asking";
import { Cell, RowName, TableRow } from "../parts/Table";
import { useVolumes, type Volumes } from "./useVolumes";

/** A volume, and where the app's replicas see it. */
export function VolumeRow({
  app,
  folder,
  mount: { volume, read_only },
  onRemoved,
}: {
  app: App;
  folder: string;
  mount: Volumes[string];
  onRemoved: () => void;
}) {
  const take = useVolumes(app, ({ [folder]: _, ...rest }) => rest, onRemoved);
  return (
    <TableRow>
      <RowName>
        <code>{folder}</code>
      </RowName>
      <Cell of="Volume">
        <code className="breaks">{volume}</code>
      </Cell>
      <Cell of="The app">{read_only ? "only reads it" : "reads and writes it"}</Cell>
      <Cell>
        <Asking
          action="Take away"
          of={folder}
          title={`Take ${volume} away from ${app.name}?`}
          does={take}
          className="link"
        >
          <p>
            From the next deployment on, its replicas have a folder of their own there, which goes
            with them. What is in the volume stays, and can be given to it again.
          </p>
        </Asking>
      </Cell>
    </TableRow>
  );
}
