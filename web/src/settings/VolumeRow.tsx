import type { App } from "../api/types";
import { Asking } from "../parts/Asking";
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
    <tr>
      <th scope="row">
        <code>{folder}</code>
      </th>
      <td data-label="Volume">
        <code className="breaks">{volume}</code>
      </td>
      <td data-label="The app">{read_only ? "only reads it" : "reads and writes it"}</td>
      <td>
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
      </td>
    </tr>
  );
}
