// Long spans as people type them, in the form that the command line takes.

const UNITS = [
  ["d", 86_400],
  ["h", 3_600],
  ["m", 60],
  ["s", 1],
] as const;

/** `30d` for 2592000 seconds, and all of it: `90s` for 90. */
export function longText(seconds: number): string {
  for (const [unit, each] of UNITS) {
    if (seconds > 0 && seconds % each === 0) return `${seconds / each}${unit}`;
  }
  return `${seconds}s`;
}

/** Seconds, of a whole number with d, h, m or s behind it; undefined where it is none. */
export function secondsOf(text: string): number | undefined {
  const found = /^(\d+)\s*([dhms])$/i.exec(text.trim());
  const unit = UNITS.find(([name]) => name === found?.[2]?.toLowerCase());
  const seconds = unit ? Number(found?.[1]) * unit[1] : Number.NaN;
  return Number.isSafeInteger(seconds) ? seconds : undefined;
}
