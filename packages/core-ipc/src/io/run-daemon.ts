import { closeSync, openSync, writeSync } from "node:fs";
import { Socket } from "node:net";
import { dirname } from "node:path";
import { EXIT_CODES, Fault, type Clock, type DAEMONS, type Log } from "@sesame/core-types";
import type { Suite } from "@sesame/core-crypto";
import {
  harden,
  lockHolder,
  restrictSyscalls,
  sdNotify,
  threadStates,
  tryLock,
  type Denial as SyscallDenial,
  type PathRule,
  type SyscallProfile,
} from "@sesame/native";
import { daemonLock, pathsFrom, type Paths } from "../install/paths.ts";
import { enterSandbox } from "./confine.ts";
import { closedDirectory, errorCode, fileFault, privateDirectory, rootsOwn } from "./files.ts";
import { jsonLog } from "./log.ts";
import { MEMORY_EXHAUSTED, MORE_MEMORY, secureSuite } from "./secure-suite.ts";

export type DaemonContext = {
  readonly paths: Paths;
  /** Keeps keys and secrets in memory that is out of reach. */
  readonly suite: Suite;
  readonly clock: Clock;
  readonly log: Log;
  /** Ends the daemon because it cannot go on. */
  readonly fail: (cause: unknown) => void;
};

export type RunningDaemon = {
  /** Ends orderly; called once. */
  readonly stop: () => Promise<void>;
};

export type DaemonSpec = {
  readonly name: (typeof DAEMONS)[number];
  /** Only one process may hold it. */
  readonly lock: (paths: Paths) => string;
  /** Where its keys lie. */
  readonly keys: (paths: Paths) => string;
  /** Directories that it works in besides the runtime directory; made before it is confined. */
  readonly directories: (paths: Paths) => readonly string[];
  /** Single files that it may read. */
  readonly files: (paths: Paths) => readonly string[];
  /** Further places that it may look at. */
  readonly reads?: readonly string[];
  /** Null: it is not confined, since what it starts would inherit that. */
  readonly syscalls: SyscallProfile | null;
  /** Resolves once the daemon serves. */
  readonly start: (context: DaemonContext) => Promise<RunningDaemon>;
};

const STOP_TIMEOUT_MS = 7_000;

/**
 * What every daemon does alike: one instance, readiness, watchdog, signals, orderly stop, and an
 * exit code from the table.
 */
export async function runDaemon(spec: DaemonSpec): Promise<void> {
  process.umask(0o077);
  process.title = `sesame ${spec.name}`;
  const log = jsonLog(spec.name);
  const ended = Promise.withResolvers<unknown>();
  const fail = (cause: unknown): void => ended.resolve(cause ?? new Error("ended"));
  process.on("uncaughtException", fail);
  process.on("unhandledRejection", fail);
  for (const signal of ["SIGTERM", "SIGINT"] as const)
    process.on(signal, () => ended.resolve(null));
  process.on("SIGHUP", () => undefined);
  watchParent(() => ended.resolve(null));
  let running: RunningDaemon | null = null;
  let watchdog: NodeJS.Timeout | undefined;
  try {
    const paths = pathsFrom(process.env);
    if (paths.system !== null) rootsOwn(dirname(paths.socket));
    privateDirectory(paths.runtime);
    for (const path of spec.directories(paths)) closedDirectory(path);
    const { syscalls } = spec;
    if (syscalls !== null) enterSandbox(rulesOf(spec, paths));
    harden({ noNewPrivs: true });
    const suite = secureSuite(log);
    takeLock(spec.lock(paths), (pid) => {
      const hint = "`sesame daemon stop` stops it";
      return new Fault("exists", `${spec.name} is running already${pid}`, hint);
    });
    takeLock(daemonLock(paths, spec.name), (pid) => {
      const where = "with another runtime directory";
      const hint = `set XDG_RUNTIME_DIR as it is set there; it is not ${dirname(paths.runtime)}`;
      return new Fault("config", `${spec.name} is running already${pid}, ${where}`, hint);
    });
    const clock = { wallMs: Date.now, monotonicMs: () => performance.now() };
    running = await spec.start({ paths, suite, clock, log, fail });
    if (syscalls !== null) restrict(syscalls);
    watchdog = pingWatchdog();
    announce();
    log("info", "ready", { pid: process.pid });
    const cause = await ended.promise;
    if (cause !== null) throw cause;
    log("info", "stopping");
    sdNotify("STOPPING=1");
    await withTimeout(running.stop(), STOP_TIMEOUT_MS);
    process.exitCode = EXIT_CODES.ok.code;
  } catch (cause) {
    process.exitCode = report(log, cause);
    await withTimeout(running?.stop() ?? Promise.resolve(), STOP_TIMEOUT_MS).catch(() => undefined);
  } finally {
    clearInterval(watchdog);
  }
  process.exit();
}

