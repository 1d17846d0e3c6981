import { type UseQueryResult, useMutation, useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import type { Access, Login } from "../api/access";
import { AskForm } from "../parts/AskForm";
import { Asking } from "../parts/Asking";
import { NameField } from "../parts/NameField";
import { Answered } from "../parts/Notice";
import { Outcome } from "../parts/Outcome";
import { SecretField } from "../parts/SecretField";
import { Section } from "../parts/Section";
import { Ago } from "../parts/Small";
import { useFocusBack } from "../parts/useFocusBack";

/** What a kind of login is called, and what it is good for. */
export interface LoginWords {
  title: string;
  none: string;
  place: string;
  placeHelp: string;
  userHelp: string;
  /** What follows from there being one. */
  does: (place: string) => string;
  /** What follows from there being none any more. */
  ends: (place: string) => string;
}

interface Kind {
  words: LoginWords;
  access: Access;
  queryKey: readonly unknown[];
}

/** Logins of one kind: who and where, and a way in for passwords, but none out. */
export function Logins({ answer, ...kind }: Kind & { answer: UseQueryResult<Login[]> }) {
  const { words } = kind;
  const { heading, leave } = useFocusBack();
  const [said, setSaid] = useState("");
  return (
    <Section title={words.title} heading={heading}>
      <Answered answer={answer} what={words.title.toLowerCase()}>
        {(logins) =>
          logins.length === 0 ? (
            <p className="faint note">{words.none}</p>
          ) : (
            <ul className="lines">
              {logins.map((login) => (
                <LoginRow
                  key={login.place}
                  kind={kind}
                  login={login}
                  onRemoved={() => {
                    leave();
                    setSaid(words.ends(login.place));
                  }}
                />
              ))}
            </ul>
          )
        }
      </Answered>
      <SetLogin kind={kind} onSet={(place) => setSaid(words.does(place))} />
      <Outcome>{said}</Outcome>
    </Section>
  );
}

function LoginRow({
  kind: { words, access, queryKey },
  login: { place, username, set_at },
  onRemoved,
}: {
  kind: Kind;
  login: Login;
  onRemoved: () => void;
}) {
  const queries = useQueryClient();
  const remove = useMutation({
    mutationFn: () => access.remove(place),
    onSuccess: () => {
      onRemoved();
      return queries.invalidateQueries({ queryKey });
    },
  });
  return (
    <li>
      <code className="breaks">{place}</code>
      <span className="breaks">as {username}</span>
      <span className="faint">
        set <Ago at={set_at} />
      </span>
      <Asking
        action="Remove"
        of={place}
        title={`Remove the login to ${place}?`}
        does={remove}
        className="quiet at-end"
      >
        <p>{words.ends(place)} Its password cannot be brought back from here.</p>
      </Asking>
    </li>
  );
}

function SetLogin({
  kind: { words, access, queryKey },
  onSet,
}: {
  kind: Kind;
  onSet: (place: string) => void;
}) {
  const queries = useQueryClient();
  const [place, setPlace] = useState("");
  const [user, setUser] = useState("");
  const [password, setPassword] = useState("");
  const set = useMutation({
    // Nothing of a password stays.
    gcTime: 0,
    mutationFn: () => access.set(place.trim(), user.trim(), password),
    onSuccess: () => {
      onSet(place.trim());
      setPlace("");
      setUser("");
      setPassword("");
      return queries.invalidateQueries({ queryKey });
    },
  });
  const send = () => {
    if (place.trim() && user.trim() && password) set.mutate();
  };
  return (
    <AskForm action="Set login" underWay="Setting…" does={set} onSend={send}>
      <div className="fields">
        <NameField
          label={words.place}
          help={words.placeHelp}
          value={place}
          required
          onChange={setPlace}
        />
        <NameField
          label="User"
          help={words.userHelp}
          value={user}
          required
          maxLength={256}
          onChange={setUser}
        />
        <SecretField
          label="Password or token"
          help="Shown to nobody, once it is set."
          value={password}
          required
          maxLength={4096}
          onChange={setPassword}
        />
      </div>
    </AskForm>
  );
}
