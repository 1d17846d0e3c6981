import type { App } from "../api/types";
import { Section } from "../parts/Section";
import { Ago, Command, Fact } from "../parts/Small";
import { Version } from "./Version";

/** What the app is made from. */
export function Source({ app }: { app: App }) {
  const { settings } = app;
  return (
    <Section title="Source">
      <dl className="facts">
        {settings.image ? (
          <Fact name="Image">
            <code className="breaks">{settings.image}</code>
          </Fact>
        ) : settings.upload ? (
          <Fact name="Upload">
            {settings.branch ? "pushed here by git" : "a folder or an archive that was sent"}
          </Fact>
        ) : settings.repository ? (
          <>
            <Fact name="Repository">
              <code className="breaks">{settings.repository}</code>
            </Fact>
            <Fact name="Version">
              <Version settings={settings} />
            </Fact>
          </>
        ) : (
          <Fact name="Repository">
            none yet: nothing can be deployed without one
            <Command text={`hythe deploy ${app.name} --repo https://github.com/you/my-app.git`} />
          </Fact>
        )}
        {settings.image ? null : (
          <Fact name="Dockerfile">
            {settings.dockerfile ? <code>{settings.dockerfile}</code> : "found by itself"}
          </Fact>
        )}
        <Fact name="Project">{app.project}</Fact>
        <Fact name="Created">
          <Ago at={app.created_at} />
        </Fact>
      </dl>
    </Section>
  );
}
