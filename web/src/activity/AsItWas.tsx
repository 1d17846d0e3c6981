import { useMutation } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { type FormEvent, useState } from "react";
import { api } from "../api/client";
import type { App } from "../api/types";
import { Source } from "../app/Source";
import { check } from "../format/health";
import { moment } from "../format/moment";
import { bytes } from "../format/text";
import { Button } from "../parts/Button";
import { Field } from "../parts/Field";
import { Outcome } from "../parts/Outcome";
import { Refusal } from "../parts/Refusal";
import { Section } from "../parts/Section";
import { Fact } from "../parts/Small";

/** The app as it was at a moment of the past. */
export function AsItWas({ app }: { app: App }) {
  const [at, setAt] = useState("");
  const look = useMutation({ mutationFn: () => api.appAt(app.id, at.trim()) });
  const submit = (event: FormEvent) => {
    event.preventDefault();
    if (at.trim() && !look.isPending) look.mutate();
  };
  const then = look.data;
  return (
    <Section title="As it was">
      <form className="form" onSubmit={submit}>
        <div className="fields">
          <Field label="When" help="2h ago, yesterday, 2026-11-21, or an event's number.">
            {(wired) => (
              <input
                {...wired}
                value={at}
                autoCapitalize="none"
                autoComplete="off"
                spellCheck={false}
                required
                onChange={(event) => setAt(event.target.value)}
              />
            )}
          </Field>
        </div>
        <div className="actions">
          <Button type="submit" rests={look.isPending}>
            {look.isPending ? "Looking…" : "Show it"}
          </Button>
        </div>
        <Refusal error={look.error} />
      </form>
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
