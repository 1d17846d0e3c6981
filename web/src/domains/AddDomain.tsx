import { useMutation, useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import { domains } from "../api/domains";
import { domainsQuery } from "../api/queries";
import type { App, Domain, DomainMode } from "../api/types";
import { AskForm } from "../parts/AskForm";
import { Choice } from "../parts/Choice";
import { NameField } from "../parts/NameField";
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
  const send = () => {
    if (host.trim()) add.mutate();
  };
  return (
    <AskForm
      action="Add domain"
      underWay="Adding…"
      does={add}
      onSend={send}
      primary
      said={said(add.data)}
    >
      <div className="fields">
        <NameField
          label="Domain"
          help="A host, or *. and one, for every host right below it."
          value={host}
          placeholder="shop.example.com"
          required
          onChange={setHost}
        />
        <Choice
          label="Its requests get"
          help="As usual, the first is the main one, and others redirect to it."
          value={mode}
          options={MODES}
          onChange={setMode}
        />
      </div>
    </AskForm>
  );
}

function said(added: Domain | undefined): string {
  if (!added) return "";
  if (added.state === "verified") {
    return `${added.host} leads here already: ${requests(added)}.`;
  }
  return `${added.host} is added. Set its records where its DNS is kept, then check it.`;
}
