import type { App } from "../api/types";
import { check } from "../format/health";
import { span } from "../format/span";
import { bytes } from "../format/text";
import { Section } from "../parts/Section";
import { Command, Fact } from "../parts/Small";
import { ChangeRun } from "./ChangeRun";

/** What people set of how the app is built and runs. */
export function HowItRuns({ app }: { app: App }) {
  const { settings } = app;
  return (
    <Section title="How it runs">
      <dl className="facts">
        <Fact name="Port">{settings.port ?? "found from the image"}</Fact>
        <Fact name="Health check">{check(settings)}</Fact>
        <Fact name="Each replica">
          {bytes(settings.memory_bytes)} memory, {settings.cpu_millis / 1000} CPU,{" "}
          {settings.processes} processes at the most
        </Fact>
        <Line name="Entrypoint" words={settings.entrypoint} />
        <Line name="Command" words={settings.command} />
        <Line name="Before it starts" words={settings.release_command} />
        <Line name="Once it is live" words={settings.post_deploy_command} />
        <Fact name="Stops within">{span(settings.stop_within_ms)}</Fact>
        <Fact name="Drains within">{span(settings.drain_within_ms)}</Fact>
        <Fact name="Builds within">{span(settings.build_within_ms)}</Fact>
      </dl>
      <ChangeRun app={app} />
      <p className="faint note">The rest of it is set on the command line, such as:</p>
      <Command text={`hythe app set ${app.name} --health-http /healthz`} />
    </Section>
  );
}

/** A command, where one is set. */
function Line({ name, words }: { name: string; words: string[] | null | undefined }) {
  if (!words) return null;
  return (
    <Fact name={name}>
      <code className="breaks">{words.join(" ")}</code>
    </Fact>
  );
}
