// Sizes as people type them, in the form that the command line takes.

const UNITS = ["", "K", "M", "G", "T"];

/** `10M` for 10485760, and all of it: `1500` for 1500. */
export function sizeText(bytes: number): string {
  let size = bytes;
  let unit = 0;
  while (size > 0 && size % 1024 === 0 && unit < UNITS.length - 1) {
    size /= 1024;
    unit += 1;
  }
  return `${size}${UNITS[unit]}`;
}

/** Bytes, of a whole number with K, M, G or T behind it or nothing; undefined where it is none. */
export function sizeOf(text: string): number | undefined {
  const found = /^(\d+)\s*([KMGT]?)(?:i?B)?$/i.exec(text.trim());
  if (!found) return undefined;
  const bytes = Number(found[1]) * 1024 ** UNITS.indexOf((found[2] ?? "").toUpperCase());
  return Number.isSafeInteger(bytes) ? bytes : undefined;
}
