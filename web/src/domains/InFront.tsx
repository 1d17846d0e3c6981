import type { Domain } from "../api/types";
import { Warning } from "../parts/Warning";
import { told } from "./words";

/** That a network stands in front, which is easily forgotten and breaks certificates. */
export function InFront({ domain }: { domain: Domain }) {
  const { check } = domain;
  if (check?.leads !== "proxied") return null;
  return (
    <Warning title={`${check.network ?? "A network"} stands in front`}>
      <p className="breaks">{told(domain, check.leads_detail)}</p>
    </Warning>
  );
}
