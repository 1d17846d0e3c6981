import { useEffect, useState } from "react";

/** Copies a text, where the browser allows that. `what` tells it from other such buttons. */
export function CopyButton({ text, what }: { text: string; what: string }) {
  const [copied, setCopied] = useState(false);
  useEffect(() => {
    if (!copied) return;
    const timer = setTimeout(() => setCopied(false), 2_000);
    return () => clearTimeout(timer);
  }, [copied]);
  // Not there on pages served without TLS under a name of their own.
  const clipboard: Clipboard | undefined = navigator.clipboard;
  if (!clipboard) return null;
  return (
    <button
      type="button"
      className="quiet copy"
      onClick={() => void clipboard.writeText(text).then(() => setCopied(true))}
    >
      <span aria-live="polite">{copied ? "Copied" : "Copy"}</span>
      <span className="unseen"> {what}</span>
    </button>
  );
}
