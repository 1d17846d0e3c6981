import { useBlocker } from "@tanstack/react-router";
import { useEffect, useId } from "react";
import { Confirm } from "./Confirm";

/** The changed forms of a page. They are left behind together, so one of them asks for all. */
const changedForms = new Set<string>();

/** Asks before what somebody changed and did not save is left behind. */
export function Unsaved({ changed }: { changed: boolean }) {
  const form = useId();
  useEffect(() => {
    if (!changed) return;
    changedForms.add(form);
    return () => {
      changedForms.delete(form);
    };
  }, [changed, form]);
  const leaving = useBlocker({
    // A place of this very page, such as what one skips to, leaves nothing behind.
    shouldBlockFn: ({ current, next }) => {
      const [asking] = changedForms;
      return changed && asking === form && current.pathname !== next.pathname;
    },
    // Also where the tab is closed; then the browser asks in its own words.
    enableBeforeUnload: () => changed,
    withResolver: true,
  });
  if (leaving.status !== "blocked") return null;
  return (
    <Confirm
      title="Leave without saving?"
      action="Leave"
      keep="Stay"
      busy={false}
      error={undefined}
      onConfirm={leaving.proceed}
      onClose={leaving.reset}
    >
      <p>What you changed on this page is not saved, and is forgotten when you leave it.</p>
    </Confirm>
  );
}
