import { useQuery } from "@tanstack/react-query";
import { triggersQuery } from "../api/queries";
import type { App } from "../api/types";
import { Answered } from "../parts/Notice";
import { Section } from "../parts/Section";
import { TriggersForm } from "./TriggersForm";

/** What deploys the app by itself. */
export function TriggersSection({ app }: { app: App }) {
  const triggers = useQuery(triggersQuery(app.name));
  return (
    <Section title="What deploys it">
      <Answered answer={triggers} what="triggers">
        {(now) => <TriggersForm app={app} triggers={now} />}
      </Answered>
    </Section>
  );
}
