import { useMutation, useQueryClient } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { previews } from "../api/automation";
import { previewsQuery } from "../api/queries";
import type { App, Preview } from "../api/types";
import { href } from "../format/text";
import { Asking } from "../parts/Asking";
import { type MarkTone, Status } from "../parts/Mark";
import { Address, Ago, Commit } from "../parts/Small";

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
    <tr>
      <th scope="row">
        {page ? (
          <a href={page} target="_blank" rel="noreferrer">
            #{preview.number} {preview.title}
          </a>
        ) : (
          `#${preview.number} ${preview.title}`
        )}
      </th>
      <td data-label="State">
        <div>
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
        </div>
      </td>
      <td data-label="Address" className="breaks">
        {preview.url ? <Address url={preview.url} /> : <span className="none faint">–</span>}
      </td>
      <td data-label="Commit">
        <Commit id={preview.commit} />
      </td>
      <td data-label="By" className="breaks">
        {preview.author}
        {preview.fork ? " (fork)" : ""}
      </td>
      <td data-label="Pushed">
        <Ago at={preview.pushed_at} />
      </td>
      <td>
        <Asking
          action="Remove"
          of={`the preview of #${preview.number}`}
          title={`Remove the preview of #${preview.number}?`}
          does={remove}
          className="link"
        >
          <p>Its app goes. The next push to the pull request makes one again.</p>
        </Asking>
      </td>
    </tr>
  );
}
