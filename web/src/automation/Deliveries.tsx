import { useQuery } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { useState } from "react";
import { deliveriesQuery } from "../api/queries";
import type { Delivery, Hook } from "../api/types";
import { counted } from "../format/text";
import { usePolling } from "../live/live";
import { Status } from "../parts/Mark";
import { Answered } from "../parts/Notice";
import { Ago, Commit, None } from "../parts/Small";
import { Cell, RowName, Table, TableRow } from "../parts/Table";
import { type Came, came, OUTCOME } from "./outcome";

/** So many are shown at first. */
const FIRST = 8;

/** What a provider told lately, and what came of it, or why nothing did. */
export function Deliveries({ hook }: { hook: Pick<Hook, "id"> }) {
  const [all, setAll] = useState(false);
  // What is refused is no event.
  const deliveries = useQuery({ ...deliveriesQuery(hook.id), refetchInterval: usePolling() });
  return (
    <>
      <h4>Deliveries</h4>
      <Answered answer={deliveries} what="deliveries">
        {({ items }) =>
          items.length === 0 ? (
            <p className="faint">Nothing came yet. Providers have a button to send a test.</p>
          ) : (
            <>
              <DeliveryTable items={all ? items : items.slice(0, FIRST)} />
              {items.length > FIRST && !all ? (
                <button type="button" className="more" onClick={() => setAll(true)}>
                  Show all {counted(items.length, "delivery", "deliveries")}
                </button>
              ) : null}
            </>
          )
        }
      </Answered>
    </>
  );
}

function DeliveryTable({ items }: { items: Delivery[] }) {
  return (
    <Table
      label="Deliveries"
      columns={["Came", "Event", "Of", "Commit", "By", "Outcome"]}
      className="wraps"
    >
      {items.map((delivery, index) => (
        // What was refused has no id, and several may come in the same moment.
        // biome-ignore lint/suspicious/noArrayIndexKey: rows keep nothing
        <TableRow key={index}>
          <RowName>
            <Ago at={delivery.at} />
          </RowName>
          <Cell of="Event">{delivery.event ?? <None />}</Cell>
          <Cell of="Of" className="breaks">
            {delivery.reference ?? <None />}
          </Cell>
          <Cell of="Commit">
            <Commit id={delivery.commit} />
          </Cell>
          <Cell of="By" className="breaks">
            {delivery.sender ?? <None />}
          </Cell>
          <Cell of="Outcome">
            <div>
              {came(delivery).map((one) => (
                <CameOf key={one.app ?? ""} came={one} />
              ))}
            </div>
          </Cell>
        </TableRow>
      ))}
    </Table>
  );
}

function CameOf({ came: { app, outcome, reason, deployment } }: { came: Came }) {
  return (
    <div>
      <Status tone={OUTCOME[outcome]} text={app ? `${app}: ${outcome}` : outcome} />
      {deployment ? (
        <>
          {" "}
          <Link to="/deployments/$deployment" params={{ deployment }}>
            the deployment
          </Link>
        </>
      ) : null}
      {reason ? <p className="faint breaks">{reason}</p> : null}
    </div>
  );
}
