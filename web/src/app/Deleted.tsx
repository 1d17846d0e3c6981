import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import { deleted } from "../api/deleted";
import { appsQuery, deletedQuery } from "../api/first";
import type { DeletedApp } from "../api/types";
import { counted } from "../format/text";
import { Button } from "../parts/Button";
import { Stale } from "../parts/Notice";
import { Outcome } from "../parts/Outcome";
import { Refusal } from "../parts/Refusal";
import { Section } from "../parts/Section";
import { Ahead } from "../parts/Small";
import { useFocusBack } from "../parts/useFocusBack";

/** Apps that were deleted and can be had back; nothing at all where there is none. */
export function Deleted() {
  const answer = useQuery(deletedQuery);
  const { heading, leave } = useFocusBack();
  const [said, setSaid] = useState("");
  const items = answer.data?.items ?? [];
  return (
    <>
      {answer.error ? <Stale error={answer.error} retry={() => void answer.refetch()} /> : null}
      {items.length > 0 || said ? (
        <Section title="Deleted" heading={heading}>
          <Outcome>{said}</Outcome>
          {items.length > 0 ? (
            <ul className="lines">
              {items.map((app) => (
                <Row
                  key={app.id}
                  app={app}
                  onRestored={() => {
                    leave();
                    setSaid(`${app.name} is back, as it was.`);
                  }}
                />
              ))}
            </ul>
          ) : null}
        </Section>
      ) : null}
    </>
  );
}

function Row({ app, onRestored }: { app: DeletedApp; onRestored: () => void }) {
  const queries = useQueryClient();
  const restore = useMutation({
    // By its id: several of one name may have been deleted.
    mutationFn: () => deleted.restore(app.id),
    onSuccess: () => {
      onRestored();
      queries.invalidateQueries({ queryKey: appsQuery.queryKey });
      return queries.invalidateQueries({ queryKey: deletedQuery.queryKey });
    },
  });
  return (
    <li>
      <strong className="breaks">{app.name}</strong>
      <span className="faint">{counted(app.deployments, "deployment")}</span>
      <span className="faint">
        gone for good <Ahead at={app.until} />
      </span>
      <Button className="quiet at-end" rests={restore.isPending} onClick={() => restore.mutate()}>
        {restore.isPending ? "Restoring…" : "Restore"}
        <span className="unseen"> {app.name}</span>
      </Button>
      <div className="whole">
        <Refusal error={restore.error} />
      </div>
    </li>
  );
}
