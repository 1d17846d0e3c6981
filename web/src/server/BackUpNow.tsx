import { useMutation, useQueryClient } from "@tanstack/react-query";
import { statusQuery } from "../api/queries";
import { server } from "../api/server";
import type { BackupRun } from "../api/types";
import { Button } from "../parts/Button";
import { Outcome } from "../parts/Outcome";
import { Refusal } from "../parts/Refusal";

/** Makes a backup where they go by themselves, for whoever can open those. */
export function BackUpNow({ to, recipient }: { to: string; recipient: string }) {
  const queries = useQueryClient();
  const make = useMutation({
    mutationFn: () => server.backUp(to, recipient),
    onSuccess: () => queries.invalidateQueries({ queryKey: statusQuery.queryKey }),
  });
  return (
    <>
      <Button rests={make.isPending} onClick={() => make.mutate()}>
        {make.isPending ? "Backing up…" : "Back up now"}
      </Button>
      <Outcome>{said(make.data)}</Outcome>
      <Refusal error={make.error} />
    </>
  );
}

function said(run: BackupRun | undefined): string {
  if (!run) return "";
  return run.made ? `${run.made.name} is made.` : "It is being made; how that ends shows here.";
}
