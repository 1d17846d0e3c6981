import type { ServerStatus } from "../api/types";
import { bytes, counted, sentence } from "../format/text";
import { Status } from "../parts/Mark";
import { Section } from "../parts/Section";
import { Ago, Fact } from "../parts/Small";
import { Warning } from "../parts/Warning";

/** What was looked at, what is worth a warning, and how much room there is. */
export function HowItIs({ status }: { status: ServerStatus }) {
  const { ready, checks, warnings, journal, restored_at, installation } = status;
  return (
    <Section title="How it is doing" aside={ready ? "ready" : "not ready"}>
      {warnings.length > 0 ? (
        <Warning title={counted(warnings.length, "warning")}>
          <ul>
            {warnings.map((warning) => (
              <li key={warning} className="breaks">
                {sentence(warning)}
              </li>
            ))}
          </ul>
        </Warning>
      ) : null}
      <dl className="facts">
        {checks.map(({ name, ok, detail }) => (
          <Fact key={name} name={name}>
            <Status tone={ok ? "good" : "bad"} text={ok ? "well" : "not well"} />{" "}
            <span className="breaks">{detail}</span>
          </Fact>
        ))}
        <Fact name="Disk">
          {bytes(journal.bytes)} for {counted(journal.head, "event")}
          {journal.disk_bytes > 0
            ? `; ${bytes(journal.disk_free_bytes)} of ${bytes(journal.disk_bytes)} left`
            : null}
        </Fact>
        {restored_at ? (
          <Fact name="Restored">
            from a backup, <Ago at={restored_at} />
          </Fact>
        ) : null}
        <Fact name="Installation">
          <code className="breaks">{installation}</code>
        </Fact>
      </dl>
    </Section>
  );
}
