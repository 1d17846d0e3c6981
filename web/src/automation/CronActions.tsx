import { useMutation, useQueryClient } from "@tanstack/react-query";
import { crons } from "../api/automation";
import { cronsQuery } from "../api/queries";
import type { App, Cron } from "../api/types";
import { Asking } from "../parts/Asking";
import { Button } from "../parts/Button";
import { Outcome } from "../parts/Outcome";
import { Refusal } from "../parts/Refusal";

/** What can be done about a cron job here; its schedule is set on the command line. */
export function CronActions({
  app,
  cron,
  onRemoved,
}: {
  app: App;
  cron: Cron;
  onRemoved: () => void;
}) {
  const queries = useQueryClient();
  const { name } = cron;
  const again = () => queries.invalidateQueries({ queryKey: cronsQuery(app.name).queryKey });
  const run = useMutation({ mutationFn: () => crons.run(app.name, name), onSuccess: again });
  const rest = useMutation({
    mutationFn: (paused: boolean) =>
      paused ? crons.pause(app.name, name) : crons.resume(app.name, name),
    onSuccess: again,
  });
  const remove = useMutation({
    mutationFn: () => crons.remove(app.name, name),
    onSuccess: () => {
      onRemoved();
      return again();
    },
  });
  return (
    <>
      <div className="actions">
        <Button
          rests={run.isPending}
          onClick={() => {
            rest.reset();
            run.mutate();
          }}
        >
          Run now<span className="unseen"> {name}</span>
        </Button>
        <Button
          className="quiet"
          rests={rest.isPending}
          onClick={() => {
            run.reset();
            rest.mutate(!cron.paused);
          }}
        >
          {cron.paused ? "Resume" : "Pause"}
          <span className="unseen"> {name}</span>
        </Button>
        <Asking action="Remove" of={name} title={`Remove ${name}?`} does={remove} className="quiet">
          <p>It is due no more. What runs of it goes on.</p>
        </Asking>
      </div>
      <Outcome>{said(name, run.isSuccess, rest.data)}</Outcome>
      <Refusal error={run.error ?? rest.error} />
    </>
  );
}

function said(name: string, ran: boolean, rests: Cron | undefined): string {
  if (ran) return `${name} runs.`;
  if (!rests) return "";
  return rests.paused ? `${name} rests until it is resumed.` : `${name} is due again.`;
}
