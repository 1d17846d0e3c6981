/**
 * Runs `action` at once, and then, however often it is asked for, only once it is done and `gap`
 * milliseconds have passed; the last request is never forgotten.
 */
export function coalesce(action: () => Promise<unknown>, gap: number) {
  let timer: ReturnType<typeof setTimeout> | undefined;
  let busy = false;
  let again = false;
  // What was begun before a stop must not go on after it.
  let round = 0;

  const run = () => {
    const mine = round;
    busy = true;
    again = false;
    const done = () => {
      if (mine !== round) return;
      timer = setTimeout(() => {
        busy = false;
        if (again) run();
      }, gap);
    };
    action().then(done, done);
  };
  return {
    ask() {
      if (busy) again = true;
      else run();
    },
    stop() {
      clearTimeout(timer);
      round += 1;
      busy = false;
      again = false;
    },
  };
}
