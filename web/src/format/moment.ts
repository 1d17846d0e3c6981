// A moment in full, for whoever looks from another place than the server's.

const MOMENT = new Intl.DateTimeFormat([], {
  year: "numeric",
  month: "short",
  day: "numeric",
  hour: "2-digit",
  minute: "2-digit",
  second: "2-digit",
  timeZoneName: "short",
});

/** The date and the time here, and which zone that is: `Nov 21, 2026, 10:30:00 AM GMT+1`. */
export const moment = (at: string | number): string => MOMENT.format(new Date(at));
