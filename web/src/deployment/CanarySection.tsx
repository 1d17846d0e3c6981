import { Link } from "@tanstack/react-router";
import { type CSSProperties, useState } from "react";
import { canaries } from "../api/canaries";
import type { App, Canary } from "../api/types";
import { counted } from "../format/text";
import { Asking } from "../parts/Asking";
import { Field } from "../parts/Field";
import { Outcome } from "../parts/Outcome";
import { Section } from "../parts/Section";
import { Ahead } from "../parts/Small";
import { sharesOf } from "./canary";
import { PART, partOf } from "./deploy";
import { useChange } from "./useDeployment";

/** A new version that takes a part of the requests: which one, and what becomes of it. */
export function CanarySection({
  app,
  canary,
  takes,
  onOver,
}: {
  app: App;
  canary: Canary;
  /** Whether it takes its part already. */
  takes: boolean;
  /** It is promoted or taken back, and this goes. */
  onOver: (said: string) => void;
}) {
  const { deployment, percent, targets, until } = canary;
  return (
    <Section title="Canary">
      <p>
        <Link to="/deployments/$deployment" params={{ deployment: deployment.id }}>
          #{deployment.number}
        </Link>{" "}
        {takes
          ? `${sharesOf(canary)}.`
          : `is to take ${percent}% of the requests, once it is healthy.`}
      </p>
      {takes ? (
        <>
          <div className="scale canary-part" aria-hidden="true">
            <span className="scale-part" style={{ "--part": percent } as CSSProperties} />
            <span className="scale-part" style={{ "--part": 100 - percent } as CSSProperties} />
          </div>
          <p className="faint moments">
            {targets.length > 0 ? <span>taken by {counted(targets.length, "replica")}</span> : null}
            {until ? (
              <span>
                taken back <Ahead at={until} />, unless it is promoted before
              </span>
            ) : null}
            <span>
              <Link to="/apps/$app/logs" params={{ app: app.name }} search={{ log: "requests" }}>
                how requests go
              </Link>
            </span>
          </p>
          <CanaryActions app={app} canary={canary} onOver={onOver} />
        </>
      ) : null}
    </Section>
  );
}

function CanaryActions({
  app,
  canary,
  onOver,
}: {
  app: App;
  canary: Canary;
  onOver: (said: string) => void;
}) {
  const { number } = canary.deployment;
  const [text, setText] = useState<string>();
  const [wrong, setWrong] = useState<string>();
  const given = text ?? String(canary.percent);
  const [said, setSaid] = useState("");
  const weigh = useChange(app.name, async () => {
    const now = await canaries.weigh(app.name, partOf(given) ?? canary.percent);
    setText(undefined);
    setSaid(`#${number} is to take ${given}% of the requests.`);
    return now;
  });
  const promote = useChange(app.name, async () => {
    const now = await canaries.promote(app.name);
    onOver(`#${number} gets all requests.`);
    return now;
  });
  const abort = useChange(app.name, async () => {
    const now = await canaries.abort(app.name);
    onOver(`#${number} is taken back.`);
    return now;
  });
  return (
    <>
      <div className="actions">
        <Asking action="Promote it" title={`Give #${number} all requests?`} does={promote} harmless>
          <p>
            Edges send all new requests to it, and the version before it ends once its own are
            answered.
          </p>
        </Asking>
        <Asking
          action="Change its part"
          title={`How many of the requests is #${number} to take?`}
          does={weigh}
          harmless
          ready={() => {
            const fits = partOf(given) !== undefined;
            setWrong(fits ? undefined : PART);
            return fits;
          }}
        >
          <Field label="Its part of the requests, in per cent" wrong={wrong}>
            {(wired) => (
              <input
                {...wired}
                value={given}
                inputMode="numeric"
                autoComplete="off"
                onChange={(event) => setText(event.target.value)}
              />
            )}
          </Field>
          <p className="faint">It holds at once, for new requests.</p>
        </Asking>
        <Asking action="Take it back" title={`Take #${number} back?`} does={abort}>
          <p>All requests go to the version that is live, and #{number} ends as cancelled.</p>
        </Asking>
      </div>
      <Outcome>{said}</Outcome>
    </>
  );
}
