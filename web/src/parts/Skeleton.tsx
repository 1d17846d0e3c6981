/** In the place of a page that is being loaded: where its heading and its rows are about to be. */
export function Skeleton({ what }: { what: string }) {
  return (
    <div className="skeleton" role="status">
      <span className="unseen">Loading {what}…</span>
      <span className="skeleton-title" />
      <span className="skeleton-row" />
      <span className="skeleton-row" />
      <span className="skeleton-row" />
    </div>
  );
}
