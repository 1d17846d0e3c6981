const FIRST = 500;
const MOST = 15_000;

/**
 * How long to wait before the next attempt, after so many that failed: twice as long every time,
 * and somewhere in the upper half of that, so that many pages do not come back at the same moment.
 */
export function backoff(failures: number, random: () => number): number {
  const ceiling = Math.min(MOST, FIRST * 2 ** Math.min(failures, 10));
  return Math.round(ceiling / 2 + (ceiling / 2) * random());
}
