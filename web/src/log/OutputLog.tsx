import type { App } from "../api/types";
import { LogView } from "./LogView";
import { outputOf } from "./save";
import { outputLog } from "./sources";

/** What the replicas of an app write. */
export function OutputLog({ app }: { app: App }) {
  return (
    <LogView
      key={app.id}
      source={outputLog(app.name)}
      title="Output"
      label={`Lines that ${app.name} wrote`}
      empty={`Nothing yet. What replicas of ${app.name} write appears here; a static site has none.`}
      file={`${app.name}.log`}
      text={outputOf}
      clocked
      columns={10}
    />
  );
}
