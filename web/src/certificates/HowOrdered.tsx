import { useQuery } from "@tanstack/react-query";
import { certificateSettingsQuery } from "../api/queries";
import type { CertificateSettings } from "../api/types";
import { Answered } from "../parts/Notice";
import { Section } from "../parts/Section";
import { Command, Fact } from "../parts/Small";
import { Warning } from "../parts/Warning";

/** Who signs certificates here, and how hosts are proven to them. */
export function HowOrdered() {
  const settings = useQuery(certificateSettingsQuery);
  return (
    <Section title="How they are ordered">
      <Answered answer={settings} what="how they are ordered">
        {(now) => <Settings settings={now} />}
      </Answered>
    </Section>
  );
}

function Settings({ settings }: { settings: CertificateSettings }) {
  const { agreed, cas, challenges, dns_hook, dns_program, email, local } = settings;
  return (
    <>
      {agreed.length === 0 ? (
        <Warning title="No authority is asked for anything">
          <p>Nobody agreed to the terms of any of them yet. To agree, and to be written to, run:</p>
          <Command text="hythe certificate settings --email ADDRESS --agree-tos" />
        </Warning>
      ) : null}
      <dl className="facts">
        <Fact name="Authorities">
          {cas.map((ca) => (agreed.includes(ca) ? ca : `${ca} (terms not agreed to)`)).join(", ")}
        </Fact>
        <Fact name="They write to">{email ?? "nobody"}</Fact>
        <Fact name="Hosts are proven by">{challenges.join(", ")}</Fact>
        <Fact name="DNS is set by">
          {dns_hook || dns_program ? (
            <code className="breaks">{dns_hook?.url ?? dns_program}</code>
          ) : (
            "nobody: without that there are no wildcards"
          )}
        </Fact>
        <Fact name="Local names">
          {local ? "signed here: whoever opens them has to trust this installation" : "not signed"}
        </Fact>
      </dl>
      <p className="faint note">
        {local ? "What to trust for local names, and to change any of it:" : "To change any of it:"}
      </p>
      {local ? <Command text="hythe certificate ca" /> : null}
      <Command text="hythe certificate settings --help" />
    </>
  );
}
