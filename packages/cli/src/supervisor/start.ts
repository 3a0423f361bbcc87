import { spawn } from "node:child_process";
import { closeSync } from "node:fs";
import { Duplex } from "node:stream";
import { setTimeout as delay } from "node:timers/promises";
import { errorCode, type Paths } from "@sesame/core-ipc/daemon";
import { Fault } from "@sesame/core-types";
import { daemonEnvironment, READY_FD } from "./environment.ts";
import { holderOf } from "./lock-file.ts";
import { isMarkedReady } from "./mark.ts";
import { openLog } from "./log-file.ts";
import { onReports } from "./readiness.ts";

export type StartOptions = {
  readonly paths: Paths;
  /** A program that runs the supervisor, with absolute paths: it starts in `/`. */
  readonly command: string;
  readonly args: readonly string[];
  /** Until all daemons serve. */
  readonly timeoutMs: number;
  readonly environment?: Readonly<Record<string, string | undefined>>;
};

export type Started = {
  /** 0 for one that has no pid in this pid namespace. */
  readonly pid: number;
  /** False if another process had started it. */
  readonly started: boolean;
};

const READY = 3;
/** Milliseconds between looks at a supervisor that is not our child. */
const POLL_MS = 25;

/**
 * Makes sure that the daemons run and serve. A new supervisor shares nothing with this process: it
 * has its own session, and none of our descriptors, so a pipeline ends with the command.
 *
 * @throws {Fault} what a daemon said that cannot run; unavailable after `timeoutMs` (the
 *   supervisor goes on trying); config or io, if the files cannot be used
 */
export async function startDetached(options: StartOptions): Promise<Started> {
  const { paths, timeoutMs } = options;
  const deadline = performance.now() + timeoutMs;
  for (;;) {
    const pid = holderOf(paths);
    if (pid === null) {
      const started = await launch(options, deadline);
      if (started !== null) return { pid: started, started: true };
    } else if (isMarkedReady(paths, pid)) return { pid, started: false };
    if (performance.now() >= deadline) throw notReady(options, null);
    await delay(POLL_MS);
  }
}

/**
 * @returns null if there turned out to be a supervisor already
 */
async function launch(options: StartOptions, deadline: number): Promise<number | null> {
  const { paths, command, args, environment = process.env } = options;
  const log = openLog(paths);
  const child = spawn(command, args, {
    detached: true,
    cwd: "/",
    env: { ...daemonEnvironment(environment), [READY_FD]: String(READY) },
    stdio: ["ignore", log, log, "pipe"],
  });
  closeSync(log);
  child.unref();
  const verdict = Promise.withResolvers<number | null>();
  const fail = (message: string): void => {
    verdict.reject(new Fault("unavailable", message, `see ${paths.log}`));
  };
  child.on("error", (cause) => fail(`cannot start ${command}: ${errorCode(cause)}`));
  let status: string | null = null;
  const timer = setTimeout(
    () => verdict.reject(notReady(options, status)),
    deadline - performance.now(),
  );
  const pipe = child.stdio[READY];
  if (pipe instanceof Duplex) {
    onReports(pipe, (report) => {
      if (report.type === "ready") verdict.resolve(child.pid ?? 0);
      else if (report.type === "status") status = report.text;
      else if (report.fault.exit === "exists") verdict.resolve(null);
      else verdict.reject(report.fault);
    });
    pipe.on("error", () => undefined);
    pipe.on("close", () => fail("the supervisor ended before the daemons were ready"));
  }
  try {
    return await verdict.promise;
  } finally {
    clearTimeout(timer);
    if (pipe instanceof Duplex) pipe.destroy();
  }
}

function notReady({ paths, timeoutMs }: StartOptions, status: string | null): Fault {
  const why = status === null ? "" : `; the last to end was ${status}`;
  return new Fault(
    "unavailable",
    `the daemons were not ready within ${timeoutMs / 1_000} s${why}`,
    `see ${paths.log}; \`sesame daemon stop\` ends the attempt`,
  );
}
