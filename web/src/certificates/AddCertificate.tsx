import { useMutation, useQueryClient } from "@tanstack/react-query";
import { type FormEvent, useState } from "react";
import { certificates } from "../api/certificates";
import { certificatesQuery } from "../api/queries";
import type { Certificate } from "../api/types";
import { Button } from "../parts/Button";
import { Field } from "../parts/Field";
import { Outcome } from "../parts/Outcome";
import { Refusal } from "../parts/Refusal";
import { wrongFile } from "./files";
import { hosts } from "./words";

interface Files {
  chain?: File | undefined;
  key?: File | undefined;
}

/** Gives a certificate that somebody else signed. Its key is read when it is sent, and not kept. */
export function AddCertificate() {
  const queries = useQueryClient();
  // A file input is only ever emptied by being made anew.
  const [sent, setSent] = useState(0);
  const [{ chain, key }, setFiles] = useState<Files>({});
  const add = useMutation({
    gcTime: 0,
    mutationFn: async (files: { chain: File; key: File }) =>
      certificates.add(await files.chain.text(), await files.key.text()),
    onSuccess: () => {
      setSent(sent + 1);
      setFiles({});
      return queries.invalidateQueries({ queryKey: certificatesQuery.queryKey });
    },
  });
  const wrong = { chain: chain && wrongFile(chain), key: key && wrongFile(key) };
  const ready = chain && key && !wrong.chain && !wrong.key;
  const choose = (files: Files) => {
    if (!add.isPending) add.reset();
    setFiles({ chain, key, ...files });
  };
  const submit = (event: FormEvent) => {
    event.preventDefault();
    if (ready) add.mutate({ chain, key });
  };
  return (
    <form className="form" onSubmit={submit}>
      <div className="fields" key={sent}>
        <Field
          label="Certificate"
          help="A file in PEM with its whole chain, the certificate itself first."
          wrong={wrong.chain}
        >
          {(wired) => (
            <input
              {...wired}
              type="file"
              accept=".pem,.crt,.cer"
              onChange={(event) => choose({ chain: event.target.files?.[0] })}
            />
          )}
        </Field>
        <Field
          label="Private key"
          help="A file in PEM (PKCS #8), without a passphrase. It is kept sealed and shown to nobody."
          wrong={wrong.key}
        >
          {(wired) => (
            <input
              {...wired}
              type="file"
              accept=".pem,.key"
              onChange={(event) => choose({ key: event.target.files?.[0] })}
            />
          )}
        </Field>
      </div>
      <div className="actions">
        <Button type="submit" rests={!ready || add.isPending}>
          {add.isPending ? "Sending…" : "Give the certificate"}
        </Button>
      </div>
      <Outcome>{said(add.data)}</Outcome>
      <Refusal error={add.error} />
    </form>
  );
}

const said = (added: Certificate | undefined) =>
  added ? `${hosts(added)}: it is served from now on, and nobody renews it.` : "";
