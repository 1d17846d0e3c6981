import type { AppSettings } from "../api/types";
import { Commit } from "../parts/Small";

/** Which version of its repository an app is deployed from. */
export function Version({ settings }: { settings: AppSettings }) {
  if (settings.commit) {
    return (
      <>
        always commit <Commit id={settings.commit} />
      </>
    );
  }
  if (settings.tag) {
    return (
      <>
        always tag <code>{settings.tag}</code>
      </>
    );
  }
  if (settings.branch) {
    return (
      <>
        newest of <code>{settings.branch}</code>
      </>
    );
  }
  return <>newest of the default branch</>;
}
