import { Link } from "@tanstack/react-router";
import { useId } from "react";
import { clockAhead } from "../api/client";
import type { Certificate } from "../api/types";
import { useNow } from "../live/live";
import { Status } from "../parts/Mark";
import { Ago, Ahead } from "../parts/Small";
import { CertificateActions } from "./CertificateActions";
import { hosts, STATE, signer, told } from "./words";

/** A certificate: for which hosts, how it stands, until when, and what can be done about it. */
export function CertificateCard({
  certificate,
  onRemoved,
}: {
  certificate: Certificate;
  onRemoved: (hosts: string) => void;
}) {
  const label = useId();
  const { app, state } = certificate;
  return (
    <article className="card" aria-labelledby={label}>
      <div className="card-head">
        <h3 id={label} className="breaks">
          {hosts(certificate)}
        </h3>
        <Status tone={STATE[state]} text={state} />
        <span>{signer(certificate)}</span>
        {app ? (
          <span>
            for{" "}
            <Link to="/apps/$app" params={{ app }}>
              {app}
            </Link>
          </span>
        ) : null}
      </div>
      <p className="breaks">{told(certificate)}</p>
      <Moments certificate={certificate} />
      <CertificateActions certificate={certificate} onRemoved={onRemoved} />
    </article>
  );
}

function Moments({ certificate }: { certificate: Certificate }) {
  const { not_after, renew_at, next_attempt, challenge, serial } = certificate;
  return (
    <p className="faint moments">
      {not_after ? <Until at={not_after} /> : null}
      {renew_at ? (
        <span>
          renewed <Ahead at={renew_at} />
        </span>
      ) : null}
      {next_attempt ? (
        <span>
          tried again <Ahead at={next_attempt} />
        </span>
      ) : null}
      {challenge ? <span>proven by {challenge}</span> : null}
      {serial ? (
        <span>
          serial number <code className="breaks">{serial}</code>
        </span>
      ) : null}
    </p>
  );
}

function Until({ at }: { at: string }) {
  const now = useNow(60_000) + clockAhead();
  const date = new Date(at).toLocaleDateString();
  return Date.parse(at) > now ? (
    <span>
      good until {date}, <Ahead at={at} />
    </span>
  ) : (
    <span>
      was good until {date}, <Ago at={at} />
    </span>
  );
}
