// When daemons are started, restarted and stopped: a pure state machine. Times are milliseconds of
// one monotonic clock.
import { EXIT_CODES } from "@sesame/core-types";

/** Delay before the first restart; each further one doubles it, up to the longest. */
const FIRST_DELAY_MS = 100;
const LONGEST_DELAY_MS = 10_000;
/** A daemon that ran so long has recovered: its next failure counts as the first. */
const RECOVERED_MS = 30_000;
/** From SIGTERM to SIGKILL; daemons give up on their own a second earlier. */
export const STOP_MS = 8_000;

/** A daemon that ends so would end so again: the user has to act first. */
const FINAL_CODES: ReadonlySet<number> = new Set([
  EXIT_CODES.config.code,
  EXIT_CODES.denied.code,
  EXIT_CODES.integrity.code,
]);

export type Phase =
  | { readonly at: "unstarted" }
  | { readonly at: "starting"; readonly sinceMs: number }
  | { readonly at: "ready"; readonly sinceMs: number }
  | { readonly at: "waiting"; readonly untilMs: number }
  /** Infinity once the kill was sent. */
  | { readonly at: "stopping"; readonly killMs: number }
  | { readonly at: "stopped" };

export type DaemonState = {
  readonly name: string;
  readonly phase: Phase;
  /** Ends in a row, each after less than `RECOVERED_MS`. */
  readonly failures: number;
};

/** How the supervisor ends: its exit code, and the daemon that is the reason, if one is. */
export type End = { readonly code: number; readonly culprit: string | null };

export type State = {
  readonly daemons: readonly DaemonState[];
  /** Decided, and everything is being stopped. */
  readonly end: End | null;
};

export type Input =
  /** Time has passed; the first one starts everything. */
  | { readonly type: "time" }
  | { readonly type: "ready"; readonly name: string }
  /** `code` is null after a signal. */
  | { readonly type: "exit"; readonly name: string; readonly code: number | null }
  | { readonly type: "stop" };

export type Effect =
  | { readonly type: "start"; readonly name: string }
  | { readonly type: "signal"; readonly name: string; readonly signal: "SIGTERM" | "SIGKILL" }
  | { readonly type: "end"; readonly end: End };

export type Step = { readonly state: State; readonly effects: readonly Effect[] };

/** @param names in the order in which they start and stop */
export function initialState(names: readonly string[]): State {
  const phase = { at: "unstarted" } as const;
  return { daemons: names.map((name) => ({ name, phase, failures: 0 })), end: null };
}

/** What follows from one event. */
export function advance(state: State, input: Input, nowMs: number): Step {
  if (hasEnded(state)) return { state, effects: [] };
  const next = take(state, input, nowMs);
  return next.end === null ? startDue(next, nowMs) : stopNext(next, next.end, nowMs);
}

/** When the next `time` input is due; null for never. */
export function nextWakeMs({ daemons }: State): number | null {
  const due = daemons.map(({ phase }) => {
    if (phase.at === "waiting") return phase.untilMs;
    return phase.at === "stopping" ? phase.killMs : Infinity;
  });
  const first = Math.min(...due);
  return first === Infinity ? null : first;
}

/** True while every daemon serves. */
export function allReady({ daemons }: State): boolean {
  return daemons.every(({ phase }) => phase.at === "ready");
}

/** True for an exit code after which nothing is tried again. */
export function isFinal(code: number | null): code is number {
  return code !== null && FINAL_CODES.has(code);
}

function hasEnded({ daemons, end }: State): boolean {
  return end !== null && daemons.every(({ phase }) => phase.at === "stopped");
}

function take(state: State, input: Input, nowMs: number): State {
  switch (input.type) {
    case "time":
      return state;
    case "stop":
      return { ...state, end: state.end ?? { code: EXIT_CODES.ok.code, culprit: null } };
    case "ready":
      return change(state, input.name, (daemon) =>
        daemon.phase.at === "starting"
          ? { ...daemon, phase: { at: "ready", sinceMs: daemon.phase.sinceMs } }
          : daemon,
      );
    case "exit": {
      const { name, code } = input;
      const after = change(state, name, (daemon) => afterExit(daemon, code, nowMs));
      const final = isFinal(code) && state.end === null;
      return final ? { ...after, end: { code, culprit: name } } : after;
    }
  }
}

function afterExit(daemon: DaemonState, code: number | null, nowMs: number): DaemonState {
  const { phase } = daemon;
  if (phase.at === "stopping" || isFinal(code)) return { ...daemon, phase: { at: "stopped" } };
  if (phase.at !== "starting" && phase.at !== "ready") return daemon;
  const failures = nowMs - phase.sinceMs >= RECOVERED_MS ? 0 : daemon.failures;
  const delayMs = Math.min(FIRST_DELAY_MS * 2 ** failures, LONGEST_DELAY_MS);
  const untilMs = nowMs + delayMs;
  return { ...daemon, failures: failures + 1, phase: { at: "waiting", untilMs } };
}

/** The first time in order, each after the one before it is ready; later each on its own. */
function startDue(state: State, nowMs: number): Step {
  const effects: Effect[] = [];
  const daemons = state.daemons.map((daemon, i): DaemonState => {
    const { phase, name } = daemon;
    const before = state.daemons[i - 1];
    const due =
      (phase.at === "unstarted" && (before === undefined || before.phase.at === "ready")) ||
      (phase.at === "waiting" && nowMs >= phase.untilMs);
    if (!due) return daemon;
    effects.push({ type: "start", name });
    return { ...daemon, phase: { at: "starting", sinceMs: nowMs } };
  });
  return { state: { ...state, daemons }, effects };
}

/**
 * One after the other, in the order of their start: the bus host's last audit checkpoint is to be
 * received by the vault owner, which therefore has to outlive it.
 */
function stopNext(state: State, end: End, nowMs: number): Step {
  const effects: Effect[] = [];
  let earlierRuns = false;
  const daemons = state.daemons.map((daemon): DaemonState => {
    const { phase, name } = daemon;
    if (phase.at === "stopped") return daemon;
    if (phase.at === "unstarted" || phase.at === "waiting")
      return { ...daemon, phase: { at: "stopped" } };
    if (earlierRuns) return daemon;
    earlierRuns = true;
    if (phase.at === "stopping") {
      if (nowMs < phase.killMs) return daemon;
      effects.push({ type: "signal", name, signal: "SIGKILL" });
      return { ...daemon, phase: { at: "stopping", killMs: Infinity } };
    }
    effects.push({ type: "signal", name, signal: "SIGTERM" });
    return { ...daemon, phase: { at: "stopping", killMs: nowMs + STOP_MS } };
  });
  if (!earlierRuns) effects.push({ type: "end", end });
  return { state: { daemons, end }, effects };
}

function change(state: State, name: string, f: (daemon: DaemonState) => DaemonState): State {
  const daemons = state.daemons.map((daemon) => (daemon.name === name ? f(daemon) : daemon));
  return { ...state, daemons };
}
