import { useState } from "react";
import type { App, EdgeSettings } from "../api/types";
import { AskForm } from "../parts/AskForm";
import { NameField } from "../parts/NameField";
import { Outcome } from "../parts/Outcome";
import { SecretField } from "../parts/SecretField";
import { Section } from "../parts/Section";
import { useFocusBack } from "../parts/useFocusBack";
import { UserRow } from "./UserRow";
import { useEdge } from "./useEdge";

/** Who may see the app, by a password that nobody can read back. */
export function Users({ app, settings }: { app: App; settings: EdgeSettings }) {
  const { heading, leave } = useFocusBack();
  const [said, setSaid] = useState("");
  const { users } = settings;
  return (
    <Section title="Who may see it" heading={heading}>
      {users.length === 0 ? (
        <p className="faint note">
          Nobody is asked for a password. With a user, browsers ask for one.
        </p>
      ) : (
        <ul className="lines">
          {users.map((user) => (
            <UserRow
              key={user}
              app={app}
              user={user}
              last={users.length === 1}
              onRemoved={() => {
                leave();
                setSaid(`${user} is taken away.`);
              }}
            />
          ))}
        </ul>
      )}
      <AddUser app={app} onAdded={(user) => setSaid(`${user} has a password now.`)} />
      <Outcome>{said}</Outcome>
    </Section>
  );
}

function AddUser({ app, onAdded }: { app: App; onAdded: (user: string) => void }) {
  const [user, setUser] = useState("");
  const [password, setPassword] = useState("");
  const add = useEdge<void>(
    app.name,
    () => ({ users: { [user.trim()]: password } }),
    () => {
      onAdded(user.trim());
      setUser("");
      setPassword("");
    },
  );
  const send = () => {
    if (user.trim() && password) add.mutate();
  };
  return (
    <AskForm action="Add user, or set another password" underWay="Adding…" does={add} onSend={send}>
      <div className="fields">
        <NameField label="User" value={user} required maxLength={64} onChange={setUser} />
        <SecretField
          label="Password"
          help="At least 8 characters. It is kept hashed and shown to nobody."
          value={password}
          required
          minLength={8}
          maxLength={256}
          onChange={setPassword}
        />
      </div>
    </AskForm>
  );
}
