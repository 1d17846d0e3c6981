import type { DnsRecord, Domain } from "../api/types";
import { CopyButton } from "../parts/CopyButton";
import { Status } from "../parts/Mark";
import { Command } from "../parts/Small";
import { leads, proof, type Said } from "./words";

/** What to set where the domain's DNS is kept, to the letter, and what of it is there. */
export function Records({ domain }: { domain: Domain }) {
  const kinds = domain.target.map((record) => record.type);
  const caa = domain.check?.caa?.record;
  return (
    <>
      <table className="rows wraps">
        <caption className="unseen">Records to set for {domain.host}</caption>
        <thead>
          <tr>
            <th scope="col">Type</th>
            <th scope="col">Name</th>
            <th scope="col">Value</th>
            <th scope="col">Found</th>
          </tr>
        </thead>
        <tbody>
          <RecordRow record={domain.proof} said={proof(domain.check)} />
          {domain.target.map((record) => (
            <RecordRow
              key={`${record.type} ${record.value}`}
              record={record}
              said={leads(domain.check)}
            />
          ))}
          {caa ? <RecordRow record={caa} said={{ tone: "bad", text: "missing" }} /> : null}
        </tbody>
      </table>
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
    <tr>
      <th scope="row">{record.type}</th>
      <td data-label="Name">
        <Copied text={record.name} what={`the name of the ${record.type} record`} />
      </td>
      <td data-label="Value">
        <Copied text={record.value} what={`the value of the ${record.type} record`} />
      </td>
      <td data-label="Found">
        <Status tone={said.tone} text={said.text} />
      </td>
    </tr>
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
