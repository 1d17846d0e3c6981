import { useQuery } from "@tanstack/react-query";
import { useState } from "react";
import { domainsQuery } from "../api/queries";
import { useApp } from "../app/current";
import { OfApp } from "../certificates/OfApp";
import { AddDomain } from "../domains/AddDomain";
import { DomainCard } from "../domains/DomainCard";
import { Unproven } from "../domains/Unproven";
import { usePolling } from "../live/live";
import { Answered } from "../parts/Notice";
import { Outcome } from "../parts/Outcome";
import { Section } from "../parts/Section";
import { Command } from "../parts/Small";
import { useFocusBack } from "../parts/useFocusBack";

/** The hosts of its own that an app has. */
export function DomainsPage() {
  const app = useApp();
  // What resolvers say is looked at, not an event.
  const domains = useQuery({ ...domainsQuery(app.name), refetchInterval: usePolling() });
  const { heading, leave } = useFocusBack();
  const [removed, setRemoved] = useState("");
  const onRemoved = (host: string) => {
    leave();
    setRemoved(
      `${host} leads nowhere any more. Its TXT record can go, and where it leads to as well.`,
    );
  };
  return (
    <div className="sections">
      <Section title="Domains" heading={heading}>
        <Outcome>{removed}</Outcome>
        <Answered answer={domains} what="domains">
          {({ items }) =>
            items.length === 0 ? (
              <div className="empty">
                <p>
                  {app.name} has no domain of its own yet. Add one below, or run the command; then
                  set the records that it shows, where the domain's DNS is kept.
                </p>
                <Command text={`hythe domain add ${app.name} shop.example.com`} />
              </div>
            ) : (
              <div className="cards">
                {items.map((domain) => (
                  <DomainCard key={domain.host} app={app} domain={domain} onRemoved={onRemoved} />
                ))}
              </div>
            )
          }
        </Answered>
      </Section>
      <Section title="Add a domain">
        <AddDomain app={app} />
      </Section>
      <Unproven app={app} />
      <OfApp app={app} />
    </div>
  );
}
