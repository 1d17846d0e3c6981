// Where the focus goes when what had it is removed.

import { useEffect, useRef } from "react";

/** So long (ms) what was removed may stay in sight; after that, a lost focus has other reasons. */
const WITHIN = 10_000;

/**
 * A heading to go back to. Without it, whoever removes a row with the keyboard is at the beginning
 * of the page again, and hears nothing of where that is.
 */
export function useFocusBack() {
  const heading = useRef<HTMLHeadingElement>(null);
  const leaving = useRef(0);
  // After every drawing: the row goes once the list was asked for again.
  useEffect(() => {
    const { activeElement, body } = document;
    if (Date.now() > leaving.current || (activeElement && activeElement !== body)) return;
    // What it was asked in is there still, and nothing beside it takes the focus.
    if (document.querySelector("dialog[open]")) return;
    leaving.current = 0;
    heading.current?.focus({ preventScroll: true });
  });
  return {
    heading,
    /** Call it when the removal was asked for. */
    leave: () => {
      leaving.current = Date.now() + WITHIN;
    },
  };
}