/** What there is not yet cannot be named; whoever needs it says what is missing. */
function rulesOf(spec: DaemonSpec, paths: Paths): PathRule[] {
  return [
    ...[paths.runtime, ...spec.directories(paths)].map((path) => ({
      path,
      access: "read-write-create" as const,
    })),
    // Former keys are erased by the daemon itself.
    { path: spec.keys(paths), access: "read-write-create", optional: true },
    ...[...spec.files(paths), ...(spec.reads ?? [])].map((path) => ({
      path,
      access: "read" as const,
      optional: true,
    })),
  ];
}

/**
 * From here on only the system calls of a serving daemon, on every thread.
 *
 * SESAME_SYSCALLS says what becomes of others: `kill` proves in tests that the list is complete,
 * `tell` names them in the log; both are no weaker than the default, which refuses them.
 */
function restrict(profile: SyscallProfile): void {
  const wish = process.env["SESAME_SYSCALLS"];
  const denial: SyscallDenial = wish === "kill" || wish === "tell" ? wish : "errno";
  restrictSyscalls(profile, denial);
  const unconfined = threadStates().filter(({ filters, noNewPrivs }) => filters < 2 || !noNewPrivs);
  if (unconfined.length > 0)
    throw new Fault(
      "config",
      `${unconfined.length} threads are not confined: ${unconfined.map(({ name }) => name).join(", ")}`,
      "report this, with the kernel's version",
    );
}

/**
 * Held by the descriptor until the process ends, however it ends.
 *
 * @param taken - what is thrown while another process has it, with its pid if it is known
 */
function takeLock(path: string, taken: (pid: string) => Fault): void {
  let fd: number;
  try {
    fd = openSync(path, "a", 0o600);
  } catch (cause) {
    throw fileFault(cause, path);
  }
  if (tryLock(fd)) return;
  const holder = lockHolder(fd);
  closeSync(fd);
  throw taken(holder === null || holder === 0 ? "" : ` (pid ${holder})`);
}

/** Under a supervisor: ends with it, however it ends. */
function watchParent(gone: () => void): void {
  const fd = Number(process.env["SESAME_PARENT_FD"] ?? Number.NaN);
  if (!Number.isInteger(fd)) return;
  const pipe = new Socket({ fd, readable: true, writable: false });
  pipe.on("end", gone).on("close", gone).on("error", gone);
  pipe.resume();
  pipe.unref();
}

function announce(): void {
  sdNotify("READY=1");
  const fd = Number(process.env["SESAME_READY_FD"] ?? Number.NaN);
  if (!Number.isInteger(fd)) return;
  try {
    writeSync(fd, "READY=1\n");
    closeSync(fd);
  } catch {
    // Whoever waited for it is gone.
  }
}

/** Pings from the main loop, so that a hung one is noticed. sd_watchdog_enabled(3) */
function pingWatchdog(): NodeJS.Timeout | undefined {
  const microseconds = Number(process.env["WATCHDOG_USEC"] ?? Number.NaN);
  if (!(microseconds > 0)) return undefined;
  return setInterval(() => sdNotify("WATCHDOG=1"), microseconds / 2_000);
}

function report(log: Log, cause: unknown): number {
  if (cause instanceof Fault) {
    log("error", cause.message, { hint: cause.hint });
    return EXIT_CODES[cause.exit].code;
  }
  if (errorCode(cause) === MEMORY_EXHAUSTED) {
    log("error", "no locked memory is left", { hint: MORE_MEMORY });
    return EXIT_CODES.config.code;
  }
  log("error", "fault", { error: cause instanceof Error ? (cause.stack ?? "") : String(cause) });
  return EXIT_CODES.fault.code;
}

async function withTimeout(work: Promise<void>, ms: number): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  const timer = setTimeout(resolve, ms);
  await Promise.race([work, promise]);
  clearTimeout(timer);
}
