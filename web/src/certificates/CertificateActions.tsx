import { useMutation, useQueryClient } from "@tanstack/react-query";
import { certificates } from "../api/certificates";
import { certificatesQuery } from "../api/queries";
import type { Certificate } from "../api/types";
import { Asking } from "../parts/Asking";
import { Button } from "../parts/Button";
import { Outcome } from "../parts/Outcome";
import { Refusal } from "../parts/Refusal";
import { hosts, orders, removes, which } from "./words";

/** What can be done about a certificate. */
export function CertificateActions({
  certificate,
  onRemoved,
}: {
  certificate: Certificate;
  onRemoved: (hosts: string) => void;
}) {
  const queries = useQueryClient();
  const again = () => queries.invalidateQueries({ queryKey: certificatesQuery.queryKey });
  const of = hosts(certificate);
  const order = useMutation({
    mutationFn: () => certificates.renew(which(certificate)),
    onSuccess: again,
  });
  const remove = useMutation({
    mutationFn: () => certificates.remove(which(certificate)),
    onSuccess: () => {
      onRemoved(of);
      return again();
    },
  });
  return (
    <>
      <div className="actions">
        {orders(certificate) ? (
          <Button
            rests={order.isPending || certificate.state === "pending"}
            onClick={() => order.mutate()}
          >
            {certificate.id ? "Renew now" : "Order now"}
            <span className="unseen"> {of}</span>
          </Button>
        ) : null}
        {removes(certificate) ? (
          <Asking action="Remove" of={of} title={`Remove it for ${of}?`} does={remove}>
            <p>
              Edges show it no more, at once, and its key is forgotten. Without another one for
              them, these hosts are not reached by https.
            </p>
          </Asking>
        ) : null}
      </div>
      <Outcome>{order.isSuccess ? "It is ordered; how that goes shows here." : ""}</Outcome>
      <Refusal error={order.error} />
    </>
  );
}
