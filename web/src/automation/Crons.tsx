import { useQuery } from "@tanstack/react-query";
import { useState } from "react";
import { cronsQuery } from "../api/queries";
import type { App } from "../api/types";
import { usePolling } from "../live/live";
import { Answered } from "../parts/Notice";
import { Outcome } from "../parts/Outcome";
import { Section } from "../parts/Section";
import { Command } from "../parts/Small";
import { useFocusBack } from "../parts/useFocusBack";
import { AddCron } from "./AddCron";
import { CronCard } from "./CronCard";

/** What the app runs by a schedule. */
export function Crons({ app }: { app: App }) {
  const crons = useQuery({ ...cronsQuery(app.name), refetchInterval: usePolling() });
  const { heading, leave } = useFocusBack();
  const [said, setSaid] = useState("");
  return (
    <Section title="Cron jobs" heading={heading}>
      <Outcome>{said}</Outcome>
      <Answered answer={crons} what="cron jobs">
        {({ items }) =>
          items.length === 0 ? (
            <div className="empty">
              <p>
                None. A cron job runs a command of the live version by a schedule, in a container of
                its own. Set one here, or on the command line:
              </p>
              <Command text={`hythe cron set ${app.name} tidy '30 3 * * *' -- COMMAND`} />
            </div>
          ) : (
            <div className="cards">
              {items.map((cron) => (
                <CronCard
                  key={cron.name}
                  app={app}
                  cron={cron}
                  onRemoved={() => {
                    leave();
                    setSaid(`${cron.name} is removed. What runs of it goes on.`);
                  }}
                />
              ))}
            </div>
          )
        }
      </Answered>
      <AddCron
        app={app}
        taken={crons.data?.items.map(({ name }) => name) ?? []}
        onAdded={(name) => setSaid(`${name} is set, and due by its schedule.`)}
      />
    </Section>
  );
}
