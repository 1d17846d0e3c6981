import { useMutation, useQueryClient } from "@tanstack/react-query";
import { type FormEvent, useEffect, useId, useRef, useState } from "react";
import { api } from "../api/client";
import { sessionQuery } from "../api/first";
import { answered, isUnauthorized, problemOf } from "../api/problem";
import { Button } from "../parts/Button";
import { Refusal } from "../parts/Refusal";
import { Logo } from "../parts/Shell";
import { Heading } from "../parts/Small";
import { fromLink } from "../session/fromLink";

export function SignInPage() {
  const queries = useQueryClient();
  const [token, setToken] = useState(fromLink);
  const input = useRef<HTMLInputElement>(null);
  useEffect(() => input.current?.focus(), []);
  const field = useId();
  const help = useId();
  const signIn = useMutation({
    mutationFn: () => api.signIn(token.trim()),
    onSuccess: (session) => {
      queries.setQueryData(sessionQuery.queryKey, session);
      void queries.invalidateQueries({ predicate: (query) => query.queryKey[0] !== "session" });
    },
  });
  const submit = (event: FormEvent) => {
    event.preventDefault();
    if (token.trim() && !signIn.isPending) signIn.mutate();
  };
  return (
    <main className="sign-in" id="main">
      <form onSubmit={submit}>
        <Logo />
        <Heading title="Sign in">Hythe</Heading>
        <label htmlFor={field}>Owner token</label>
        <input
          ref={input}
          id={field}
          name="token"
          type="password"
          autoComplete="current-password"
          spellCheck={false}
          required
          value={token}
          aria-describedby={help}
          aria-invalid={signIn.error ? true : undefined}
          onChange={(event) => setToken(event.target.value)}
        />
        <p id={help} className="faint">
          {fromLink
            ? "Taken from the link that you opened. It is kept nowhere in this browser."
            : "It lies in the file owner.token in Hythe's data folder, and is kept nowhere in this browser."}
        </p>
        <Button type="submit" className="primary" rests={signIn.isPending || !token.trim()}>
          {signIn.isPending ? "Signing in…" : "Sign in"}
        </Button>
        <Refusal error={named(signIn.error)} />
      </form>
    </main>
  );
}

/** What is refused here is the token, whatever else there is to say. */
function named(error: unknown): unknown {
  if (!isUnauthorized(error)) return error;
  return answered(401, { ...problemOf(error), title: "Not the right token" });
}
