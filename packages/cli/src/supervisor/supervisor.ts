import type { ChildProcess } from "node:child_process";
import { jsonLog, type Paths } from "@sesame/core-ipc/daemon";
import { EXIT_CODES, Fault, type Clock, type ExitClass, type Log } from "@sesame/core-types";
import { startDaemon, type DaemonCommand } from "./daemon-process.ts";
import { daemonEnvironment, READY_FD } from "./environment.ts";
import { closeInherited } from "./inherited.ts";
import { lastWords } from "./last-words.ts";
import { takeLock, type SupervisorLock } from "./lock-file.ts";
import { logSize, openRotatedLog, readSince } from "./log-file.ts";
import {
  advance,
  allReady,
  initialState,
  isFinal,
  nextWakeMs,
  type Effect,
  type End,
  type Input,
} from "./policy.ts";
import { Announcer } from "./readiness.ts";

export type SupervisorOptions = {
  readonly paths: Paths;
  /** In the order of their start, and of their stop: the bus host first. */
  readonly daemons: readonly DaemonCommand[];
  /** Daemons print to this process's stderr instead of the log file. */
  readonly foreground: boolean;
  readonly clock?: Pick<Clock, "monotonicMs">;
  readonly environment?: Readonly<Record<string, string | undefined>>;
};

const STDERR = 2;
const STOPPING_SIGNALS = ["SIGTERM", "SIGINT", "SIGHUP"] as const;
/** Bytes of the log in which a daemon's last words are looked for. */
const WORDS_BYTES = 16_384;

/**
 * Runs the daemons until SIGTERM, SIGINT or SIGHUP, restarting those that end. Tells whoever
 * waits on SESAME_READY_FD when all of them serve.
 *
 * @returns an exit code: 0 after a signal, else that of the daemon that cannot run
 * @throws {Fault} exists, if there is a supervisor; config or io, if its files cannot be used
 */
export async function runSupervisor(options: SupervisorOptions): Promise<number> {
  const { paths, foreground, environment = process.env } = options;
  process.umask(0o077);
  closeInherited();
  const announcer = new Announcer(environment[READY_FD]);
  let lock: SupervisorLock | null = null;
  try {
    lock = takeLock(paths);
    const output = foreground ? STDERR : openRotatedLog(paths);
    const end = await new Supervisor(options, { lock, announcer, output }).run();
    return end.code;
  } catch (cause) {
    if (cause instanceof Fault) announcer.say({ type: "error", fault: cause });
    throw cause;
  } finally {
    announcer.close();
    lock?.release();
  }
}

type Resources = {
  readonly lock: SupervisorLock;
  readonly announcer: Announcer;
  /** Descriptor of the log. */
  readonly output: number;
};

type Running = { readonly process: ChildProcess | null; readonly logFrom: number };

/** Executes the policy. */
class Supervisor {
  readonly #daemons: ReadonlyMap<string, DaemonCommand>;
  readonly #environment: Readonly<Record<string, string>>;
  readonly #nowMs: () => number;
  readonly #resources: Resources;
  readonly #log: Log;
  readonly #running = new Map<string, Running>();
  readonly #ended = Promise.withResolvers<End>();
  #state;
  #timer: NodeJS.Timeout | undefined;
  #marked = false;

  constructor(options: SupervisorOptions, resources: Resources) {
    const { daemons, clock, environment = process.env } = options;
    this.#daemons = new Map(daemons.map((daemon) => [daemon.name, daemon]));
    this.#environment = daemonEnvironment(environment);
    this.#nowMs = clock?.monotonicMs ?? (() => performance.now());
    this.#resources = resources;
    this.#log = jsonLog("supervisor", resources.output);
    this.#state = initialState([...this.#daemons.keys()]);
  }

  async run(): Promise<End> {
    const stop = (): void => this.#feed({ type: "stop" });
    for (const signal of STOPPING_SIGNALS) process.on(signal, stop);
    try {
      this.#log("info", "started", { pid: process.pid });
      this.#feed({ type: "time" });
      return await this.#ended.promise;
    } finally {
      clearTimeout(this.#timer);
      for (const signal of STOPPING_SIGNALS) process.off(signal, stop);
    }
  }

  #feed(input: Input): void {
    const { state, effects } = advance(this.#state, input, this.#nowMs());
    this.#state = state;
    for (const effect of effects) this.#perform(effect);
    this.#mark(allReady(state));
    clearTimeout(this.#timer);
    const wakeMs = nextWakeMs(state);
    if (wakeMs === null) return;
    const delayMs = Math.max(0, wakeMs - this.#nowMs());
    this.#timer = setTimeout(() => this.#feed({ type: "time" }), delayMs);
  }

  #perform(effect: Effect): void {
    switch (effect.type) {
      case "start":
        return this.#start(effect.name);
      case "signal":
        this.#log("info", effect.signal, { to: effect.name });
        this.#running.get(effect.name)?.process?.kill(effect.signal);
        return;
      case "end":
        this.#log("info", "ended", { ...effect.end });
        return this.#ended.resolve(effect.end);
    }
  }

  #start(name: string): void {
    const daemon = this.#daemons.get(name);
    if (daemon === undefined) return;
    const { output } = this.#resources;
    const logFrom = logSize(output);
    const started = startDaemon(daemon, {
      environment: this.#environment,
      output,
      ready: () => {
        this.#log("info", "daemon ready", { name });
        this.#feed({ type: "ready", name });
      },
      exit: (code, problem) => this.#exited(daemon, code, problem),
    });
    this.#running.set(name, { process: started, logFrom });
  }

  #exited({ name, command }: DaemonCommand, code: number | null, problem: string | null): void {
    const signal = this.#running.get(name)?.process?.signalCode ?? null;
    const stopping = this.#state.end !== null;
    this.#log(stopping ? "info" : "warn", "daemon ended", { name, code, signal, problem });
    const { announcer } = this.#resources;
    if (!stopping && announcer.isOpen) {
      const fallback = problem === null ? how(code, signal) : `cannot start ${command}: ${problem}`;
      const fault = this.#faultOf(name, code, fallback);
      if (isFinal(code)) announcer.say({ type: "error", fault });
      else announcer.say({ type: "status", text: fault.message });
    }
    this.#running.delete(name);
    this.#feed({ type: "exit", name, code });
  }

  /** What the daemon said at its end, as an error of this program. */
  #faultOf(name: string, code: number | null, fallback: string): Fault {
    const { output } = this.#resources;
    const from = this.#running.get(name)?.logFrom ?? logSize(output);
    const said = output === STDERR ? "" : readSince(output, from, WORDS_BYTES);
    const words = lastWords(said, name);
    const message = `${name}: ${words?.message ?? fallback}`;
    return new Fault(classOf(code), message, words?.hint ?? "the daemons' log has the details");
  }

  #mark(ready: boolean): void {
    if (ready === this.#marked) return;
    this.#marked = ready;
    try {
      this.#resources.lock.mark(ready);
    } catch (cause) {
      this.#log("error", "the lock file cannot be written", { error: String(cause) });
    }
    if (ready) this.#resources.announcer.say({ type: "ready" });
  }
}

function how(code: number | null, signal: string | null): string {
  return code === null ? `ended by ${signal ?? "a signal"}` : `ended with exit code ${code}`;
}

function classOf(code: number | null): ExitClass {
  const classes = Object.keys(EXIT_CODES) as ExitClass[];
  return classes.find((name) => EXIT_CODES[name].code === code) ?? "fault";
}
