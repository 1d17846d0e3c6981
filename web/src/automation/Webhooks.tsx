import { useQuery } from "@tanstack/react-query";
import { useState } from "react";
import { problemOf } from "../api/problem";
import { hooksQuery } from "../api/queries";
import type { App, Hook, HookWithSecret } from "../api/types";
import { sentence } from "../format/text";
import { Answered } from "../parts/Notice";
import { Outcome } from "../parts/Outcome";
import { Section } from "../parts/Section";
import { useFocusBack } from "../parts/useFocusBack";
import { AddHook } from "./AddHook";
import { HookCard } from "./HookCard";

/** What tells Hythe of pushes to the app's repository. */
export function Webhooks({ app }: { app: App }) {
  if (!app.settings.repository) {
    return (
      <Section title="Webhooks">
        <p className="faint">They are for apps that are made from a git repository.</p>
      </Section>
    );
  }
  return <OfRepository app={app} />;
}

function OfRepository({ app }: { app: App }) {
  const list = useQuery(hooksQuery(app.name));
  const { heading, leave } = useFocusBack();
  const [said, setSaid] = useState("");
  // The only place where a secret is kept, until the page is left.
  const [fresh, setFresh] = useState<HookWithSecret>();
  const onSecret = (made: HookWithSecret) => {
    setFresh(made);
    setSaid("The webhook has a secret. Enter it at the provider now: it is not shown again.");
  };
  const onMade = (made: HookWithSecret) => {
    // The form that made it goes.
    leave();
    onSecret(made);
  };
  const onRemoved = (hook: Hook) => {
    leave();
    setSaid(`The webhook of ${hook.repository} is removed. Remove it at ${hook.provider}, too.`);
  };
  // Where nobody tells of pushes, as to a folder, there is nothing wrong.
  const problem = list.error ? problemOf(list.error) : undefined;
  if (problem?.status === 409) {
    return (
      <Section title="Webhooks">
        <p className="faint">{sentence(problem.detail)}</p>
      </Section>
    );
  }
  return (
    <Section title="Webhooks" heading={heading}>
      <Outcome>{said}</Outcome>
      <Answered answer={list} what="webhooks">
        {({ items }) =>
          items.length === 0 ? (
            <AddHook app={app} onMade={onMade} />
          ) : (
            <div className="cards">
              {items.map((hook) => (
                <HookCard
                  key={hook.id}
                  app={app}
                  hook={hook}
                  secret={fresh?.hook.id === hook.id ? (fresh.secret ?? undefined) : undefined}
                  onSecret={onSecret}
                  onRemoved={onRemoved}
                />
              ))}
            </div>
          )
        }
      </Answered>
    </Section>
  );
}
