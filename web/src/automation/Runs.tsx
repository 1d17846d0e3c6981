import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import { runsQuery } from "../api/queries";
import { runs } from "../api/runs";
import type { App, Run } from "../api/types";
import { counted } from "../format/text";
import { usePolling } from "../live/live";
import { Asking } from "../parts/Asking";
import { Answered } from "../parts/Notice";
import { Outcome } from "../parts/Outcome";
import { Section } from "../parts/Section";
import { Ago, Ahead, Command } from "../parts/Small";
import { useFocusBack } from "../parts/useFocusBack";

/** Commands that were asked for and run now. Those that have ended are in the app's activity. */
export function Runs({ app }: { app: App }) {
  const answer = useQuery({ ...runsQuery(app.name), refetchInterval: usePolling() });
  const { heading, leave } = useFocusBack();
  const [said, setSaid] = useState("");
  return (
    <Section title="Commands" heading={heading}>
      <Outcome>{said}</Outcome>
      <Answered answer={answer} what="commands">
        {({ items }) =>
          items.length === 0 ? (
            <>
              <p className="faint note">
                None runs now. To run one in a fresh container of the live version:
              </p>
              <Command text={`hythe run ${app.name} -- sh`} />
            </>
          ) : (
            <ul className="lines">
              {items.map((run) => (
                <RunRow
                  key={run.id}
                  app={app}
                  run={run}
                  onStopped={() => {
                    leave();
                    setSaid(`${run.program} is being ended.`);
                  }}
                />
              ))}
            </ul>
          )
        }
      </Answered>
    </Section>
  );
}

function RunRow({ app, run, onStopped }: { app: App; run: Run; onStopped: () => void }) {
  const queries = useQueryClient();
  const { id, program, asked_at, until, detached } = run;
  const stop = useMutation({
    mutationFn: () => runs.stop(id),
    onSuccess: () => {
      onStopped();
      return queries.invalidateQueries({ queryKey: runsQuery(app.name).queryKey });
    },
  });
  return (
    <li>
      <code className="breaks">{program}</code>
      <span className="faint">
        {/* What they say may be secret, and is shown to nobody. */}
        with {counted(run.arguments, "argument")}
      </span>
      <span className="faint">
        begun <Ago at={asked_at} />, {detached ? "goes on by itself" : "ends with who began it"}
      </span>
      <span className="faint">
        ended <Ahead at={until} /> at the latest
      </span>
      <Asking action="Stop" of={program} title={`Stop ${program}?`} does={stop} className="at-end">
        <p>It gets SIGTERM and, where it goes on, SIGKILL. What it has done so far stays.</p>
      </Asking>
      {detached ? (
        <div className="whole">
          <Command text={`hythe runs logs ${id}`} />
        </div>
      ) : null}
    </li>
  );
}
