import { type ReactNode, useEffect, useId, useRef } from "react";
import { problemOf } from "../api/problem";

/** Asks before something that cannot be undone. */
export function Confirm({
  title,
  action,
  keep,
  busy,
  error,
  onConfirm,
  onClose,
  children,
}: {
  title: string;
  action: string;
  keep: string;
  busy: boolean;
  error: unknown;
  onConfirm: () => void;
  onClose: () => void;
  children: ReactNode;
}) {
  const dialog = useRef<HTMLDialogElement>(null);
  const label = useId();
  useEffect(() => {
    const element = dialog.current;
    element?.showModal();
    return () => element?.close();
  }, []);
  const problem = error ? problemOf(error) : undefined;
  return (
    <dialog ref={dialog} className="confirm" aria-labelledby={label} onClose={onClose}>
      <h2 id={label}>{title}</h2>
      {children}
      {problem ? (
        <p className="confirm-problem" role="alert">
          <strong>{problem.title}.</strong> {problem.detail}
        </p>
      ) : null}
      <div className="actions">
        {/* First, so that the focus and a hasty Enter are here. */}
        <button type="button" onClick={() => dialog.current?.close()}>
          {keep}
        </button>
        <button type="button" className="danger" disabled={busy} onClick={onConfirm}>
          {busy ? "Working…" : action}
        </button>
      </div>
    </dialog>
  );
}
