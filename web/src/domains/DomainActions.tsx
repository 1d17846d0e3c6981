import { useMutation, useQueryClient } from "@tanstack/react-query";
import { domains } from "../api/domains";
import { domainsQuery } from "../api/queries";
import type { App, Domain, DomainMode } from "../api/types";
import { Asking } from "../parts/Asking";
import { Button } from "../parts/Button";
import { Outcome } from "../parts/Outcome";
import { Refusal } from "../parts/Refusal";
import { requests } from "./words";

/** What can be done about a domain. */
export function DomainActions({
  app,
  domain,
  onChanged,
  onRemoved,
}: {
  app: App;
  domain: Domain;
  /** What was asked for holds, and its button goes. */
  onChanged: () => void;
  onRemoved: (host: string) => void;
}) {
  const queries = useQueryClient();
  const { host } = domain;
  const { queryKey } = domainsQuery(app.name);
  const show = (now: Domain) =>
    queries.setQueryData(queryKey, (list) =>
      list ? { items: list.items.map((one) => (one.host === host ? now : one)) } : list,
    );
  const check = useMutation({
    mutationFn: () => domains.check(app.name, host),
    onSuccess: show,
  });
  const mode = useMutation({
    mutationFn: (mode: DomainMode) => domains.setMode(app.name, host, mode),
    onSuccess: (now) => {
      onChanged();
      show(now);
      // Another one may be the main one no more.
      return queries.invalidateQueries({ queryKey });
    },
  });
  const remove = useMutation({
    mutationFn: () => domains.remove(app.name, host),
    onSuccess: () => {
      onRemoved(host);
      return queries.invalidateQueries({ queryKey });
    },
  });
  // One result at a time: what was done last.
  const look = () => {
    mode.reset();
    check.mutate();
  };
  const change = (to: DomainMode) => {
    check.reset();
    mode.mutate(to);
  };
  // A wildcard can only serve.
  const others = host.startsWith("*.") ? [] : MODES.filter(([other]) => other !== domain.mode);
  return (
    <>
      <div className="actions">
        <Button rests={check.isPending} onClick={look}>
          {check.isPending ? "Asking resolvers…" : "Check now"}
          <span className="unseen"> {host}</span>
        </Button>
        {others.map(([other, text]) => (
          <Button
            key={other}
            className="quiet"
            rests={mode.isPending}
            onClick={() => change(other)}
          >
            {text}
            <span className="unseen"> {host}</span>
          </Button>
        ))}
        <Asking action="Remove" of={host} title={`Remove ${host}?`} does={remove} className="quiet">
          <p>
            It leads to {app.name} no more, at once, and is free for others. Added again, it needs
            another TXT record.
          </p>
        </Asking>
      </div>
      <Outcome>{said(check.data, mode.data)}</Outcome>
      <Refusal error={check.error ?? mode.error} />
    </>
  );
}

const MODES: [DomainMode, string][] = [
  ["main", "Make it the main one"],
  ["redirect", "Redirect to the main one"],
  ["serve", "Serve the app"],
];

function said(checked: Domain | undefined, changed: Domain | undefined): string {
  if (changed) return `${changed.host}: ${requests(changed)}.`;
  if (checked) return `Looked: ${checked.host} is ${checked.state}.`;
  return "";
}
