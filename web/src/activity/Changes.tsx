import { useMutation } from "@tanstack/react-query";
import { useState } from "react";
import { journal } from "../api/journal";
import type { App, AppDiff, FieldChange } from "../api/types";
import { moment } from "../format/moment";
import { counted } from "../format/text";
import { AskForm } from "../parts/AskForm";
import { NameField } from "../parts/NameField";
import { Outcome } from "../parts/Outcome";
import { Section } from "../parts/Section";
import { Ago, None } from "../parts/Small";
import { Cell, RowName, Table, TableRow } from "../parts/Table";
import { by } from "./words";

/** What is different of an app between two moments or two of its deployments, and who made it so. */
export function Changes({ app }: { app: App }) {
  const [from, setFrom] = useState("yesterday");
  const [to, setTo] = useState("");
  const compare = useMutation({
    mutationFn: () => journal.diff(app.id, from.trim(), to.trim() || undefined),
  });
  const send = () => {
    if (from.trim()) compare.mutate();
  };
  return (
    <Section title="What changed">
      <AskForm action="Compare" underWay="Comparing…" does={compare} onSend={send}>
        <div className="fields">
          <NameField
            label="Since"
            help="2h ago, yesterday, 2026-11-21, an event's number, or #3."
            value={from}
            required
            onChange={setFrom}
          />
          <NameField
            label="Until"
            help="The same; now, where nothing is said."
            value={to}
            onChange={setTo}
          />
        </div>
      </AskForm>
      <Outcome>{compare.data ? said(compare.data) : ""}</Outcome>
      {compare.data && compare.data.changes.length > 0 ? (
        <ChangeTable changes={compare.data.changes} />
      ) : null}
    </Section>
  );
}

/** What was compared, and how much of it is different. */
function said({ from, to, changes }: AppDiff): string {
  const side = ({ as_of, deployment }: AppDiff["from"]) =>
    deployment ? `#${deployment.number}` : `event ${as_of.sequence} (${moment(as_of.time)})`;
  const many = changes.length;
  const count = many === 0 ? "nothing is" : counted(many, "thing is", "things are");
  return `Between ${side(from)} and ${side(to)}, ${count} different.`;
}

function ChangeTable({ changes }: { changes: FieldChange[] }) {
  return (
    <Table label="What changed" columns={["What", "Before", "After", "Made so"]} className="wraps">
      {changes.map((change) => (
        <TableRow key={change.field}>
          <RowName>{change.field}</RowName>
          <Cell of="Before" className="breaks">
            {change.before ?? <None />}
          </Cell>
          <Cell of="After" className="breaks">
            {change.after ?? <None />}
          </Cell>
          <Cell of="Made so" className="breaks">
            <MadeSo change={change} />
          </Cell>
        </TableRow>
      ))}
    </Table>
  );
}

function MadeSo({ change }: { change: FieldChange }) {
  const event = change.by;
  if (!event) return <None />;
  return (
    <span>
      by {by((change.origin ?? event).actor)}, <Ago at={event.time} />
      <span className="faint">
        {" "}
        event {event.sequence}, {event.type}
      </span>
    </span>
  );
}
