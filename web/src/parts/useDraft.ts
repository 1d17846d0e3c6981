// What somebody is changing, beside what is so.

import { useState } from "react";

/**
 * The edits, over what the server says: where that changes meanwhile, it shows in every field that
 * was not touched.
 */
export function useDraft<T extends object>(now: T) {
  const [edits, setEdits] = useState<Partial<T>>({});
  return {
    draft: { ...now, ...edits },
    edit: (edit: Partial<T>) => setEdits((before) => ({ ...before, ...edit })),
    forget: () => setEdits({}),
  };
}
