import type { App } from "../api/types";
import { Section } from "../parts/Section";

/** Hosts that somebody gave the app without any proof. */
export function Unproven({ app }: { app: App }) {
  const { domains } = app.settings;
  if (domains.length === 0) return null;
  return (
    <Section title="Set without proof">
      <ul className="names">
        {domains.map((domain) => (
          <li key={domain}>
            <code>{domain}</code>
          </li>
        ))}
      </ul>
      <p className="faint">
        They are settings of the app, which lead to it without a TXT record. Nobody looks whether
        they lead here.
      </p>
    </Section>
  );
}
