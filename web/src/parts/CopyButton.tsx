import { useEffect, useState } from "react";

/** What came of copying, for a moment. */
const WORDS = { none: "Copy", copied: "Copied", refused: "Not allowed here" };

/** Copies a text, where the browser allows that. `what` tells it from other such buttons. */
export function CopyButton({ text, what }: { text: string; what: string }) {
  const [came, setCame] = useState<keyof typeof WORDS>("none");
  useEffect(() => {
    if (came === "none") return;
    const timer = setTimeout(() => setCame("none"), 2_000);
    return () => clearTimeout(timer);
  }, [came]);
  // Not there on pages served without TLS under a name of their own.
  const clipboard: Clipboard | undefined = navigator.clipboard;
  if (!clipboard) return null;
  const copy = () =>
    clipboard.writeText(text).then(
      () => setCame("copied"),
      () => setCame("refused"),
    );
  return (
    <button type="button" className="quiet copy" onClick={() => void copy()}>
      <span aria-live="polite">{WORDS[came]}</span>
      <span className="unseen"> {what}</span>
    </button>
  );
}
