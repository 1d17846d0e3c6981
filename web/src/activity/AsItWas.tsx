import { useMutation } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { useState } from "react";
import { api } from "../api/client";
import type { App } from "../api/types";
import { Source } from "../app/Source";
import { check } from "../format/health";
import { moment } from "../format/moment";
import { bytes } from "../format/text";
import { AskForm } from "../parts/AskForm";
import { NameField } from "../parts/NameField";
import { Outcome } from "../parts/Outcome";
import { Section } from "../parts/Section";
import { Fact } from "../parts/Small";

/** The app as it was at a moment of the past. */
export function AsItWas({ app }: { app: App }) {
  const [at, setAt] = useState("");
  const look = useMutation({ mutationFn: () => api.appAt(app.id, at.trim()) });
  const send = () => {
    if (at.trim()) look.mutate();
  };
  const then = look.data;
  return (
    <Section title="As it was">
      <AskForm action="Show it" underWay="Looking…" does={look} onSend={send}>
        <div className="fields">
          <NameField
            label="When"
            help="2h ago, yesterday, 2026-11-21, or an event's number."
            value={at}
            required
            onChange={setAt}
          />
        </div>
      </AskForm>
      <Outcome>{then ? said(then) : ""}</Outcome>
      {then ? <Then app={then} /> : null}
    </Section>
  );
}

function said({ name, status_detail, as_of }: App): string {
  const when = as_of ? ` after event ${as_of.sequence} (${moment(as_of.time)})` : "";
  return `${name}${when}: ${status_detail}.`;
}

/** What is kept of it; how its replicas were then is not. */
function Then({ app }: { app: App }) {
  const { live, settings, replicas_wanted, url } = app;
  return (
    <>
      <dl className="facts">
        <Fact name="Live">
          {live ? (
            <Link to="/deployments/$deployment" params={{ deployment: live.id }}>
              #{live.number}
            </Link>
          ) : (
            "nothing"
          )}
        </Fact>
        <Fact name="Address">{url || "none"}</Fact>
        <Fact name="Replicas">
          {replicas_wanted}, each with {bytes(settings.memory_bytes)} memory and{" "}
          {settings.cpu_millis / 1000} CPU
        </Fact>
        <Fact name="Health check">{check(settings)}</Fact>
        <Fact name="Domains">{settings.domains.join(", ") || "none"}</Fact>
      </dl>
      <Source app={app} />
    </>
  );
}
