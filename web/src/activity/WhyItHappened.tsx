import { useQuery } from "@tanstack/react-query";
import { whyQuery } from "../api/queries";
import type { Why, WhyStep } from "../api/types";
import { counted } from "../format/text";
import { Answered } from "../parts/Notice";
import { Ago } from "../parts/Small";
import { began } from "./words";

/** So much of what followed is shown; the command line has all of it. */
const MOST_EFFECTS = 20;

/** What an event goes back to, up to the request, and what followed from it. */
export function WhyItHappened({ sequence }: { sequence: number }) {
  const why = useQuery(whyQuery(sequence));
  return (
    <Answered answer={why} what="why">
      {(told) => <Told why={told} />}
    </Answered>
  );
}

function Told({ why: { beginning, chain, effects, more_effects } }: { why: Why }) {
  const followed = effects ?? [];
  const first = chain[0]?.event;
  return (
    <>
      <p>{began(beginning, first)}</p>
      <Steps steps={chain} />
      {followed.length > 0 ? (
        <>
          <p>
            {counted(followed.length, "event")} followed from it
            {more_effects ? ", and there may be more" : ""}:
          </p>
          <Steps steps={followed.slice(0, MOST_EFFECTS)} />
        </>
      ) : null}
      {followed.length > MOST_EFFECTS ? (
        <p className="faint">These are the first {MOST_EFFECTS}.</p>
      ) : null}
      {first && beginning === "request" ? (
        <p className="faint">
          Request <code className="breaks">{first.correlation}</code>
        </p>
      ) : null}
    </>
  );
}

function Steps({ steps }: { steps: WhyStep[] }) {
  return (
    <ol className="chain">
      {steps.map(({ event, says, subject }) => (
        <li key={event.sequence} className="breaks">
          {subject}: {says}{" "}
          <span className="faint">
            <Ago at={event.time} />
          </span>
        </li>
      ))}
    </ol>
  );
}
