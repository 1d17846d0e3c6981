import { LogView } from "./LogView";
import { textOf } from "./save";
import { buildLog } from "./sources";

/** The log of a deployment's build, and of its release command. */
export function BuildLog({ deployment, over }: { deployment: string; over: boolean }) {
  return (
    <LogView
      key={deployment}
      source={buildLog(deployment)}
      title="Build log"
      label="Lines of the build log"
      over={over}
      empty={
        over
          ? "This deployment has no build log: nothing had to be built, or it ended before."
          : "Nothing yet. Lines appear here as the build writes them."
      }
      file={`build-${deployment}.log`}
      text={textOf}
      columns={10}
    />
  );
}
