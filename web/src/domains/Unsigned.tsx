import type { Domain } from "../api/types";
import { Warning } from "../parts/Warning";
import { told } from "./words";

/** That no authority may sign for it, which would come out only when one refuses. */
export function Unsigned({ domain }: { domain: Domain }) {
  const caa = domain.check?.caa;
  if (!caa) return null;
  return (
    <Warning title="Certificates are refused">
      <p className="breaks">{told(domain, caa.detail)}</p>
    </Warning>
  );
}
