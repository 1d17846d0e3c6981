import { useMutation, useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import { crons } from "../api/automation";
import { cronsQuery } from "../api/queries";
import type { App, CronOverlap } from "../api/types";
import { AskForm } from "../parts/AskForm";
import { Choice } from "../parts/Choice";
import { NameField } from "../parts/NameField";
import { asked, type CronDraft, type CronWrong, newDraft } from "./newCron";

const OVERLAPS = [
  ["skip", "The later run is left out"],
  ["allow", "Both run"],
  ["replace", "The earlier run is ended first"],
] as const satisfies [CronOverlap, string][];

/** Sets a cron job. It holds at once. */
export function AddCron({
  app,
  taken,
  onAdded,
}: {
  app: App;
  /** The names that there are: another one is to be set. */
  taken: string[];
  onAdded: (name: string) => void;
}) {
  const queries = useQueryClient();
  const [draft, setDraft] = useState(newDraft);
  const [wrong, setWrong] = useState<CronWrong>({});
  const { name, body, wrong: found } = asked(draft, taken);
  const add = useMutation({
    mutationFn: () => crons.set(app.name, name, body),
    onSuccess: () => {
      onAdded(name);
      setDraft(newDraft());
      return queries.invalidateQueries({ queryKey: cronsQuery(app.name).queryKey });
    },
  });
  const send = () => {
    setWrong(found);
    if (Object.keys(found).length === 0) add.mutate();
  };
  const text = (field: Exclude<keyof CronDraft, "overlap">, label: string, help: string) => (
    <NameField
      label={label}
      help={help}
      wrong={wrong[field]}
      value={draft[field]}
      required
      onChange={(value) => setDraft({ ...draft, [field]: value })}
    />
  );
  return (
    <AskForm action="Set cron job" underWay="Setting…" does={add} onSend={send}>
      <div className="fields">
        {text("name", "Name", "Small letters, digits and dashes.")}
        {text("schedule", "Schedule", "Minute, hour, day, month, weekday; or @daily and its like.")}
        {text("zone", "Time zone", "Where these hours are meant, such as Europe/Berlin or UTC.")}
        {text("command", "Command", "Run by no shell: for one, sh -c '…'.")}
        {text("within", "May take", "Such as 10m or 2h.")}
        <Choice
          label="Where it runs still"
          value={draft.overlap}
          options={OVERLAPS}
          onChange={(overlap) => setDraft({ ...draft, overlap })}
        />
      </div>
    </AskForm>
  );
}
