import { closeSync, openSync, writeSync } from "node:fs";
import { Socket } from "node:net";
import { EXIT_CODES, Fault, type Clock, type Log } from "@sesame/core-types";
import { lockHolder, sdNotify, tryLock } from "@sesame/native";
import { pathsFrom, type Paths } from "../install/paths.ts";
import { fileFault, privateDirectory } from "./files.ts";
import { jsonLog } from "./log.ts";

export type DaemonContext = {
  readonly paths: Paths;
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
  readonly name: string;
  /** Only one process may hold it. */
  readonly lock: (paths: Paths) => string;
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
    privateDirectory(paths.runtime);
    takeLock(spec.lock(paths), spec.name);
    const clock = { wallMs: Date.now, monotonicMs: () => performance.now() };
    running = await spec.start({ paths, clock, log, fail });
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

/** Held by the descriptor until the process ends, however it ends. */
function takeLock(path: string, name: string): void {
  let fd: number;
  try {
    fd = openSync(path, "a", 0o600);
  } catch (cause) {
    throw fileFault(cause, path);
  }
  if (tryLock(fd)) return;
  const holder = lockHolder(fd);
  closeSync(fd);
  throw new Fault(
    "exists",
    `${name} is running already${holder === null ? "" : ` (pid ${holder})`}`,
    "`sesame daemon stop` stops it",
  );
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
  log("error", "fault", { error: cause instanceof Error ? (cause.stack ?? "") : String(cause) });
  return EXIT_CODES.fault.code;
}

async function withTimeout(work: Promise<void>, ms: number): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  const timer = setTimeout(resolve, ms);
  await Promise.race([work, promise]);
  clearTimeout(timer);
}
