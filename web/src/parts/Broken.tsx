import { Fault } from "./Notice";

/** In the place of a page that made a mistake while it was drawn. */
export function Broken({ error }: { error: unknown }) {
  return (
    <div className="page">
      <Fault error={error} retry={() => window.location.reload()} again="Load again" />
    </div>
  );
}
