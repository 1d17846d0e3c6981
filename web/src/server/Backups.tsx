import type { BackupStatus } from "../api/types";
import { span } from "../format/span";
import { bytes } from "../format/text";
import { Status } from "../parts/Mark";
import { Section } from "../parts/Section";
import { Ago, Ahead, Command, Fact } from "../parts/Small";
import { BackUpNow } from "./BackUpNow";

/** Where the last backup is, when the next one is due, and how far the mirror is. */
export function Backups({ backup }: { backup: BackupStatus }) {
  const { made, failed, schedule, mirror, running } = backup;
  return (
    <Section title="Backups" aside={running ? "one is being made" : undefined}>
      <dl className="facts">
        <Fact name="Last one">
          {made ? (
            <>
              <Ago at={made.at} />, {bytes(made.bytes)},{" "}
              {made.to ? (
                <>
                  in <code className="breaks">{made.to}</code>
                </>
              ) : (
                "handed out"
              )}
            </>
          ) : (
            <Status tone="warn" text="none was ever made" />
          )}
        </Fact>
        {failed ? (
          <Fact name="Failed">
            <Status tone="bad" text="the last attempt" /> <Ago at={failed.at} />
            <p className="breaks">{failed.why}</p>
          </Fact>
        ) : null}
        <Fact name="By itself">
          {schedule ? (
            <>
              every {span(schedule.every_ms)} to <code className="breaks">{schedule.to}</code>, the
              last {schedule.keep} kept;{" "}
              {schedule.overdue ? (
                <Status tone="bad" text="overdue" />
              ) : (
                <>
                  the next one <Ahead at={schedule.next_at} />
                </>
              )}
            </>
          ) : (
            "none is made without being asked for"
          )}
        </Fact>
        <Fact name="Mirror">
          {mirror ? (
            <>
              <code className="breaks">{mirror.to}</code>, up to event {mirror.head},{" "}
              {mirror.lag_ms === 0 ? "all is there" : `${span(mirror.lag_ms)} behind`}
              {mirror.trouble ? <p className="breaks">{mirror.trouble}</p> : null}
            </>
          ) : (
            "none"
          )}
        </Fact>
      </dl>
      {schedule ? (
        <BackUpNow to={schedule.to} recipient={schedule.recipient} />
      ) : (
        <>
          <p className="faint note">To have them made by themselves:</p>
          <Command text="hythe backup schedule --to s3://BUCKET/hythe --every 1d --keep 7" />
        </>
      )}
    </Section>
  );
}
