// What may go and what went, in words.

import type { Housekeeping } from "../api/types";
import { span } from "../format/span";
import { bytes, counted } from "../format/text";

/** How many bytes they have together. */
export const together = (ones: { bytes: number }[]) =>
  ones.reduce((all, one) => all + one.bytes, 0);

/** What stays, whatever it is that is looked at. */
export function kept(found: Housekeeping): string[] {
  const { keep_versions, keep_image_bytes, keep_image_ms, keep_cache_bytes, keep_cache_ms } = found;
  return [
    `Of each app the live version and ${counted(keep_versions, "earlier one")}, of these fewer where a` +
      ` worker has more than ${bytes(keep_image_bytes)} of images, or after ${span(keep_image_ms)}.`,
    `Of the build cache ${bytes(keep_cache_bytes)} on each worker, and what a build used within` +
      ` ${span(keep_cache_ms)}.`,
  ];
}

/** Whether anything may go. */
export function mayGo({ workers, uploads }: Housekeeping): boolean {
  const some = workers.some(({ going, cache_going }) => going.length + cache_going.length > 0);
  return some || (uploads?.going.length ?? 0) > 0;
}

/** What was let go of. */
export function went({ workers, uploads }: Housekeeping): string {
  const images = workers.reduce((all, { gone }) => all + gone.length, 0);
  const cache = workers.reduce((all, { cache_gone_bytes }) => all + cache_gone_bytes, 0);
  const sent = uploads?.gone ?? 0;
  const parts = [
    images > 0 ? counted(images, "image") : "",
    cache > 0 ? `${bytes(cache)} of build cache` : "",
    sent > 0 ? counted(sent, "upload") : "",
  ].filter(Boolean);
  if (parts.length === 0) return "Nothing went.";
  const last = parts.pop();
  return parts.length === 0 ? `${last} went.` : `${parts.join(", ")} and ${last} went.`;
}

/** What could not be looked at, or stayed although it was to go. */
export function remarks({ workers, uploads }: Housekeeping): string[] {
  const ofWorkers = workers.flatMap(({ name, failed, stayed }) => [
    ...(failed ? [`${name}: ${failed}`] : []),
    ...stayed.map(({ why }) => `${name}: an image stayed: ${why}`),
  ]);
  return uploads?.failed ? [...ofWorkers, `uploads: ${uploads.failed}`] : ofWorkers;
}
