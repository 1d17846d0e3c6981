import { Button } from "./Button";
import { Unsaved } from "./Unsaved";

/** The buttons under a form: to send what was changed, and to forget it. */
export function Save({
  changed,
  busy,
  onForget,
}: {
  changed: boolean;
  busy: boolean;
  onForget: () => void;
}) {
  return (
    <div className="actions">
      <Button type="submit" className="primary" rests={!changed || busy}>
        {busy ? "Saving…" : "Save"}
      </Button>
      {changed && !busy ? (
        <button type="button" className="quiet" onClick={onForget}>
          Forget the changes
        </button>
      ) : null}
      <Unsaved changed={changed && !busy} />
    </div>
  );
}
