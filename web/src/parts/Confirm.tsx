import { type ReactNode, useEffect, useId, useRef } from "react";
import { Button } from "./Button";
import { Refusal } from "./Refusal";

/** Asks before something that is not undone by a click. */
export function Confirm({
  title,
  action,
  keep,
  harmless = false,
  busy,
  error,
  onConfirm,
  onClose,
  children,
}: {
  title: string;
  action: string;
  keep: string;
  /** Whether nothing is lost by it, so that it needs no warning colour. */
  harmless?: boolean;
  busy: boolean;
  error: unknown;
  onConfirm: () => void;
  onClose: () => void;
  children: ReactNode;
}) {
  const dialog = useRef<HTMLDialogElement>(null);
  const safe = useRef<HTMLButtonElement>(null);
  const label = useId();
  useEffect(() => {
    const element = dialog.current;
    element?.showModal();
    // Not where a question within may have it: a hasty Enter is to do nothing.
    safe.current?.focus();
    return () => element?.close();
  }, []);
  return (
    <dialog ref={dialog} className="confirm" aria-labelledby={label} onClose={onClose}>
      <h2 id={label}>{title}</h2>
      {children}
      <Refusal error={error} />
      <div className="actions">
        <button ref={safe} type="button" onClick={() => dialog.current?.close()}>
          {keep}
        </button>
        <Button className={harmless ? "primary" : "danger"} rests={busy} onClick={onConfirm}>
          {busy ? "Working…" : action}
        </Button>
      </div>
    </dialog>
  );
}
