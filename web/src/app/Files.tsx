import type { Site } from "../api/types";
import { bytes, counted } from "../format/text";
import { Commit } from "../parts/Small";

/** What a static site is made of: how many files, and the digest that tells it from others. */
export function Files({ site }: { site: Site }) {
  return (
    <>
      {counted(site.files, "file")}, {bytes(site.bytes)}, as <Commit id={site.id} />
    </>
  );
}
