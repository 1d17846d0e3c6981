import { useQuery } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { useState } from "react";
import { edgeQuery } from "../api/queries";
import type { App } from "../api/types";
import { Choice } from "../parts/Choice";
import { NameField } from "../parts/NameField";
import { Warning } from "../parts/Warning";
import { type AccessFilter, EVERYTHING, fits, STATUS, versionsOf, wantsAll } from "./access";
import type { Row } from "./buffer";
import { LogView } from "./LogView";
import { textOf } from "./save";
import { accessLog } from "./sources";

/** What edges tell of an app's requests, and which of them are looked for. */
export function AccessLog({ app }: { app: App }) {
  const [chosen, setFilter] = useState<AccessFilter>(EVERYTHING);
  const versions = versionsOf(app);
  // One that is over cannot be chosen any more, nor unchosen.
  const version = versions.some(([id]) => id === chosen.version) ? chosen.version : "";
  const filter = { ...chosen, version };
  // What is not a request says what is missing, whichever requests are looked for.
  const keeps = (row: Row) => row.kind !== "request" || fits(row.request, filter);
  return (
    <LogView
      key={app.id}
      source={accessLog(app.name)}
      title="Requests"
      label={`Requests to ${app.name}`}
      one="request"
      empty={`Nothing yet. Requests to ${app.name} appear here once they are answered.`}
      keeps={wantsAll(filter) ? undefined : keeps}
      file={`${app.name}-requests.log`}
      text={textOf}
      clocked
      columns={36}
    >
      <SwitchedOff app={app} />
      <div className="fields log-filter">
        <Choice
          label="Status"
          value={filter.status}
          options={STATUS}
          onChange={(status) => setFilter({ ...filter, status })}
        />
        {versions.length > 0 ? (
          <Choice
            label="Version"
            value={filter.version}
            options={versions}
            onChange={(version) => setFilter({ ...filter, version })}
          />
        ) : null}
        <NameField
          label="Host and path contain"
          type="search"
          value={filter.place}
          onChange={(place) => setFilter({ ...filter, place })}
        />
      </div>
    </LogView>
  );
}

function SwitchedOff({ app }: { app: App }) {
  const edge = useQuery(edgeQuery(app.name));
  if (edge.data?.access_log !== false) return null;
  return (
    <Warning title="Requests are not told">
      <p>
        The access log is switched off. To have requests told from now on, switch it on{" "}
        <Link to="/apps/$app/traffic" params={{ app: app.name }}>
          where its traffic is set
        </Link>
        .
      </p>
    </Warning>
  );
}
