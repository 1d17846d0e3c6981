import { useQuery } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { useState } from "react";
import { certificatesQuery, domainsQuery } from "../api/queries";
import type { App } from "../api/types";
import { usePolling } from "../live/live";
import { Answered } from "../parts/Notice";
import { Outcome } from "../parts/Outcome";
import { Section } from "../parts/Section";
import { useFocusBack } from "../parts/useFocusBack";
import { Certificates } from "./Certificates";
import { concerns } from "./words";

/** The certificates for an app's hosts. */
export function OfApp({ app }: { app: App }) {
  // What becomes of an order is seen, not an event.
  const answer = useQuery({ ...certificatesQuery, refetchInterval: usePolling() });
  const domains = useQuery(domainsQuery(app.name));
  const { heading, leave } = useFocusBack();
  const [said, setSaid] = useState("");
  const itsHosts = [
    ...app.settings.domains,
    ...(domains.data?.items.map(({ host }) => host) ?? []),
    ...(app.url ? [new URL(app.url).hostname] : []),
  ];
  return (
    <Section title="Certificates" heading={heading}>
      <Outcome>{said}</Outcome>
      <Answered answer={answer} what="certificates">
        {({ items }) => {
          const its = items.filter((one) => concerns(one, app.name, itsHosts));
          return its.length === 0 ? (
            <p className="faint note">
              None is there, and none is wanted. One is ordered for a domain once that is proven and
              leads here, where an edge serves https.
            </p>
          ) : (
            <Certificates
              all={its}
              onRemoved={(hosts) => {
                leave();
                setSaid(`The certificate for ${hosts} is gone.`);
              }}
            />
          );
        }}
      </Answered>
      <p>
        <Link to="/certificates">All certificates, and how they are ordered</Link>
      </p>
    </Section>
  );
}
