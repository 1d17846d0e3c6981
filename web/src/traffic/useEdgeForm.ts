// A form of a part of how edges serve an app: what somebody is changing, and what came of it.

import { type FormEvent, useState } from "react";
import type { App, UpdateEdge } from "../api/types";
import { useDraft } from "../parts/useDraft";
import { useEdge } from "./useEdge";

/**
 * `now`: what is so, as the form has it. `changeOf`: what of a draft is other than that, and what cannot
 * be, by field: that is shown once it was sent, and nothing is sent before it is right.
 */
export function useEdgeForm<Draft extends object, Wrong extends object>(
  app: App,
  now: Draft,
  changeOf: (draft: Draft) => { change: UpdateEdge; wrong: Wrong },
) {
  const { draft, edit, forget: drop } = useDraft(now);
  const [wrong, setWrong] = useState<Wrong>();
  const forget = () => {
    drop();
    setWrong(undefined);
  };
  const save = useEdge(app.name, (change: UpdateEdge) => change, forget);
  const { change, wrong: found } = changeOf(draft);
  const right = Object.keys(found).length === 0;
  return {
    draft,
    wrong,
    changed: Object.keys(change).length > 0 || !right,
    save,
    forget,
    set: (edits: Partial<Draft>) => {
      if (!save.isPending) save.reset();
      edit(edits);
    },
    submit: (event: FormEvent) => {
      event.preventDefault();
      setWrong(found);
      if (right) save.mutate(change);
    },
  };
}
