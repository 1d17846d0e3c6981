import type { DomainCheck } from "../api/types";
import { Ago } from "../parts/Small";
import { Cell, RowName, Table, TableRow } from "../parts/Table";

/** What each resolver said at the last look. */
export function Resolvers({ check }: { check: DomainCheck }) {
  return (
    <details>
      <summary>
        What resolvers saw{" "}
        <span className="faint">
          <Ago at={check.at} />
        </span>
      </summary>
      <Table
        label="What resolvers saw"
        columns={["Resolver", "The TXT record", "Where it leads"]}
        className="wraps"
      >
        {check.resolvers.map((answer) => (
          <TableRow key={answer.resolver}>
            <RowName>{answer.resolver}</RowName>
            <Cell of="The TXT record" className="breaks">
              {answer.proof}
            </Cell>
            <Cell of="Where it leads" className="breaks">
              {answer.leads}
            </Cell>
          </TableRow>
        ))}
      </Table>
    </details>
  );
}
