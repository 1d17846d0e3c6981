import { useQuery } from "@tanstack/react-query";
import { useState } from "react";
import { envQuery } from "../api/queries";
import type { App, EnvVariable } from "../api/types";
import { DeployAgain } from "../deployment/DeployAgain";
import { NameField } from "../parts/NameField";
import { Answered } from "../parts/Notice";
import { Outcome } from "../parts/Outcome";
import { Section } from "../parts/Section";
import { Command } from "../parts/Small";
import { useFocusBack } from "../parts/useFocusBack";
import { SetMany } from "./SetMany";
import { SetVariable } from "./SetVariable";
import { VariableRow } from "./VariableRow";

/** With so many or more, there is a way to find one. */
const MANY = 12;

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
            <Variables
              app={app}
              items={items}
              onRemoved={(name) => {
                leave();
                setSaid(`${name} is removed, from the next deployment on.`);
              }}
            />
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

/** All of them, or those with a part of a name. */
function Variables({
  app,
  items,
  onRemoved,
}: {
  app: App;
  items: EnvVariable[];
  onRemoved: (name: string) => void;
}) {
  const [part, setPart] = useState("");
  const wanted = part.trim().toLowerCase();
  const found = items.filter(({ name }) => name.toLowerCase().includes(wanted));
  return (
    <>
      {items.length < MANY && !part ? null : (
        <div className="fields log-filter">
          <NameField label="Name contains" type="search" value={part} onChange={setPart} />
        </div>
      )}
      {found.length === 0 ? (
        <p className="faint">None of the {items.length} fits.</p>
      ) : (
        <ul className="lines">
          {found.map((variable) => (
            <VariableRow
              key={variable.name}
              app={app}
              variable={variable}
              onRemoved={() => onRemoved(variable.name)}
            />
          ))}
        </ul>
      )}
    </>
  );
}
