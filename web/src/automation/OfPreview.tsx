import { Link } from "@tanstack/react-router";
import type { PreviewOf } from "../api/types";
import { Section } from "../parts/Section";

/** What deploys a preview: its pull request, and nothing that is set of itself. */
export function OfPreview({ preview: { app, number } }: { preview: PreviewOf }) {
  return (
    <Section title="What deploys it">
      <p>
        It follows pull request #{number}. Webhooks and previews are those of{" "}
        <Link to="/apps/$app/automation" params={{ app }}>
          {app}
        </Link>
        .
      </p>
    </Section>
  );
}
