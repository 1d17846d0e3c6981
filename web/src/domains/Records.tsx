import type { DnsRecord, Domain } from "../api/types";
import { CopyButton } from "../parts/CopyButton";
import { Status } from "../parts/Mark";
import { Command } from "../parts/Small";
import { Cell, RowName, Table, TableRow } from "../parts/Table";
import { leads, proof, type Said } from "./words";

/** What to set where the domain's DNS is kept, to the letter, and what of it is there. */
export function Records({ domain }: { domain: Domain }) {
  const kinds = domain.target.map((record) => record.type);
  const caa = domain.check?.caa?.record;
  return (
    <>
      <Table
        label={`Records to set for ${domain.host}`}
        columns={["Type", "Name", "Value", "Found"]}
        className="wraps"
      >
        <RecordRow record={domain.proof} said={proof(domain.check)} />
        {domain.target.map((record) => (
          <RecordRow
            key={`${record.type} ${record.value}`}
            record={record}
            said={leads(domain.check)}
          />
        ))}
        {caa ? <RecordRow record={caa} said={{ tone: "bad", text: "missing" }} /> : null}
      </Table>
      <p className="faint note">
        The TXT record proves the domain and has to stay.{" "}
        {kinds.length > 1 && kinds.includes("CNAME")
          ? "Set either the CNAME or the addresses: at the top of a zone there can be no CNAME."
          : null}
      </p>
      {kinds.length === 0 ? <NoTarget /> : null}
    </>
  );
}

function RecordRow({ record, said }: { record: DnsRecord; said: Said }) {
  return (
    <TableRow>
      <RowName>{record.type}</RowName>
      <Cell of="Name">
        <Copied text={record.name} what={`the name of the ${record.type} record`} />
      </Cell>
      <Cell of="Value">
        <Copied text={record.value} what={`the value of the ${record.type} record`} />
      </Cell>
      <Cell of="Found">
        <Status tone={said.tone} text={said.text} />
      </Cell>
    </TableRow>
  );
}

function Copied({ text, what }: { text: string; what: string }) {
  return (
    <span className="copied">
      <code className="breaks">{text}</code>
      <CopyButton text={text} what={what} />
    </span>
  );
}

function NoTarget() {
  return (
    <div className="note">
      <p>Where the domain is to lead is not known here. Say under which host edges are reached:</p>
      <Command text="hythe domain settings --target HOST" />
    </div>
  );
}
