import type { App, Preview } from "../api/types";
import { Table } from "../parts/Table";
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
    <Table
      label="Previews"
      columns={["Pull request", "State", "Address", "Commit", "By", "Pushed"]}
      actions
      className="wraps"
    >
      {items.map((preview) => (
        <PreviewRow
          key={preview.number}
          app={app}
          preview={preview}
          onRemoved={() => onRemoved(preview.number)}
        />
      ))}
    </Table>
  );
}
