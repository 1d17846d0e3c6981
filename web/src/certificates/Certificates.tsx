import type { Certificate } from "../api/types";
import { CertificateCard } from "./CertificateCard";
import { hosts, removes, which } from "./words";

/** Certificates, each with what can be done about it. */
export function Certificates({
  all,
  onRemoved,
}: {
  all: Certificate[];
  onRemoved: (hosts: string) => void;
}) {
  return (
    <div className="cards">
      {all.map((certificate) => (
        <CertificateCard
          // One that is ordered gets its id meanwhile, and what is done about it goes on.
          key={removes(certificate) ? which(certificate) : hosts(certificate)}
          certificate={certificate}
          onRemoved={onRemoved}
        />
      ))}
    </div>
  );
}
