import type { DomainCheck } from "../api/types";
import { Ago } from "../parts/Small";

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
      <table className="rows wraps">
        <thead>
          <tr>
            <th scope="col">Resolver</th>
            <th scope="col">The TXT record</th>
            <th scope="col">Where it leads</th>
          </tr>
        </thead>
        <tbody>
          {check.resolvers.map((answer) => (
            <tr key={answer.resolver}>
              <th scope="row">{answer.resolver}</th>
              <td data-label="The TXT record" className="breaks">
                {answer.proof}
              </td>
              <td data-label="Where it leads" className="breaks">
                {answer.leads}
              </td>
            </tr>
          ))}
        </tbody>
      </table>
    </details>
  );
}
