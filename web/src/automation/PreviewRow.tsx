import { useMutation, useQueryClient } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { previews } from "../api/automation";
import { previewsQuery } from "../api/queries";
import type { App, Preview } from "../api/types";
import { href } from "../format/text";
import { Asking } from "../parts/Asking";
import { type MarkTone, Status } from "../parts/Mark";
import { Address, Ago, Commit, None } from "../parts/Small";
import { Cell, RowName, TableRow } from "../parts/Table";

/** The states that the API has; another one would be newer than this page. */
const TONE: Partial<Record<string, MarkTone>> = {
  building: "busy",
  live: "good",
  failed: "bad",
  stopped: "idle",
};

/** A preview: of which pull request, how it fares, where it answers. */
export function PreviewRow({
  app,
  preview,
  onRemoved,
}: {
  app: App;
  preview: Preview;
  onRemoved: () => void;
}) {
  const queries = useQueryClient();
  const remove = useMutation({
    mutationFn: () => previews.remove(app.name, preview.number),
    onSuccess: () => {
      onRemoved();
      return queries.invalidateQueries({ queryKey: previewsQuery(app.name).queryKey });
    },
  });
  const { deployment } = preview;
  const page = preview.page ? href(preview.page) : undefined;
  return (
    <TableRow>
      <RowName>
        {page ? (
          <a href={page} target="_blank" rel="noreferrer">
            #{preview.number} {preview.title}
          </a>
        ) : (
          `#${preview.number} ${preview.title}`
        )}
      </RowName>
      <Cell of="State">
        <Status tone={TONE[preview.status] ?? "idle"} text={preview.status} />
        {deployment ? (
          <>
            {" "}
            <Link to="/deployments/$deployment" params={{ deployment: deployment.id }}>
              #{deployment.number}
            </Link>
          </>
        ) : null}
        {preview.status_detail ? <p className="faint breaks">{preview.status_detail}</p> : null}
      </Cell>
      <Cell of="Address" className="breaks">
        {preview.url ? <Address url={preview.url} /> : <None />}
      </Cell>
      <Cell of="Commit">
        <Commit id={preview.commit} />
      </Cell>
      <Cell of="By" className="breaks">
        {preview.author}
        {preview.fork ? " (fork)" : ""}
      </Cell>
      <Cell of="Pushed">
        <Ago at={preview.pushed_at} />
      </Cell>
      <Cell>
        <Asking
          action="Remove"
          of={`the preview of #${preview.number}`}
          title={`Remove the preview of #${preview.number}?`}
          does={remove}
          className="link"
        >
          <p>Its app goes. The next push to the pull request makes one again.</p>
        </Asking>
      </Cell>
    </TableRow>
  );
}
