// The time of the day, in the same width for each moment.

const CLOCK = new Intl.DateTimeFormat([], {
  hour: "2-digit",
  minute: "2-digit",
  second: "2-digit",
  hourCycle: "h23",
});

/** `09:30:00`. */
export const clock = (at: number): string => CLOCK.format(at);
