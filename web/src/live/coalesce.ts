/**
 * Runs `action` at once, and then at most every `gap` milliseconds however often it is asked for;
 * the last request is never forgotten.
 */
export function coalesce(action: () => void, gap: number) {
  let timer: ReturnType<typeof setTimeout> | undefined;
  let again = false;
  const run = () => {
    action();
    timer = setTimeout(() => {
      timer = undefined;
      if (again) {
        again = false;
        run();
      }
    }, gap);
  };
  return {
    ask() {
      if (timer === undefined) run();
      else again = true;
    },
    stop() {
      clearTimeout(timer);
      timer = undefined;
      again = false;
    },
  };
}
