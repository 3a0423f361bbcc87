/** Runs once after so many milliseconds; the returned function prevents it. */
export type Schedule = (ms: number, run: () => void) => () => void;

/** A timer that does not keep the process alive. */
export const systemSchedule: Schedule = (ms, run) => {
  const timer = setTimeout(run, ms);
  timer.unref();
  return () => clearTimeout(timer);
};
