import { Link } from "@tanstack/react-router";
import { useId, useState } from "react";
import type { EventEntry } from "../api/types";
import { sentence } from "../format/text";
import { Ago } from "../parts/Small";
import { WhyItHappened } from "./WhyItHappened";
import { by } from "./words";

/** An event: what, when, by whom and, where somebody asks, why. */
export function EventRow({ event }: { event: EventEntry }) {
  const [open, setOpen] = useState(false);
  const told = useId();
  const { sequence, says, time, actor, type } = event;
  return (
    <li>
      <span className="event-says breaks">{sentence(says)}</span>
      <span className="faint">
        <Ago at={time} />
      </span>
      <span className="faint breaks">by {by(actor)}</span>
      <Of event={event} />
      <button
        type="button"
        className="link"
        aria-expanded={open}
        aria-controls={open ? told : undefined}
        onClick={() => setOpen(!open)}
      >
        Why<span className="unseen"> did event {sequence} happen</span>
      </button>
      {open ? (
        <div id={told} className="whole">
          <p className="faint">
            Event {sequence}, <code className="breaks">{type}</code>
          </p>
          <WhyItHappened sequence={sequence} />
        </div>
      ) : null}
    </li>
  );
}

/** The page of what it happened to, where there is one. */
function Of({ event: { aggregate, id } }: { event: EventEntry }) {
  if (aggregate === "deployment") {
    return (
      <Link to="/deployments/$deployment" params={{ deployment: id }}>
        the deployment
      </Link>
    );
  }
  if (aggregate === "app") {
    return (
      <Link to="/apps/$app" params={{ app: id }}>
        the app
      </Link>
    );
  }
  return <span className="faint">the {aggregate}</span>;
}
