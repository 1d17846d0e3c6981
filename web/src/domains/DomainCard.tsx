import { useId } from "react";
import type { App, Domain } from "../api/types";
import { Status } from "../parts/Mark";
import { Ago, Ahead } from "../parts/Small";
import { useFocusBack } from "../parts/useFocusBack";
import { DomainActions } from "./DomainActions";
import { InFront } from "./InFront";
import { Records } from "./Records";
import { Resolvers } from "./Resolvers";
import { Unsigned } from "./Unsigned";
import { besides, requests, STATE, settled, told } from "./words";

/** A domain: whether it is proven, what its requests get, what is still to be set, what was seen. */
export function DomainCard({
  app,
  domain,
  onRemoved,
}: {
  app: App;
  domain: Domain;
  onRemoved: (host: string) => void;
}) {
  const label = useId();
  const { heading, leave } = useFocusBack();
  const { check } = domain;
  const more = besides(domain);
  return (
    <article className="card" aria-labelledby={label}>
      <div className="card-head">
        <h3 id={label} ref={heading} tabIndex={-1} className="breaks">
          {domain.unicode ?? domain.host}
        </h3>
        {domain.unicode ? <code className="faint breaks">{domain.host}</code> : null}
        <Status tone={STATE[domain.state]} text={domain.state} />
        <span className="breaks">{requests(domain)}</span>
      </div>
      {/* The warning below says the same. */}
      {check?.leads === "proxied" && domain.detail === check.leads_detail ? null : (
        <p className="breaks">{told(domain, domain.detail)}</p>
      )}
      {more ? <p className="breaks">{told(domain, more)}</p> : null}
      <InFront domain={domain} />
      <Unsigned domain={domain} />
      {settled(domain) ? (
        <details>
          <summary>Its records</summary>
          <Records domain={domain} />
        </details>
      ) : (
        <Records domain={domain} />
      )}
      {check ? <Resolvers check={check} /> : null}
      <Moments domain={domain} />
      <DomainActions app={app} domain={domain} onChanged={leave} onRemoved={onRemoved} />
    </article>
  );
}

function Moments({ domain }: { domain: Domain }) {
  return (
    <p className="faint moments">
      <span>
        added <Ago at={domain.added_at} />
      </span>
      {domain.verified_at ? (
        <span>
          proven <Ago at={domain.verified_at} />
        </span>
      ) : null}
      {domain.failing_since ? (
        <span>
          its record went <Ago at={domain.failing_since} />
        </span>
      ) : null}
      {domain.trusted_until ? (
        <span>
          stops leading here <Ahead at={domain.trusted_until} />
        </span>
      ) : null}
    </p>
  );
}
