// Spans and moments, as people read them.

const SECOND = 1000;
const MINUTE = 60 * SECOND;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;

/** A span in at most two units: `840 ms`, `12.4 s`, `3 min 05 s`, `2 h 10 min`, `4 d 3 h`. */
export function span(ms: number): string {
  if (!Number.isFinite(ms)) return "–";
  const whole = Math.max(0, Math.round(ms));
  if (whole < SECOND) return `${whole} ms`;
  // Rounded before the unit is chosen: 59.96 s is a minute.
  if (Math.round(whole / 100) < 600) return `${(Math.round(whole / 100) / 10).toFixed(1)} s`;
  const seconds = Math.round(whole / SECOND);
  if (seconds < 3600) return two(Math.floor(seconds / 60), "min", seconds % 60, "s", 2);
  const minutes = Math.round(whole / MINUTE);
  if (minutes < 24 * 60) return two(Math.floor(minutes / 60), "h", minutes % 60, "min", 2);
  const hours = Math.round(whole / HOUR);
  return two(Math.floor(hours / 24), "d", hours % 24, "h", 1);
}

function two(big: number, bigUnit: string, small: number, smallUnit: string, digits: number) {
  if (small === 0) return `${big} ${bigUnit}`;
  return `${big} ${bigUnit} ${String(small).padStart(digits, "0")} ${smallUnit}`;
}

/** A span that is still running: whole seconds, so that its digits do not flicker. */
export function running(ms: number): string {
  const seconds = Math.max(0, Math.floor(ms / SECOND));
  return seconds < 60 ? `${seconds} s` : span(seconds * SECOND);
}

/** How long ago, in one unit. */
export function ago(at: number, now: number): string {
  const past = now - at;
  if (past < 10 * SECOND) return "just now";
  if (past < MINUTE) return `${Math.floor(past / SECOND)} s ago`;
  if (past < HOUR) return `${Math.floor(past / MINUTE)} min ago`;
  if (past < DAY) return `${Math.floor(past / HOUR)} h ago`;
  if (past < 60 * DAY) return plural(Math.floor(past / DAY), "day");
  if (past < 730 * DAY) return plural(Math.floor(past / (30 * DAY)), "month");
  return plural(Math.floor(past / (365 * DAY)), "year");
}

const plural = (count: number, unit: string) => `${count} ${unit}${count === 1 ? "" : "s"} ago`;

/** How long until then, in one unit. */
export function ahead(at: number, now: number): string {
  const left = at - now;
  if (left < SECOND) return "now";
  if (left < MINUTE) return `in ${Math.floor(left / SECOND)} s`;
  if (left < HOUR) return `in ${Math.floor(left / MINUTE)} min`;
  if (left < 2 * DAY) return `in ${Math.floor(left / HOUR)} h`;
  return `in ${Math.floor(left / DAY)} days`;
}

/** The time of a log line since the log began: `0:03.2`, `12:07.0`, `1:02:03.4`. */
export function offset(ms: number): string {
  const tenths = Math.max(0, Math.floor(ms / 100));
  const seconds = Math.floor(tenths / 10);
  const tail = `${String(seconds % 60).padStart(2, "0")}.${tenths % 10}`;
  const minutes = Math.floor(seconds / 60);
  if (minutes < 60) return `${minutes}:${tail}`;
  return `${Math.floor(minutes / 60)}:${String(minutes % 60).padStart(2, "0")}:${tail}`;
}
