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

/** What goes if it is let go of, where anything may. */
export function going({ workers, uploads }: Housekeeping): string {
  const images = workers.flatMap((worker) => worker.going);
  const cache = workers.flatMap((worker) => worker.cache_going);
  const sent = uploads?.going ?? [];
  return listed([
    images.length > 0 ? `${counted(images.length, "image")} (${bytes(together(images))})` : "",
    cache.length > 0 ? `${bytes(together(cache))} of build cache` : "",
    sent.length > 0 ? `${counted(sent.length, "upload")} (${bytes(together(sent))})` : "",
  ]);
}

/** What was let go of. */
export function went({ workers, uploads }: Housekeeping): string {
  const images = workers.reduce((all, { gone }) => all + gone.length, 0);
  const cache = workers.reduce((all, { cache_gone_bytes }) => all + cache_gone_bytes, 0);
  const sent = uploads?.gone ?? 0;
  const all = listed([
    images > 0 ? counted(images, "image") : "",
    cache > 0 ? `${bytes(cache)} of build cache` : "",
    sent > 0 ? counted(sent, "upload") : "",
  ]);
  return `${all || "Nothing"} went.`;
}

/** Those of them that are not empty, as a part of a sentence. */
function listed(some: string[]): string {
  const parts = some.filter(Boolean);
  const last = parts.pop() ?? "";
  return parts.length > 0 ? `${parts.join(", ")} and ${last}` : last;
}

/** What could not be looked at, or stayed although it was to go. */
export function remarks({ workers, uploads }: Housekeeping): string[] {
  const ofWorkers = workers.flatMap(({ name, failed, stayed }) => [
    ...(failed ? [`${name}: ${failed}`] : []),
    ...stayed.map(({ why }) => `${name}: an image stayed: ${why}`),
  ]);
  return uploads?.failed ? [...ofWorkers, `uploads: ${uploads.failed}`] : ofWorkers;
}
