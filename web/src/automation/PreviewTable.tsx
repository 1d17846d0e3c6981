import type { App, Preview } from "../api/types";
import { PreviewRow } from "./PreviewRow";

export function PreviewTable({
  app,
  items,
  onRemoved,
}: {
  app: App;
  items: Preview[];
  onRemoved: (number: number) => void;
}) {
  return (
    <table className="rows wraps">
      <thead>
        <tr>
          <th scope="col">Pull request</th>
          <th scope="col">State</th>
          <th scope="col">Address</th>
          <th scope="col">Commit</th>
          <th scope="col">By</th>
          <th scope="col">Pushed</th>
          <th scope="col">
            <span className="unseen">Actions</span>
          </th>
        </tr>
      </thead>
      <tbody>
        {items.map((preview) => (
          <PreviewRow
            key={preview.number}
            app={app}
            preview={preview}
            onRemoved={() => onRemoved(preview.number)}
          />
        ))}
      </tbody>
    </table>
  );
}
