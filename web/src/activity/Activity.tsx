import { useInfiniteQuery } from "@tanstack/react-query";
import { useState } from "react";
import { eventsQuery } from "../api/queries";
import type { App, EventEntry, EventPage } from "../api/types";
import { Choice } from "../parts/Choice";
import { Answered } from "../parts/Notice";
import { More } from "../parts/Small";
import { EventRow } from "./EventRow";
import { WHO, type Who } from "./words";

/** What happened, the newest first: of one app, or of the whole installation. */
export function Activity({ app }: { app?: App }) {
  const [who, setWho] = useState<Who>("");
  const events = useInfiniteQuery(eventsQuery({ app: app?.id, who: who || undefined }));
  return (
    <>
      <div className="fields log-filter">
        <Choice label="Done by" value={who} options={WHO} onChange={setWho} />
      </div>
      <Answered answer={events} what="what happened">
        {({ pages }) => (
          <>
            <Events events={newestFirst(pages)} all={!events.hasNextPage} />
            <More query={events} />
          </>
        )}
      </Answered>
    </>
  );
}

function Events({ events, all }: { events: EventEntry[]; all: boolean }) {
  if (events.length === 0) {
    return (
      <p className="faint">
        {all ? "Nothing of that happened." : "Nothing of that happened lately."}
      </p>
    );
  }
  return (
    <ul className="lines events">
      {events.map((event) => (
        <EventRow key={event.sequence} event={event} />
      ))}
    </ul>
  );
}

/** Each page has its oldest first. */
const newestFirst = (pages: EventPage[]) => pages.flatMap(({ items }) => items.toReversed());
