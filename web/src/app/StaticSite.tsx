import type { Site } from "../api/types";
import { Section } from "../parts/Section";
import { Fact } from "../parts/Small";
import { Files } from "./Files";

/** What edges serve by themselves, in the place of replicas. */
export function StaticSite({ site }: { site: Site }) {
  return (
    <Section title="Static site">
      <dl className="facts">
        <Fact name="Served by">the edges, from their own disks; nothing of it runs</Fact>
        <Fact name="Files">
          <Files site={site} />
        </Fact>
      </dl>
    </Section>
  );
}
