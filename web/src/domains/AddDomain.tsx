import { useMutation, useQueryClient } from "@tanstack/react-query";
import { type FormEvent, useState } from "react";
import { domains } from "../api/domains";
import { domainsQuery } from "../api/queries";
import type { App, Domain, DomainMode } from "../api/types";
import { Button } from "../parts/Button";
import { Choice } from "../parts/Choice";
import { Field } from "../parts/Field";
import { Outcome } from "../parts/Outcome";
import { Refusal } from "../parts/Refusal";
import { requests } from "./words";

const MODES = [
  ["usual", "As usual"],
  ["main", "The app, as the main domain"],
  ["redirect", "A redirect to the main domain (308)"],
  ["serve", "The app, beside the main domain"],
] as const satisfies [DomainMode | "usual", string][];

export function AddDomain({ app }: { app: App }) {
  const queries = useQueryClient();
  const [host, setHost] = useState("");
  const [mode, setMode] = useState<DomainMode | "usual">("usual");
  const add = useMutation({
    mutationFn: () => domains.add(app.name, host.trim(), mode === "usual" ? undefined : mode),
    onSuccess: () => {
      setHost("");
      return queries.invalidateQueries({ queryKey: domainsQuery(app.name).queryKey });
    },
  });
  const submit = (event: FormEvent) => {
    event.preventDefault();
    if (host.trim() && !add.isPending) add.mutate();
  };
  return (
    <form className="form" onSubmit={submit}>
      <div className="fields">
        <Field label="Domain" help="A host, or *. and one, for every host right below it.">
          {(wired) => (
            <input
              {...wired}
              value={host}
              placeholder="shop.example.com"
              autoCapitalize="none"
              autoComplete="off"
              spellCheck={false}
              required
              onChange={(event) => setHost(event.target.value)}
            />
          )}
        </Field>
        <Choice
          label="Its requests get"
          help="As usual, the first is the main one, and others redirect to it."
          value={mode}
          options={MODES}
          onChange={setMode}
        />
      </div>
      <div className="actions">
        <Button type="submit" className="primary" rests={add.isPending}>
          {add.isPending ? "Adding…" : "Add domain"}
        </Button>
      </div>
      <Outcome>{said(add.data)}</Outcome>
      <Refusal error={add.error} />
    </form>
  );
}

function said(added: Domain | undefined): string {
  if (!added) return "";
  if (added.state === "verified") {
    return `${added.host} leads here already: ${requests(added)}.`;
  }
  return `${added.host} is added. Set its records where its DNS is kept, then check it.`;
}
