import type { ReactNode } from "react";
import { Mark } from "./Mark";

/** What somebody should know, although nothing failed. */
export function Warning({ title, children }: { title: string; children: ReactNode }) {
  return (
    <div className="warning">
      <p>
        <Mark tone="warn" /> <strong>{title}</strong>
      </p>
      {children}
    </div>
  );
}
