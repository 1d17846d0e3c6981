import { useQuery } from "@tanstack/react-query";
import { useState } from "react";
import { envQuery } from "../api/queries";
import type { App } from "../api/types";
import { DeployAgain } from "../deployment/DeployAgain";
import { Answered } from "../parts/Notice";
import { Outcome } from "../parts/Outcome";
import { Section } from "../parts/Section";
import { Command } from "../parts/Small";
import { useFocusBack } from "../parts/useFocusBack";
import { SetMany } from "./SetMany";
import { SetVariable } from "./SetVariable";
import { VariableRow } from "./VariableRow";

/** The app's variables: their names, and a way in for values, but none out. */
export function Environment({ app }: { app: App }) {
  const env = useQuery(envQuery(app.name));
  const { heading, leave } = useFocusBack();
  const [said, setSaid] = useState("");
  return (
    <Section title="Environment" heading={heading}>
      <Answered answer={env} what="the environment">
        {({ items }) =>
          items.length === 0 ? (
            <>
              <p className="faint note">No variables. Set one here, or on the command line:</p>
              <Command text={`hythe env set ${app.name} NAME=value`} />
            </>
          ) : (
            <ul className="lines">
              {items.map((variable) => (
                <VariableRow
                  key={variable.name}
                  app={app}
                  variable={variable}
                  onRemoved={() => {
                    leave();
                    setSaid(`${variable.name} is removed, from the next deployment on.`);
                  }}
                />
              ))}
            </ul>
          )
        }
      </Answered>
      <SetVariable
        app={app}
        onSet={(name) => setSaid(`${name} is set, from the next deployment on.`)}
      />
      <SetMany app={app} onSet={(which) => setSaid(`${which} set, from the next deployment on.`)} />
      <Outcome>{said}</Outcome>
      {said ? <DeployAgain app={app} /> : null}
    </Section>
  );
}
