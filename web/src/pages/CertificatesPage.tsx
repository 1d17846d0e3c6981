import { useQuery } from "@tanstack/react-query";
import { useState } from "react";
import { certificatesQuery } from "../api/queries";
import type { Certificate } from "../api/types";
import { AddCertificate } from "../certificates/AddCertificate";
import { Certificates } from "../certificates/Certificates";
import { HowOrdered } from "../certificates/HowOrdered";
import { arranged, summary } from "../certificates/words";
import { usePolling } from "../live/live";
import { NameField } from "../parts/NameField";
import { Answered } from "../parts/Notice";
import { Outcome } from "../parts/Outcome";
import { Section } from "../parts/Section";
import { Heading, More } from "../parts/Small";
import { useFocusBack } from "../parts/useFocusBack";

/** So many are shown at first: an installation may have thousands. */
const SHOWN = 50;

/** The certificates of the whole installation. */
export function CertificatesPage() {
  // What becomes of an order is seen, not an event.
  const answer = useQuery({ ...certificatesQuery, refetchInterval: usePolling() });
  const { heading, leave } = useFocusBack();
  const [said, setSaid] = useState("");
  return (
    <div className="page">
      <div className="title">
        <Heading title="Certificates">Certificates</Heading>
        {answer.data?.items.length ? <p className="faint">{summary(answer.data.items)}</p> : null}
      </div>
      <div className="sections">
        <Section title="There, or wanted" heading={heading}>
          <Outcome>{said}</Outcome>
          <Answered answer={answer} what="certificates">
            {({ items }) => (
              <All
                items={items}
                onRemoved={(hosts) => {
                  leave();
                  setSaid(`The certificate for ${hosts} is gone.`);
                }}
              />
            )}
          </Answered>
        </Section>
        <Section title="Give one of your own">
          <AddCertificate />
        </Section>
        <HowOrdered />
      </div>
    </div>
  );
}

function All({ items, onRemoved }: { items: Certificate[]; onRemoved: (hosts: string) => void }) {
  const [part, setPart] = useState("");
  const [most, setMost] = useState(SHOWN);
  if (items.length === 0) {
    return (
      <div className="empty">
        <p>
          None is there, and none is wanted. Certificates are ordered for proven domains, and for
          the hosts of apps under a public base domain, once an edge serves https.
        </p>
      </div>
    );
  }
  const found = arranged(items, part);
  return (
    <>
      <div className="fields log-filter">
        <NameField label="Host or app contains" type="search" value={part} onChange={setPart} />
      </div>
      {found.length === 0 ? <p className="faint">None of the {items.length} fits.</p> : null}
      <Certificates all={found.slice(0, most)} onRemoved={onRemoved} />
      <More
        query={{
          hasNextPage: found.length > most,
          isFetchingNextPage: false,
          fetchNextPage: () => setMost(most + SHOWN),
        }}
      />
    </>
  );
}
